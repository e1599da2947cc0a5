"""A live source of sound, wherever it comes from."""

from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
KEPT_SECONDS = 60
"""Sound that waits for its reader at most; what is older is lost, and counted."""


class State(StrEnum):
    WAITING = "waiting"
    """There is nobody to hear yet."""
    HEARING = "hearing"
    STALLED = "stalled"
    """Sound should be coming and does not."""
    TROUBLE = "trouble"
    """Something is wrong; the text says what, and the source recovers by itself when it is put right."""


class Condition(NamedTuple):
    """How a source is."""

    state: State
    text: str = ""


class Chunk(NamedTuple):
    """Mono samples with full scale at 1."""

    samples: Waveform
    rate: int
    arrived: float
    """`time.monotonic` at which the last of them came in."""
    begins: bool = False
    """Whether they are the first of a new sound: nothing connects them with what came before."""


class EndOfSound(Exception):
    """The source has come to its end; there will be no more."""


class Source(Protocol):
    """Captures by itself, in the background, from the moment it is made."""

    @property
    def condition(self) -> Condition: ...

    @property
    def overruns(self) -> int:
        """How many times sound was lost before it could be read, here or in the machine's drivers."""

    def read(self, timeout: float) -> Chunk | None:
        """What has come since the last call, waiting for up to ``timeout`` seconds; None where nothing has.

        Raises:
            EndOfSound: nothing will come any more.
            UserError: what comes is no sound.
        """

    def close(self) -> None: ...
