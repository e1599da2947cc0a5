"""The run under the cursor in a few lines: how it stands, what was asked, how it went."""

from itertools import pairwise

from textual.content import Content

from core.runs.state import RunState
from tui import figures
from tui.widgets.run_header import run_header

STEPS = "▁▂▃▄▅▆▇█"


def preview(state: RunState, now: float, width: int) -> list[Content]:
    """Two lines: the state of things, and the recipe with the course of the validation accuracy."""
    head = run_header(state, now, width)[0]
    if state.end_message and state.end == "failed":
        head = Content.assemble(("failed: ", "$bad"), state.end_message)
    recipe = state.recipe
    optimiser = recipe.get("optimiser", {})
    facts = [
        str(recipe.get("preset", "")),
        f"batch {recipe.get('batch_size', figures.DASH)}",
        f"lr {figures.learning_rate(optimiser.get('learning_rate'))}",
        f"seed {recipe.get('seed', 0)}",
        state.device_name or state.device or str(recipe.get("device", "")),
    ]
    asked = Content.styled(" · ".join(fact for fact in facts if fact), "$text-muted")
    course = sparkline([row.val_accuracy for row in state.history], max(1, min(24, width // 4)))
    if course:
        last = figures.percent(state.history[-1].val_accuracy)
        asked = Content.assemble("val ", (course, "$val"), f" {last}   ") + asked
    return [line.truncate(max(1, width), ellipsis=True) for line in (head, asked)]


def sparkline(values: list[float], width: int) -> str:
    """The course of fractions from 0 to 1, at most ``width`` cells: the mean of each stretch, a gap where it is NaN."""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(part) / len(part) for a, b in pairwise(edges) if (part := values[a:b])]
    return "".join(" " if value != value else STEPS[min(7, max(0, int(value * 8)))] for value in values)
