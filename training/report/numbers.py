"""Numbers of runs as charts, tables and sentences write them: one sign, one number of digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PERCENT, POINTS = " %", " points"
"""Units of a share and of a difference of two shares, with the blank before them."""


def signed(text: str) -> str:
    """A number with a minus sign, not a hyphen; nothing is less than 0 by being rounded to it.

    >>> signed("-2.1"), signed("-0.0")
    ('−2.1', '0.0')
    """
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def hundredths(share: float, unit: str = PERCENT, *, plus: bool = False) -> str:
    """A share, or a difference of shares, in hundredths with its unit; ``plus`` also says what is above 0.

    >>> hundredths(0.625), hundredths(-0.0213, POINTS), hundredths(0.01, POINTS, plus=True)
    ('62.5 %', '−2.1 points', '+1.0 points')
    """
    text = f"{100 * share:+.1f}" if plus else f"{100 * share:.1f}"
    return f"{signed(text)}{unit}"


def mean_and_spread(values: Sequence[float], unit: str = PERCENT) -> str:
    """The mean of shares in hundredths; of several with one standard deviation (n − 1).

    >>> mean_and_spread([0.5]), mean_and_spread([0.4, 0.6])
    ('50.0 %', '50.0 ± 14.1 %')
    """
    deviation = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{hundredths(float(np.mean(values)), '')}{deviation}{unit}"
