"""The devices that a trainer occupies: recorded for other trainers; a queued trainer waits for its turn."""

import contextlib
import os
import socket
import time
from types import TracebackType

from core.runs.journal.events import RunQueued
from core.runs.queue import HeldTicket
from core.training.recipe import Recipe
from core.training.run.control import ControlHandler
from core.training.run.event_logger import Logger
from core.util.device import device_ids, gpu_memory
from core.util.errors import UserError

LOOK_SECONDS = 0.25
"""How often a queued trainer looks whether it is its turn."""
ENOUGH_GPU_MEMORY = 8 * 2**30
"""Bytes, or half of a smaller GPU, that the processes of others have to leave before a queued run starts."""


class DeviceUse:
    """A context manager; when it ends, the devices are left to others."""

    def __init__(self, *, queued: bool) -> None:
        """
        Args:
            queued: whether `take` waits for its turn; a run that does not is waited for by those that do.
        """
        self.queued = queued
        self._ticket: HeldTicket | None = None

    def take(self, recipe: Recipe, logger: Logger, control: ControlHandler) -> None:
        """Takes the recipe's devices, as soon as they are free if the run is queued.

        Raises:
            StopRequested: the run was cancelled while it waited.
            UserError: it cannot be queued.
        """
        devices = device_ids(recipe.device, recipe.processes)
        if not self.queued:
            with contextlib.suppress(UserError):  # without a state folder there is no queue that could wait
                self._ticket = HeldTicket.take(devices, running=True)
            return
        self._ticket = HeldTicket.inherited() or HeldTicket.take(devices, running=False)
        control.queued, former = True, None
        try:
            while (place := self._ticket.place(lambda: _obstacle(devices))) is not None:
                if place != former:
                    former = place
                    logger.emit(
                        RunQueued(
                            place=place.number,
                            devices=devices,
                            message=place.obstacle,
                            pid=os.getpid(),
                            host=socket.gethostname(),
                        )
                    )
                control.look_next_time()
                control.check()
                time.sleep(LOOK_SECONDS)
        finally:
            control.queued = False

    def fileno(self) -> int:
        """The descriptor that keeps the devices taken."""
        assert self._ticket is not None
        return self._ticket.hand_over()[0]

    def __enter__(self) -> "DeviceUse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticket is not None:
            self._ticket.release()


def _obstacle(devices: list[str]) -> str:
    """What keeps a run from starting although no other run is in the way: too little free memory on a GPU."""
    for device in devices:
        memory = gpu_memory(device)
        if memory is not None and memory[0] < min(ENOUGH_GPU_MEMORY, memory[1] // 2):
            return f"other processes leave little memory on {device}, of {memory[1] / 2**30:.0f} GiB"
    return ""
