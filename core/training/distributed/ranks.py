"""Which of several processes this one is, as torchrun tells its children. Imports no torch."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class DistInfo:
    rank: int = 0
    """0 is the leader: it alone keeps the journal, answers requests and saves."""
    size: int = 1
    local: int = 0
    """The rank among those on this machine, which is the number of its GPU."""
    restarts: int = 0
    """How often torchrun has started all processes anew because one of them had died."""
    restarts_left: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.size == 1


def ranks() -> DistInfo:
    """This process' place; alone unless torchrun has started it."""
    if not by_torchrun():
        return DistInfo()
    of = os.environ
    restarts, most = int(of["TORCHELASTIC_RESTART_COUNT"]), int(of["TORCHELASTIC_MAX_RESTARTS"])
    return DistInfo(int(of["RANK"]), int(of["WORLD_SIZE"]), int(of["LOCAL_RANK"]), restarts, most - restarts)


def by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
