"""The queue for devices: tickets in the user's state folder, served in order without a scheduler process.

Every trainer has a ticket: a file with the devices that it waits for or uses, and a lock that it holds while it lives.
The kernel releases the lock when the trainer dies, and a ticket whose lock is free is ignored. A trainer starts when no
earlier ticket has one of its devices. It decides so itself, under a mutex, so that two trainers never take one device.
"""

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from core.runs import lock
from core.runs.folder import RunFolder
from core.runs.lock import RunLock
from core.util.atomic import write_atomic
from core.util.errors import UserError, explained
from core.util.files import open_regular, read_json
from core.util.paths import state_folder

INHERITED = "GENRE_TUI_TICKET_FD"
"""Environment variable with the ticket and the descriptor of the launcher that holds its lock."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The devices that a trainer waits for or uses."""

    id: str
    devices: list[str]
    """See `core.util.device.device_ids`."""
    order: float
    """Waiting tickets are served in ascending order."""
    running: bool
    """Whether the trainer already uses the devices."""

    @property
    def lock_path(self) -> Path:
        return queue_folder() / f"{self.id}.lock"

    def write(self) -> None:
        write_atomic(queue_folder() / f"{self.id}.json", msgspec.json.encode(self), sync=False)

    def remove(self) -> None:
        for suffix in ("json", "lock"):
            (queue_folder() / f"{self.id}.{suffix}").unlink(missing_ok=True)

    def is_before(self, other: "Ticket") -> bool:
        """Whether ``other`` has to wait for this ticket."""
        first = self.running or (self.order, self.id) < (other.order, other.id)
        return self.id != other.id and first and not set(self.devices).isdisjoint(other.devices)


class Place(msgspec.Struct, frozen=True):
    """A place in the queue."""

    number: int
    """1 is next."""
    obstacle: str = ""
    """Why the first trainer waits although no other trainer uses its devices."""


class HeldTicket:
    """The ticket of this trainer."""

    def __init__(self, ticket: Ticket, held: RunLock) -> None:
        self._ticket = ticket
        self._lock = held

    @classmethod
    def take(cls, devices: Sequence[str], *, running: bool) -> "HeldTicket":
        """Take a ticket after all others; with ``running`` the trainer does not wait.

        Raises:
            UserError: the queue in the state folder cannot be used.
        """
        with _mutex():
            order = max((ticket.order for ticket in _tickets()), default=0.0) + 1
            ticket = Ticket(id=secrets.token_hex(8), devices=list(devices), order=order, running=running)
            held = RunLock(ticket.lock_path, INHERITED)
            held.acquire()
            ticket.write()
            return cls(ticket, held)

    @classmethod
    def inherited(cls) -> "HeldTicket | None":
        """The ticket and lock that the launcher took for this process."""
        name, _, descriptor = os.environ.pop(INHERITED, "").partition(":")
        if not descriptor:
            return None
        os.environ[INHERITED] = descriptor
        with _mutex():
            ticket = next((ticket for ticket in _tickets() if ticket.id == name), None)
            if ticket is None:
                del os.environ[INHERITED]
                return None
            held = RunLock(ticket.lock_path, INHERITED)
            return cls(ticket, held) if held.acquire() else None

    def hand_over(self) -> tuple[int, dict[str, str]]:
        """The descriptor to be inherited by a child process, and the environment variables for it."""
        return self._lock.fileno(), {INHERITED: f"{self._ticket.id}:{self._lock.fileno()}"}

    def handed_to(self, pid: int) -> None:
        """Complete the transfer to the child process."""
        self._lock.sign(pid)
        self._lock.release()

    def place(self, obstacle: Callable[[], str] = lambda: "") -> Place | None:
        """This ticket's place; None if the trainer may start, and from then on it counts as running.

        Args:
            obstacle: called if there is no other trainer to wait for; returns what else to wait for, or "".
        """
        with _mutex():
            tickets = _tickets()
            self._ticket = next((ticket for ticket in tickets if ticket.id == self._ticket.id), self._ticket)
            before = [ticket for ticket in tickets if ticket.is_before(self._ticket)]
            if before or (reason := obstacle()):
                return Place(1 + sum(not ticket.running for ticket in before), "" if before else reason)
            self._ticket = msgspec.structs.replace(self._ticket, running=True)
            self._ticket.write()
            return None

    def release(self) -> None:
        """Leave the queue or free the devices."""
        with contextlib.suppress(OSError, UserError), _mutex():
            self._ticket.remove()
        self._lock.release()


def queue_folder() -> Path:
    """The folder of the queue, one per host, because several hosts may share a home folder."""
    return state_folder() / "queue" / socket.gethostname()


def move(run: RunFolder, place: int) -> Place:
    """Move a queued run to another place among those that wait for its devices; returns the place.

    Raises:
        UserError: the run is not queued here, or the place does not exist.
    """
    signed = lock.holder(run.lock_path)
    with _mutex():
        waiting = [ticket for ticket in _tickets() if not ticket.running]
        own = [ticket for ticket in waiting if signed and _pid(ticket) == signed.pid and run.is_alive()]
        if not own:
            state = run.state()
            where = f" on {state.host or (signed.host if signed else '')}" if state.status == "queued" else ""
            raise UserError(f"{run.name} is {state.status}{where}: only runs that are queued here can be moved")
        mine = own[0]
        others = [t for t in waiting if t.id != mine.id and not set(t.devices).isdisjoint(mine.devices)]
        if not 1 <= place <= len(others) + 1:
            raise UserError(f"{run.name} can be moved to place 1 to {len(others) + 1} in the queue, not {place}")
        low = others[place - 2].order if place > 1 else others[0].order - 2 if others else mine.order
        high = others[place - 1].order if place <= len(others) else low + 2
        # A single write, which is atomic even if this process is killed.
        msgspec.structs.replace(mine, order=(low + high) / 2).write()
    return Place(place)


def _pid(ticket: Ticket) -> int | None:
    signed = lock.holder(ticket.lock_path)
    return signed.pid if signed else None


def _tickets() -> list[Ticket]:
    """The tickets of living trainers, in order; those of dead ones are removed. Call this under the mutex."""
    tickets = []
    for path in queue_folder().glob("*.lock"):
        about = path.with_suffix(".json")
        ticket = read_json(about, Ticket)
        if ticket is not None and ticket.lock_path == path and lock.is_held(path):
            tickets.append(ticket)
        elif not lock.is_held(path):
            for leftover in (about, path):
                with contextlib.suppress(OSError):
                    leftover.unlink()
    return sorted(tickets, key=lambda ticket: (ticket.order, ticket.id))


@contextlib.contextmanager
def _mutex() -> Iterator[None]:
    """
    Raises:
        UserError: the folder of the queue cannot be written to, or its file system has no locks.
    """
    folder = queue_folder()
    with explained(f"the queue in {folder} cannot be used"):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = open_regular(folder / "mutex", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
