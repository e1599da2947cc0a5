"""A library of made-up files with tags, or in a folder per genre: ``data check`` cold and again, and its memory.

python -m benchmarks.library --files 20000
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds
from benchmarks.table import Figure

RATE, SAMPLES = 8000, 8000
GENRES, ARTISTS = 20, 500


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.library", description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000, metavar="N", help="how many files (20,000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="genre-tui-") as scratch:
        for name in ("tags", "folders"):
            library = Path(scratch) / name
            make_library(library, args.files, by_artist=name == "tags")
            for turn in ("cold", "again"):
                seconds, megabytes = check(library, Path(scratch) / f"cache-{name}")
                print(f"{name:8} {args.files:,} files, {turn:5} {seconds:6.2f} s {megabytes:6.0f} MB")
    return 0


def measure(bench: Bench) -> Iterator[Figure]:
    """What `make bench` times: a library in folders per genre."""
    files = 2_000 if bench.quick else 20_000
    library = bench.scratch / f"library-{files}"
    make_library(library, files, by_artist=False)
    for turn in ("first time", "again"):
        busy = processor_seconds()
        seconds, _ = check(library, bench.scratch / "cache-library")
        yield Figure(f"data check of {files:,} files, {turn}", seconds, "s", processor=processor_seconds() - busy)
    shutil.rmtree(library)


def make_library(root: Path, files: int, *, by_artist: bool) -> None:
    """Noise of a second per file, as WAV with genre and artist in its INFO chunk."""
    rng = np.random.default_rng(0)
    for number in range(files):
        genre, artist = f"Genre {number % GENRES}", f"Artist {number % ARTISTS}"
        folder = root / (artist if by_artist else genre) / f"Album {number % (4 * ARTISTS)}"
        folder.mkdir(parents=True, exist_ok=True)
        info = b"INFO" + b"".join(
            name + struct.pack("<I", len(text) + len(text) % 2) + text + bytes(len(text) % 2)
            for name, text in ((b"IGNR", genre.encode() + b"\0"), (b"IART", artist.encode() + b"\0"))
        )
        sound = rng.integers(-3000, 3000, SAMPLES, dtype=np.int16).astype("<i2").tobytes()
        body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
        body += b"LIST" + struct.pack("<I", len(info)) + info + b"data" + struct.pack("<I", len(sound)) + sound
        (folder / f"{number:06}.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def check(library: Path, cache: Path) -> tuple[float, float]:
    """Seconds of ``data check`` in a process of its own, and the most memory that it held, in MB."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tui.cli", "data", "check", str(library)]
    process = subprocess.Popen(
        command, env=os.environ | {"GENRE_TUI_CACHE": str(cache)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"data check ended with status {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


if __name__ == "__main__":
    raise SystemExit(main())
