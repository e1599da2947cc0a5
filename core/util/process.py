"""Process-wide settings of a trainer, which a library must not touch. Call them before torch is imported."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.util.parallel import affinity, cores

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""


PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent is gone: torchrun's children would train on without a lock."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tune_process() -> None:
    """Makes CUDA deterministic, and CPU threads considerate of other processes.

    - CUDA's matrix products are deterministic only with a fixed workspace.
    - Libraries start as many threads as the CPU affinity allows; a container's CPU quota may allow fewer.
    - OpenMP threads sleep while they wait instead of spinning: on two cores, with a viewer beside the trainer,
      spinning took half of the CPU time that a batch needed.
    - Freed memory is kept for the next batch. Given back, as glibc does with large blocks, it has to be zeroed by the
      kernel again and again, which took a fifth of the time of a batch in float32.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if cores() < affinity():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # another libc has none
            mallopt(M_MMAP_THRESHOLD, 1 << 30)
            mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Pauses the garbage collector during imports, which create a million objects: saves a sixth of torch's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
