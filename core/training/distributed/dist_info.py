"""Rank of this process and number of processes under torchrun. Imports no torch."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class DistInfo:
    rank: int = 0
    """Only rank 0 writes the journal, answers requests and saves checkpoints."""
    size: int = 1
    local_rank: int = 0
    """The rank on this machine, which is the index of its GPU."""
    restarts: int = 0
    """How often torchrun has restarted all processes because one of them died."""
    restarts_left: int = 0

    @property
    def is_leader(self) -> bool:
        return self.rank == 0

    @property
    def is_single(self) -> bool:
        return self.size == 1


def dist_info() -> DistInfo:
    """The rank and number of processes; rank 0 of 1 without torchrun."""
    if not under_torchrun():
        return DistInfo()
    env = os.environ
    restarts, most = int(env["TORCHELASTIC_RESTART_COUNT"]), int(env["TORCHELASTIC_MAX_RESTARTS"])
    return DistInfo(int(env["RANK"]), int(env["WORLD_SIZE"]), int(env["LOCAL_RANK"]), restarts, most - restarts)


def under_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
