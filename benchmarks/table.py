"""What a benchmark gives: figures with what they are compared with, as a table of ratios."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A cost, so less is better; ``baseline`` is the same work done the ordinary way in the same run."""

    what: str
    ours: float
    unit: str
    baseline: float | None = None
    baseline_is: str = ""
    wanted: str = ""
    """The measure, in words."""
    processor: float | None = None
    """Seconds of CPU time that ours took, over all threads, which does not depend on other processes."""
    waiting: float | None = None
    """Seconds of ``ours`` in which another program had the core: about that much less on an idle machine."""

    @property
    def ratio(self) -> float | None:
        """How many times cheaper than the baseline."""
        return None if self.baseline is None else self.baseline / self.ours


def as_markdown(figures: Sequence[Figure]) -> str:
    lines = ["| ratio | what | ours | baseline | | wanted |", "|--:|---|--:|--:|---|---|"]
    for figure in figures:
        ratio = "" if figure.ratio is None else f"**{figure.ratio:.1f}×**"
        baseline = "" if figure.baseline is None else _amount(figure.baseline, figure.unit)
        ours = _amount(figure.ours, figure.unit)
        parts = (figure.processor, "of processor"), (figure.waiting, "waiting for a core")
        unit, scale = ("ms", 1000) if figure.unit == "ms" else ("s", 1)
        if said := [f"{_amount(scale * seconds, unit)} {what}" for seconds, what in parts if seconds is not None]:
            ours += f" ({', '.join(said)})"
        cells = ratio, figure.what, ours, baseline, figure.baseline_is, figure.wanted
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _amount(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"
