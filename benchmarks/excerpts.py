"""Excerpts of long tracks: accuracy with the first, the middle, or three of them, on tracks joined from several clips.

python -m benchmarks.excerpts ../shared/data/gtzan-mini/genres --index ../shared/data/gtzan-logmel/index.csv
"""

import argparse
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
import soundfile
import torch

from core.dataset.clip import Clip
from core.dataset.scan import scan
from core.runs.journal.log_lines import percent
from core.training.evaluation.crossval import cross_validate, grouped_folds, load
from core.training.presets import preset
from core.training.recipe import Recipe

JOINED = 3
"""Clips in a track, where there are as many; those that are left over make a track of two."""
FOLDS = 3
RULES = ("first", "middle", 3)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.excerpts", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="clips in a folder per genre")
    parser.add_argument("--index", type=Path, metavar="CSV", help="names the artist of each clip")
    parser.add_argument("--seconds", type=float, default=15.0, metavar="S", help="length of an excerpt (15)")
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="epochs per training (20)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="ways to join the clips (3)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    right: dict[str | int, int] = defaultdict(int)
    clips = scan(args.data, index=args.index).clips
    tested = 0
    with tempfile.TemporaryDirectory(prefix="genre-tui-") as scratch:
        os.environ["GENRE_TUI_CACHE"] = f"{scratch}/cache"
        for seed in range(args.seeds):
            tracks = Path(scratch) / str(seed)
            join(clips, tracks, seed)
            for rule in RULES:
                hits = correct(tracks, recipe_of(tracks, rule, args.seconds, args.epochs), seed)
                right[rule] += sum(hits)
            tested += len(hits)
            figures = ", ".join(f"{rule} {percent(right[rule] / tested)}" for rule in RULES)
            print(f"seed {seed}: {tested} test tracks so far; {figures}", flush=True)
    return 0


def join(clips: list[Clip], out: Path, seed: int) -> None:
    """Join clips of one genre to tracks, those of one artist together; each clip is in one track."""
    rng = np.random.default_rng(seed)
    by_genre: dict[str, list[Clip]] = defaultdict(list)
    for i in rng.permutation(len(clips)):
        by_genre[clips[i].genre].append(clips[i])
    for genre, own in by_genre.items():
        artists = list(dict.fromkeys(clip.columns.get("artist", "") for clip in own))
        own.sort(key=lambda clip: artists.index(clip.columns.get("artist", "")))
        (out / genre).mkdir(parents=True)
        for number, begin in enumerate(range(0, len(own), JOINED)):
            part = [soundfile.read(clip.path, dtype="int16") for clip in own[begin : begin + JOINED]]
            if len(part) > 1:
                y = np.concatenate([samples for samples, _ in part])
                soundfile.write(out / genre / f"{number}.wav", y, part[0][1])


def recipe_of(tracks: Path, rule: str | int, seconds: float, epochs: int) -> Recipe:
    base = preset("quick", str(tracks))
    front_end = msgspec.structs.replace(base.front_end, seconds=seconds)
    return msgspec.structs.replace(base, front_end=front_end, excerpts=rule, epochs=epochs, device="cpu")


def correct(tracks: Path, recipe: Recipe, seed: int) -> list[bool]:
    """Whether each track, tested once by a network that was trained on others, is classified correctly."""
    features, recipe = load(tracks, recipe)
    folds = grouped_folds(features.clips, FOLDS, None, seed)
    return [
        hit
        for result in cross_validate(recipe, features, folds)
        for hit in (result.evaluation.predictions == result.evaluation.labels).tolist()
    ]


if __name__ == "__main__":
    raise SystemExit(main())
