"""training_log.txt: the story of a run in plain lines."""

import time

from core.runs.events import Event
from core.runs.narrate import narrate


def log_lines(event: Event) -> str:
    """What the log says about an event, each line with date and time; empty for what is only progress."""
    return "".join(
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(line.time))}  {line.text}\n" for line in narrate(event)
    )
