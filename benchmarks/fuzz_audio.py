"""``python -m benchmarks.fuzz_audio --count 5000``: damaged audio files of every format through the decoder.

Each is decoded in a process that may die without ending the others. Reports crashes, files that took too long, errors
that are not ``AudioError``, and files from which a part was taken without a warning.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.audio.files.decode import AudioReader
from core.audio.files.open_file import AudioError, open_file
from tests.support.audio_corpus import BARE_FRAMES, DAMAGES, LOSSY, VARIANTS, make

SLOW_SECONDS = 10.0
SLACK, SLACK_SECONDS = 0.01, 0.1
"""Of the length, and at least, that may be missing without a warning."""


class Reading(NamedTuple):
    seconds: float
    warning: str | None
    """Or the reason of an error."""


class Case(NamedTuple):
    name: str
    damage: str
    seed: int
    content: bytes
    whole_s: float


def read(path: Path) -> Reading:
    """The file as a user would have it decoded."""
    try:
        with open_file(path) as file:
            reader = AudioReader(path, file)
            for block, _ in reader.blocks():
                assert np.isfinite(block).all()
            return Reading(reader.seconds, reader.warning)
    except AudioError as error:
        return Reading(0.0, error.reason)


def examine(case: Case) -> str | None:
    """What is wrong with how a damaged file was answered; None where it was answered well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.name
        path.write_bytes(case.content)
        begun = time.monotonic()
        try:
            reading = read(path)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    if time.monotonic() - begun > SLOW_SECONDS:
        return f"took {time.monotonic() - begun:.1f} s"
    lost = case.whole_s - reading.seconds
    if case.damage in LOSSY and reading.warning is None and lost > max(SLACK * case.whole_s, SLACK_SECONDS):
        return f"{lost:.2f} of {case.whole_s:.2f} s are missing without a warning"
    return None


def cases(folder: Path, count: int, seed: int) -> list[Case]:
    """Yield kinds of damage in turn, over all formats."""
    found = []
    whole: dict[str, tuple[bytes, float]] = {}
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        name = list(VARIANTS)[index % len(VARIANTS)]
        damage = list(DAMAGES)[index // len(VARIANTS) % len(DAMAGES)]
        if name not in whole:
            path = make(folder, name, 3.0)
            whole[name] = path.read_bytes(), read(path).seconds
        content, seconds = whole[name]
        if damage == "shortened" and name in BARE_FRAMES:
            damage = "garbled"  # bare frames say nothing of those that are gone
        found.append(Case(name, damage, index, DAMAGES[damage](content, rng), seconds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the files that were answered wrongly")
    args = parser.parse_args()
    begun, wrong, kinds = time.monotonic(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(args.jobs, maxtasksperchild=200) as pool:
        made = cases(Path(folder), args.count, args.seed)
        pending = [(case, pool.apply_async(examine, (case,))) for case in made]
        for case, answer in pending:
            try:
                defect = answer.get(timeout=6 * SLOW_SECONDS)
            except multiprocessing.TimeoutError:
                defect = "crashed or hangs"
            kinds[case.damage] += 1
            if defect:
                wrong += 1
                print(f"{case.name} {case.damage} {case.seed}: {defect}", flush=True)
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    (args.keep / f"{case.seed}_{case.name}").write_bytes(case.content)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    print(f"{len(made)} files ({told}) in {time.monotonic() - begun:.0f} s: {wrong} answered wrongly")


if __name__ == "__main__":
    main()
