"""How a figure is shown: beside its limit, with the ratio and the target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside the limit measured in the same run; `ratio` is value to limit."""

    name: str
    value: float
    unit: str
    target: str
    met: bool
    limit: float | None = None
    limit_name: str = ""
    ratio: float | None = None


def rate(times: Sequence[float]) -> float:
    """How many a second, of all that came after the first batch, which share one time."""
    first, last = min(times), max(times)
    return sum(one > first for one in times) / (last - first)


def show(figures: Iterable[Figure]) -> str:
    rows = [("figure", "value", "limit in the same run", "ratio", "target", "")]
    for figure in figures:
        limit = "" if figure.limit is None else f"{_number(figure.limit)} ({figure.limit_name})"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        value = f"{_number(figure.value)} {figure.unit}"
        rows.append(
            (figure.name, value, limit, ratio, figure.target, "met" if figure.met else "MISSED")
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
