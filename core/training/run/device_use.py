"""Recording the devices that a trainer uses, and waiting for them in the queue."""

import contextlib
import os
import socket
import time

from core.runs.journal.events import RunQueued
from core.runs.queue import HeldTicket
from core.training.recipe import Recipe
from core.training.run.control import ControlHandler
from core.training.run.event_logger import Logger
from core.util.device import device_ids, gpu_memory
from core.util.errors import UserError

LOOK_SECONDS = 0.25
"""How often a queued trainer checks whether it is its turn."""
ENOUGH_GPU_MEMORY = 8 * 2**30
"""Free bytes, or half of a smaller GPU, that other processes must leave before a queued run starts."""


class DeviceUse:
    """A context manager that releases the devices on exit."""

    def __init__(self, *, queued: bool) -> None:
        """
        Args:
            queued: whether `take` waits for its turn; queued runs wait for all others.
        """
        self.queued = queued
        self._ticket: HeldTicket | None = None

    def take(self, recipe: Recipe, logger: Logger, control: ControlHandler) -> None:
        """Take the recipe's devices, for a queued run once they are free.

        Raises:
            StopRequested: the run was cancelled while it waited.
            UserError: it cannot be queued.
        """
        devices = device_ids(recipe.device, recipe.processes)
        if not self.queued:
            with contextlib.suppress(UserError):  # without a state folder there is no queue
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
        """The descriptor that holds the ticket."""
        assert self._ticket is not None
        return self._ticket.hand_over()[0]

    def __enter__(self) -> "DeviceUse":
        return self

    def __exit__(self, *_: object) -> None:
        if self._ticket is not None:
            self._ticket.release()


def _obstacle(devices: list[str]) -> str:
    """Why a run cannot start although no other run uses its devices: too little free memory on a GPU."""
    for device in devices:
        memory = gpu_memory(device)
        if memory is not None and memory[0] < min(ENOUGH_GPU_MEMORY, memory[1] // 2):
            return f"other processes leave little memory on {device}, of {memory[1] / 2**30:.0f} GiB"
    return ""
