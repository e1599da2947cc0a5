"""The header of a run: dataset, model, status, progress and the device."""

from rich.cells import cell_len
from textual.content import Content

from core.runs.journal.events import DeviceSample
from core.runs.journal.state import RunState
from core.util.text import counted
from tui.formatting import clock, decimal, gigabytes, percent, shortened
from tui.widgets.text import state_label

HOT = 85.0
"""Degrees Celsius above which a GPU's temperature is highlighted: common cards throttle soon after."""


def device_strip(sample: DeviceSample | None, room: int) -> Content:
    """``GPU 87%  1.9/24 GB  212 W  54 °C``, or the CPU's values without a GPU, in at most ``room`` cells.

    Values that do not fit are dropped from the right.
    """
    strip = Content("")
    for index, figure in enumerate(_figures(sample) if sample is not None else ()):
        longer = strip + ("  " if index else "") + figure
        if longer.cell_length > room:
            break
        strip = longer
    return strip


def _figures(sample: DeviceSample) -> list[Content]:
    if sample.gpu_percent is None and sample.gpu_memory_used is None:
        return [
            Content.assemble(("CPU ", "$text-muted"), f"{decimal(sample.cpu_percent, 0)}%"),
            Content.assemble(("memory ", "$text-muted"), gigabytes(sample.rss)),
            Content.assemble(("RAM ", "$text-muted"), gigabytes(sample.ram_used, sample.ram_total)),
        ]
    figures = []
    if sample.gpu_percent is not None:
        figures.append(Content.assemble(("GPU ", "$text-muted"), f"{decimal(sample.gpu_percent, 0)}%"))
    if sample.gpu_memory_used is not None:
        figures.append(Content(gigabytes(sample.gpu_memory_used, sample.gpu_memory_total)))
    if sample.gpu_power is not None:
        figures.append(Content(f"{decimal(sample.gpu_power, 0)} W"))
    if sample.gpu_temperature is not None:
        hot = sample.gpu_temperature >= HOT
        figures.append(Content.styled(f"{sample.gpu_temperature:.0f} °C{'!' if hot else ''}", "$warn" if hot else ""))
    return figures


SILENT = 15.0
"""Seconds without an event after which a running trainer is shown as silent."""
POINT = Content.styled(" · ", "$text-muted")


def run_header(state: RunState, now: float, width: int, *, short: bool = False) -> list[Content]:
    """The run's facts in as many lines as they need, followed by the device, or the run's name once it has ended.

    Args:
        now: the viewer's ``time.monotonic``.
        short: leave out name and device; start with the status.
    """
    facts = _facts(state, now)
    if short:
        return _wrapped(facts, width)
    lines = _wrapped([*_name(state, width), *facts], width)
    room = width - lines[-1].cell_length - 3
    if state.status in ("paused", "queued"):
        return lines  # no samples are taken while paused
    if state.status == "running":
        strip = device_strip(state.device_sample, width)
        if strip and strip.cell_length > room:
            return [*lines, strip]
    else:
        strip = Content.styled(state.name if cell_len(state.name) <= room else "", "$text-muted")
    lines[-1] += " " * (width - lines[-1].cell_length - strip.cell_length) + strip
    return lines


def _wrapped(parts: list[Content], width: int) -> list[Content]:
    """The parts joined by points, wrapped at ``width``."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = lines[-1] + POINT + part
        if longer.cell_length <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _name(state: RunState, width: int) -> list[Content]:
    dataset = Content.styled(shortened(state.dataset or state.name, width), "bold")
    return [dataset, Content(state.model)] if state.model else [dataset]


def _facts(state: RunState, now: float) -> list[Content]:
    running = state.status == "running"
    facts = [state_label(state.status)]
    if state.status == "queued":
        facts[0] += f", place {state.place}"
    if state.elsewhere:
        facts[0] += f" on {state.host}"
    if state.stopping and running:
        facts[0] += ", stopping"
    if state.epoch or state.epochs_done:
        epoch = state.epoch if state.status in ("running", "paused") else state.epochs_done
        facts.append(Content(f"epoch {epoch}/{state.epochs}"))
    elif running:
        facts.append(Content("scanning the dataset" if state.phase == "scanning" else state.phase))
    left, silent = state.eta_seconds(now), state.silent_for(now)
    if running and silent >= SILENT:
        length = f"{silent:.0f} s" if silent < 120 else clock(silent)
        facts.append(Content.styled(f"silent for {length}", "$warn"))
    elif left is not None:
        facts.append(Content(f"{clock(left)} left"))
    elif running and state.phase in ("testing", "reporting"):
        facts.append(Content(state.phase))
    elif state.end is not None and state.status == state.end:
        facts.append(Content(clock(state.seconds(now))))
    if state.best is not None and state.end is not None:
        facts.append(Content(f"best {percent(state.best.val_accuracy)}"))
    if state.damaged:
        facts.append(Content.styled(counted(state.damaged, "damaged event"), "$warn"))
    if state.test is not None:
        facts.append(Content.assemble("test ", (percent(state.test.accuracy), "bold")))
    return facts
