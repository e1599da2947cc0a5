"""The device at work, in one short line."""

from textual.content import Content

from core.runs.events import DeviceSample
from tui.figures import gigabytes

HOT = 85.0
"""Degrees Celsius from which a GPU's temperature is pointed out: common cards throttle soon after."""


def device_strip(sample: DeviceSample | None, room: int) -> Content:
    """``GPU 87 %  1.9/24 GB  212 W  54 °C``, or the processor's where there is no GPU, in at most ``room`` cells.

    What does not fit is left out from the right, figure by figure.
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
            Content.assemble(("CPU ", "$text-muted"), f"{sample.cpu_percent:.0f} %"),
            Content.assemble(("memory ", "$text-muted"), gigabytes(sample.rss)),
            Content.assemble(("RAM ", "$text-muted"), gigabytes(sample.ram_used, sample.ram_total)),
        ]
    figures = []
    if sample.gpu_percent is not None:
        figures.append(Content.assemble(("GPU ", "$text-muted"), f"{sample.gpu_percent:.0f} %"))
    if sample.gpu_memory_used is not None:
        figures.append(Content(gigabytes(sample.gpu_memory_used, sample.gpu_memory_total)))
    if sample.gpu_power is not None:
        figures.append(Content(f"{sample.gpu_power:.0f} W"))
    if sample.gpu_temperature is not None:
        hot = sample.gpu_temperature >= HOT
        figures.append(Content.styled(f"{sample.gpu_temperature:.0f} °C{'!' if hot else ''}", "$warn" if hot else ""))
    return figures
