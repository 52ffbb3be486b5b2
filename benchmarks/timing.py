"""Contenders take turns, so that whatever else the machine does hits all of them; medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians_ms(
    contenders: Mapping[str, Callable[[], object]], runs: int, warm_up: int = 3
) -> dict[str, float]:
    """Median milliseconds per contender over ``runs`` turns, after ``warm_up`` that don't count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warm_up + runs):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def row(claim: str, ours: float, peer: float | None, wanted: str, unit: str = "ms") -> str:
    """A line of the table: the claim, our median, the peer's, the ratio, what was promised."""
    beside = f"{peer:.1f} {unit}" if peer is not None else ""
    ratio = f"{ours / peer:.2f}" if peer else ""
    return f"| {claim} | {ours:.1f} {unit} | {beside} | {ratio} | {wanted} |"


HEAD = "| what | ours | peer | ours / peer | wanted |\n| --- | ---: | ---: | ---: | --- |"
