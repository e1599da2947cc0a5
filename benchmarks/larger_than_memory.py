"""A feature pack of 100,000 clips, far more than may lie in memory, trained on from the disk.

The pack holds 512 real rows over and over, in a real file of the full size: 16.5 GB, in the scratch folder.
"""

import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.bench import Bench
from benchmarks.table import Figure
from benchmarks.trainer import live
from core.dataset.clip import Clip
from core.dataset.pack_manifest import FEATURES, write_pack_index
from core.features.settings import FrontEndSettings
from core.training.presets import preset

CLIPS, FEW = 100_000, 2_000
TILE = 512


def measure(bench: Bench) -> Iterator[Figure]:
    clips = 20_000 if bench.quick else CLIPS
    batches = 60 if bench.quick else 120  # more than an epoch of the few: validation counts, too
    rates: dict[int, list[float]] = {}
    peaks: dict[int, int] = {}
    for count in (FEW, clips, FEW):
        pack = make_pack(bench.scratch / f"pack-{count}", count)
        life = live(bench, preset("quick", str(pack)), cache=bench.scratch / "cache", batches=batches)
        rates.setdefault(count, []).append(life.rate)
        peaks[count] = life.peak
    shutil.rmtree(bench.scratch / f"pack-{clips}")
    in_memory = sum(rates[FEW]) / 2
    size = (bench.scratch / f"pack-{FEW}" / FEATURES).stat().st_size / FEW * clips / 1e9
    what = f"a window from a store of {clips:,} clips ({size:.1f} GB) on disk, small_cnn"
    yield Figure(what, 1000 / rates[clips][0], "ms", 1000 / in_memory, f"{FEW:,} clips in memory", "≥ 0.8×")
    yield Figure(f"memory of that trainer, {clips:,} clips", peaks[clips] / 1e6, "MB", wanted="< 3,000 MB")


def make_pack(out: Path, clips: int) -> Path:
    if out.is_dir():
        return out
    settings = FrontEndSettings()
    rows = np.random.default_rng(0).integers(0, 256, (TILE, settings.n_mels, settings.frames), dtype=np.uint8)
    out.mkdir(parents=True)
    mel = np.lib.format.open_memmap(out / FEATURES, "w+", np.uint8, (clips, *rows.shape[1:]))
    mel.flush()
    del mel
    with (out / FEATURES).open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        for begin in range(0, clips, TILE):
            file.write(rows[: clips - begin].tobytes())
    made = Clip(
        path=out,
        genre="",
        name="",
        content="",
        rate=settings.sample_rate,
        channels=1,
        format="log-mel",
        duration_s=30.0,
    )
    named = [replace(made, genre=f"genre-{i % 10}", name=f"{i:06d}", content=f"{i:032x}") for i in range(clips)]
    checksums = [zlib.crc32(row.data) for row in rows] * -(-clips // TILE)
    frames = [settings.frames] * clips
    write_pack_index(out, settings, named, [1] * clips, frames, checksums[:clips], "random rows, for speed")
    return out
