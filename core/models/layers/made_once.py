"""Constants of a network's arithmetic that depend on the size of its input."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import torch

Made = TypeVar("Made")
Function = Callable[[int, torch.device], Made]


def made_once(function: Function[Made]) -> Function[Made]:
    """Keeps what ``function`` makes of a size and a device.

    Not while a network is exported or compiled: its tensors are then symbolic.
    """
    kept = lru_cache(maxsize=16)(function)

    @wraps(function)
    def made(size: int, device: torch.device) -> Made:
        return function(size, device) if torch.compiler.is_compiling() else kept(size, device)

    return made
