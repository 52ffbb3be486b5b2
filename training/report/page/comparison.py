"""Several runs beside each other, as the page shows them: curves with the spread over seeds, and a table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from training.report.colours import run_colour
from training.report.comparison import SUMMARY_HEADS, Group, summary
from training.report.curves import Quantity, compared_chart
from training.report.page.chart import draw_chart

_TABLE = Markup(
    '<div class="tr-table"><table class="facts"><thead><tr><th>recipe</th><th></th>{heads}</tr></thead>'
    "<tbody>{rows}</tbody></table></div>"
)
_HEAD = Markup('<th class="number">{}</th>')
_ROW = Markup(
    '<tr><th scope="row"><span class="tr-chip" style="background:{colour}"></span>{title}</th><td>{seeds}</td>'
    "{cells}</tr>"
)
_CELL = Markup('<td class="number">{}</td>')


def comparison_chart(groups: Sequence[Group], quantity: Quantity) -> Markup:
    """All groups on one pair of axes: test solid, training dashed, a band of one standard deviation over seeds."""
    return draw_chart(compared_chart(groups, quantity))


def comparison_table(groups: Sequence[Group]) -> Markup:
    """One row per recipe with its last epoch's numbers, mean ± spread over seeds, and what an epoch takes."""
    heads = Markup("").join(map(_HEAD.format, (*SUMMARY_HEADS, "an epoch")))
    rows = Markup("").join(
        _ROW.format(
            colour=run_colour(number),
            title=group.title,
            seeds=group.seeds,
            cells=Markup("").join(map(_CELL.format, (*summary(group), _seconds(group)))),
        )
        for number, group in enumerate(groups)
    )
    return _TABLE.format(heads=heads, rows=rows)


def _seconds(group: Group) -> str:
    seconds, _ = group.mean(lambda history: history[-1].seconds)
    return f"{seconds:.1f} s"
