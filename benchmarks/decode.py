"""Reading 30 s .au files: our reader of plain PCM on one thread, and soundfile as float32."""

from collections.abc import Iterator

import soundfile

from benchmarks.bench import Bench
from benchmarks.clock import side_by_side
from benchmarks.table import Figure
from core.audio.decode import decode, decode_pcm16


def measure(bench: Bench) -> Iterator[Figure]:
    files = bench.files(100)
    fast, ours, theirs = side_by_side(
        5 if bench.quick else 15,
        lambda: [decode_pcm16(file) for file in files],
        lambda: [decode(file) for file in files],
        lambda: [soundfile.read(file, dtype="float32") for file in files],
    )
    clips = len(files) / 1000
    wanted = "≥ 5×"
    yield Figure("decode a 30 s .au, for features", fast / clips, "ms", theirs / clips, "soundfile, float32", wanted)
    yield Figure("decode a 30 s .au, to float32", ours / clips, "ms", theirs / clips, "soundfile, float32")
