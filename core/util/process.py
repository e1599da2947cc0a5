"""What is good for a trainer process as a whole, and none of a library's business. To be called before torch loads."""

import ctypes
import os
import signal
import sys

from core.util.parallel import affinity, cores

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""


PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent is gone: torchrun's children would train on without a lock."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tune_process() -> None:
    """Makes CUDA repeatable and the processor's threads good neighbours.

    - CUDA's matrix products are repeatable only with a fixed workspace.
    - Libraries start as many threads as the CPU affinity allows; a container's CPU quota may allow fewer.
    - OpenMP's threads wait for each other asleep instead of spinning: with two cores and a viewer beside the trainer
      the spinning took half of the processor time that a batch needed.
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
