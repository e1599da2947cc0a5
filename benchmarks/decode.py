"""Reading 30 s .au files: our reader of plain PCM on one thread, and soundfile as float32."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import soundfile

from benchmarks.bench import Bench
from benchmarks.clock import side_by_side
from benchmarks.table import Figure
from core.audio.files.decode import decode, decode_pcm16


def measure(bench: Bench) -> Iterator[Figure]:
    files = bench.files(100)
    fast, ours, theirs = side_by_side(
        5 if bench.quick else 15,
        lambda: _one_by_one(decode_pcm16, files),
        lambda: _one_by_one(decode, files),
        lambda: _one_by_one(partial(soundfile.read, dtype="float32"), files),
    )
    clips = len(files) / 1000
    wanted = "≥ 5×"
    yield Figure("decode a 30 s .au, for features", fast / clips, "ms", theirs / clips, "soundfile, float32", wanted)
    yield Figure("decode a 30 s .au, to float32", ours / clips, "ms", theirs / clips, "soundfile, float32")


def _one_by_one(read: Callable[[Path], object], files: Sequence[Path]) -> None:
    """Each is let go before the next, as in the work on features: new memory for all would cost more than reading."""
    for file in files:
        read(file)
