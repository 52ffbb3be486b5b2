"""Several runs beside each other, as the page shows them: curves with the spread over seeds, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from training.report.comparison import Group, Quantity
from training.report.page.chart import COLORS, Axes, Curve, draw_chart
from training.report.spread import spread


def comparison_chart(groups: Sequence[Group], quantity: Quantity) -> str:
    """All groups on one pair of axes: test solid, training dashed, a band of one standard deviation over seeds."""
    last = max(history[-1].epoch for group in groups for history in group.histories)
    curves = [
        curve
        for number, group in enumerate(groups)
        for curve in _curves(group, COLORS[number % len(COLORS)], quantity)
    ]
    titles = {"accuracy": "accuracy", "loss": "loss", "gap": "training minus test accuracy"}
    signed = min((v for c in curves for _, v in c.points), default=0.0) if quantity == "gap" else None
    axes = Axes(
        titles[quantity],
        last,
        percent=quantity == "accuracy",
        points=quantity == "gap",
        low=min(0.0, signed) if signed is not None else None,
    )
    return draw_chart(curves, axes)


def _curves(group: Group, color: str, quantity: Quantity) -> list[Curve]:
    if quantity == "gap":
        train, test = (spread(group.distinct, f"{part}_accuracy") for part in ("train", "test"))
        gaps = tuple((float(e), a - b) for e, a, b in zip(train.epochs, train.mean, test.mean, strict=True))
        return [Curve(group.title, gaps, color)]
    curves = []
    for part in ("train", "test"):
        found = spread(group.distinct, f"{part}_{quantity}")
        points = tuple((float(e), mean) for e, mean in zip(found.epochs, found.mean, strict=True))
        band = found.deviation if found.runs > 1 and part == "test" else ()
        curves.append(Curve(f"{group.title}, {part}", points, color, dashed=part == "train", band=band))
    return curves


def comparison_table(groups: Sequence[Group]) -> str:
    """One row per recipe with its last epoch's numbers, mean ± spread over seeds."""
    rows = []
    for number, group in enumerate(groups):
        chip = f'<span class="tr-chip" style="background:{COLORS[number % len(COLORS)]}"></span>'
        cells = (
            _percent(*group.mean(lambda h: h[-1].train_accuracy)),
            _percent(*group.mean(lambda h: h[-1].test_accuracy)),
            _percent(*group.mean(lambda h: h[-1].train_accuracy - h[-1].test_accuracy), unit=" points"),
            _percent(*group.mean(lambda h: max(r.test_accuracy for r in h))),
            f"{group.mean(lambda h: h[-1].seconds)[0]:.1f} s",
        )
        epochs = min(history[-1].epoch for history in group.distinct)
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in (str(epochs), *cells))
        rows.append(
            f'<tr><th scope="row">{chip}{escape(group.title)}</th><td>{group.seeds}</td>{numbers}</tr>'
        )
    heads = ("epochs", "training", "test", "gap", "best test", "an epoch")
    head = "<th>recipe</th><th></th>" + "".join(f'<th class="number">{name}</th>' for name in heads)
    return (
        f'<div class="tr-table"><table class="facts"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _percent(mean: float, deviation: float, unit: str = " %") -> str:
    spread_words = f" ± {100 * deviation:.1f}" if deviation else ""
    return f"{100 * mean:.1f}{spread_words}{unit}".replace("-", "−")
