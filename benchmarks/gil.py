"""How much of decoding holds Python's lock, by format: ``python -m benchmarks.gil [AUDIO]``.

A library that is loaded before Python's own notes the processor time of a thread between giving the lock up and asking
for it again, so what other programs do is not in the figures. It needs a C compiler and a Python with a shared library.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import soxr

from benchmarks.bench import MINI
from core.audio.files.decode import stream
from core.util.parallel import tune_process
from tests.support.recordings import write_sound

SUFFIXES = (".au", ".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
TURNS, SECONDS = 15, 30
LIBRARY = "GENRE_TUI_GIL_LIBRARY"
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static __thread double total, begin;
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
void *PyEval_SaveThread(void) {
    static void *(*real)(void);
    if (!real) real = dlsym(RTLD_NEXT, "PyEval_SaveThread");
    void *state = real();
    begin = now();
    return state;
}
void PyEval_RestoreThread(void *state) {
    static void (*real)(void *);
    if (!real) real = dlsym(RTLD_NEXT, "PyEval_RestoreThread");
    total += now() - begin;
    real(state);
}
double seconds_without_lock(void) { return total; }
"""


def main() -> int:
    if LIBRARY in os.environ:
        tune_process()  # as the command does
        _print_table(Path(sys.argv[1]) if len(sys.argv) > 1 else next(MINI.rglob("*.au")))
        return 0
    with TemporaryDirectory() as folder:
        source, library = Path(folder) / "gil.c", Path(folder) / "gil.so"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        environment = os.environ | {LIBRARY: str(library), "LD_PRELOAD": str(library)}
        return subprocess.run([sys.executable, "-m", "benchmarks.gil", *sys.argv[1:]], env=environment).returncode


def _print_table(source: Path) -> None:
    without_lock = ctypes.PyDLL(os.environ[LIBRARY]).seconds_without_lock  # PyDLL keeps the lock
    without_lock.restype = ctypes.c_double
    y, rate = soundfile.read(source, dtype="float32")
    mono = np.resize(y if y.ndim == 1 else y.mean(1), SECONDS * rate)
    print("| 30 s | processor time | of which with the lock |")
    print("|---|--:|--:|")
    with TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            target = rate if suffix in (".au", ".wav") else 48_000 if suffix == ".opus" else 44_100
            sound = mono if target == rate else np.clip(soxr.resample(mono, rate, target), -1, 1)
            sound = sound if target == rate else np.stack([sound, 0.8 * sound], axis=1)
            path = write_sound(Path(folder) / f"sound{suffix}", sound, target)
            all_of_it, locked = _seconds(partial(_decode, path), without_lock)
            print(f"| `{suffix}` | {1000 * all_of_it:.2f} ms | {1000 * locked:.2f} ms |", flush=True)
        spinning = _seconds(lambda: sum(range(300_000)), without_lock)
        print(f"| pure Python | {1000 * spinning[0]:.2f} ms | {1000 * spinning[1]:.2f} ms |")


def _seconds(work: Callable[[], object], without_lock: Callable[[], float]) -> tuple[float, float]:
    """This thread's processor time in its fastest turn, all of it and with the lock."""
    work()
    taken = []
    for _ in range(TURNS):
        before, free = time.thread_time(), without_lock()
        work()
        ran = time.thread_time() - before
        taken.append((ran, ran - (without_lock() - free)))
    return min(taken)


def _decode(file: Path) -> None:
    for _ in stream(file):
        pass


if __name__ == "__main__":
    sys.exit(main())
