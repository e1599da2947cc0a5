"""What every live source of sound has in common."""

from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
KEPT_SECONDS = 60
"""The most sound that waits for its reader; what is older is lost and counted."""


class State(StrEnum):
    WAITING = "waiting"
    """Nothing is connected yet."""
    RECEIVING = "receiving"
    STALLED = "stalled"
    """Sound should be coming and does not."""
    TROUBLE = "trouble"
    """Something is wrong; the text says what. The source recovers by itself when that is put right."""


class Condition(NamedTuple):
    """The state of a source, with a sentence for people."""

    state: State
    text: str = ""


class Chunk(NamedTuple):
    """Mono samples with full scale at 1."""

    samples: Waveform
    rate: int
    arrived: float
    """`time.monotonic` at which the last of them came in."""
    begins: bool = False
    """Whether they are the first of a new sound, unconnected with what came before."""


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
        """What has come since the last call, waiting for up to ``timeout`` seconds; or None.

        Raises:
            EndOfSound: nothing more will come.
            UserError: what comes is not sound.
        """

    def close(self) -> None: ...
