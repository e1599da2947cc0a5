"""``python -m benchmarks.labels DATA``: how well wrong labels are found, similar clips share a genre, and teaching.

5, 10 and 20% of the labels are made wrong at random, and the doubt is compared with the truth. DATA is a folder of
genres or a feature pack with a column of groups; both collections in docs/labels.md were measured like this. For GTZAN
with the fault-filtered partition in a column ``split`` it also looks for published faults among the most doubtful.
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds
from benchmarks.table import Figure
from core.dataset.clip import Clip
from core.dataset.load import load_features
from core.dataset.pack import ARCHIVE_FRONT_END
from core.dataset.scan import survey
from core.inference.batch.classify_files import classify_files
from core.inference.classifier import Classifier
from core.labelling.doubt import doubt_of, find_suspects, groups_of, out_of_fold
from core.labelling.embedding import EmbeddedSet, Floats, embed, embed_dataset, encode
from core.labelling.expert import Labels
from core.labelling.make_model import make_model
from core.labelling.similar import nearest
from core.labelling.teach import Teacher
from core.models.encoders.load import encoder_settings
from core.util.parallel import cores

SHARES = (0.05, 0.1, 0.2)
CLIPS_PER_GENRE = 8
POOLS, KNOWN = (1_000, 10_000), 200
REMOVED, FIRST = "unassigned", 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--groups", default="artist", metavar="COLUMN")
    parser.add_argument("--index", type=Path, metavar="CSV", help="metadata of a folder of genres")
    parser.add_argument("--encoder", metavar="NAME|PATH", help="compare by its embeddings instead of window statistics")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    found = embed_dataset(args.data, index=args.index)
    encoder = encoder_settings(args.encoder) if args.encoder else None
    if encoder is not None:
        found = replace(found, embeddings_NWF=encode(found, encoder))
    groups_N = groups_of(found.clips, args.groups)
    genres, truth_N = np.unique([clip.genre for clip in found.clips], return_inverse=True)
    print(f"{args.data}: {len(found.clips)} clips, {len(genres)} genres, {len(set(groups_N))} groups")

    alone = list(range(len(groups_N)))
    print("wrong labels      by the sound alone          with the other labels of the group")
    for share in SHARES:
        rows = []
        for seed in range(args.seeds):
            labels_N = with_noise(truth_N, len(genres), share, seed)
            wrong_N = labels_N != truth_N
            start = time.perf_counter()
            probabilities_NC = out_of_fold(found.embeddings_NWF, labels_N, groups_N, len(genres))
            seconds = time.perf_counter() - start
            row = [seconds]
            for evidence in (alone, groups_N):
                doubt_N = doubt_of(probabilities_NC, labels_N, evidence).doubt_N
                first = np.argsort(-doubt_N)[: wrong_N.sum()]
                row += [roc_auc_score(wrong_N, doubt_N), float(wrong_N[first].mean())]
            rows.append(row)
        seconds, *figures = np.mean(rows, axis=0)
        texts = [f"AUROC {figures[k]:.3f}, precision {figures[k + 1]:.3f}" for k in (0, 2)]
        print(f"{share:>5.0%}             {texts[0]}     {texts[1]}     {seconds:.1f} s")

    same = []
    for i in range(0, len(truth_N), 1 if len(truth_N) < 400 else 5):
        [neighbour] = nearest(
            found.embeddings_NWF[i], found.embeddings_NWF, truth_N, groups_N, group=groups_N[i], top=1
        )
        same.append(truth_N[neighbour.clip] == truth_N[i])
    print(f"nearest clip of another group has the same genre: {np.mean(same):.1%} of {len(same)}")
    print_published_faults(found)
    pool_N = np.array([clip.columns.get("split") == "train" for clip in found.clips])
    test_N = np.array([clip.columns.get("split") == "valid" for clip in found.clips])
    if pool_N.sum() > CLIPS_PER_GENRE * len(genres) and test_N.any():
        names_N = np.array([clip.genre for clip in found.clips])
        turns = [
            taught(found.embeddings_NWF[pool_N], names_N[pool_N], found.embeddings_NWF[test_N], names_N[test_N], seed)
            for seed in range(args.seeds)
        ]
        accuracy, seconds = np.mean(turns, axis=0)
        print(f"taught {CLIPS_PER_GENRE} clips per genre of train in active order: {accuracy:.1%} on valid")
        print(f"from a label to the next clip: {1000 * seconds:.0f} ms")
    for every in (10, 3, 1):
        labels = {index: found.clips[index].genre for index in range(0, len(found.clips), every)}
        with TemporaryDirectory() as runs:
            cpu = time.process_time()
            made = make_model(found, labels, Path(runs), encoder)
            cpu = time.process_time() - cpu
        print(f"a model from {made.clips} labels: {made.seconds:.1f} s, {cpu:.1f} s of CPU time")
    for count in POOLS:
        print(
            f"from a key to the new order of {count:,} clips: {1000 * key_to_order(found.embeddings_NWF, count):.0f} ms"
        )


def measure(bench: Bench) -> Iterator[Figure]:
    """What `make bench` times: what a key on the Label screen costs."""
    os.environ["GENRE_TUI_CACHE"] = str(bench.scratch / "cache")
    found = embed_dataset(bench.music)
    for count in POOLS:
        seconds = key_to_order(found.embeddings_NWF, count)
        yield Figure(f"Label: from a key to the new order of {count:,} clips", 1000 * seconds, "ms", wanted="< 100 ms")
    yield from embedding_and_classifying(bench)


def embedding_and_classifying(bench: Bench) -> Iterator[Figure]:
    """Embedding clips of 30 s that no cache knows, alone and with the scan of a new dataset, beside classifying them.

    In CPU time, which does not depend on other processes: all of them use all cores.
    """
    folder, files = bench.collection(100), bench.files(100)
    classifier = Classifier.load(bench.model)
    taken = []
    for turn in range(2 if bench.quick else 4):  # the first imports and warms up
        os.environ["GENRE_TUI_CACHE"] = str(bench.scratch / f"cache-{turn}")
        found = survey(folder, seconds=ARCHIVE_FRONT_END.seconds)
        times = [processor_seconds()]
        embed(load_features(found, ARCHIVE_FRONT_END, device="cpu")[0])
        times.append(processor_seconds())
        list(classify_files(classifier, files, jobs=cores()))
        times.append(processor_seconds())
        os.environ["GENRE_TUI_CACHE"] = str(bench.scratch / f"cache-whole-{turn}")
        embed_dataset(folder)
        times.append(processor_seconds())
        taken.append(np.diff(times))
    alone, classifying, whole = (1000 * np.median(taken[1:], axis=0) / len(files)).tolist()
    what = "Label: embed a 30 s .au, processor time"
    yield Figure(what, alone, "ms", classifying, "classifying it", "no more than classifying")
    yield Figure(f"{what} (with scanning and looking for copies)", whole, "ms", classifying, "classifying it")


def print_published_faults(found: EmbeddedSet) -> None:
    """How many published faults are among the `FIRST` most doubtful clips, by the labels as they are.

    `REMOVED` is what the fault-filtered partition leaves out: duplicates, distortions, repeated artists. Their labels
    can be right. Copies with different labels have a wrong one.
    """
    rank = {suspect.name: number for number, suspect in enumerate(find_suspects(found), 1)}
    removed = [clip.name for clip in found.clips if clip.columns.get("split") == REMOVED]
    by_copy: dict[str, list[Clip]] = {}
    for clip in found.clips:
        if copies := clip.columns.get("exact_duplicate_group"):
            by_copy.setdefault(copies, []).append(clip)
    for clips in by_copy.values():
        if len({clip.genre for clip in clips}) > 1:
            ranks = ", ".join(f"{clip.name} at rank {rank[clip.name]}" for clip in clips)
            print(f"copies with different labels: {ranks}")
    if removed and len(found.clips) > FIRST:
        first = sum(rank[name] <= FIRST for name in removed)
        print(f"left out of the fault-filtered partition: {first} of {len(removed)} in the first {FIRST}")


def key_to_order(embeddings_NWF: Floats, count: int) -> float:
    """Median seconds to refit and to order ``count`` clips again, with `KNOWN` labels of ten genres."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(embeddings_NWF), size=count)
    jitter = rng.normal(0, 0.01, (count, 1, embeddings_NWF.shape[2])).astype(np.float32)
    teacher = Teacher(embeddings_NWF[drawn] + jitter)
    labels = {index: str(index % 10) for index in range(KNOWN)}
    times = []
    for index in range(KNOWN, KNOWN + 9):
        labels[index] = str(index % 10)
        start = time.perf_counter()
        teacher.fit(labels)
        teacher.order(None, teacher.probabilities())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def taught(
    pool_NWF: Floats, answers_N: npt.NDArray[np.str_], test_NWF: Floats, truth_N: npt.NDArray[np.str_], seed: int
) -> tuple[float, float]:
    """Accuracy after ``CLIPS_PER_GENRE`` simulated answers per genre, the first at random, and seconds per answer."""
    rng = np.random.default_rng(seed)
    genres = np.unique(answers_N)
    teacher = Teacher(pool_NWF)
    labels = {int(rng.choice(np.flatnonzero(answers_N == genre))): str(genre) for genre in genres}
    start, first = time.perf_counter(), len(labels)
    while len(labels) < CLIPS_PER_GENRE * len(genres):
        teacher.fit(labels)
        index = teacher.order()[0]
        labels[index] = str(answers_N[index])
    seconds = (time.perf_counter() - start) / (len(labels) - first)
    teacher.fit(labels)
    predicted_N = np.array(teacher.genres)[teacher.logits(test_NWF).argmax(1)]
    return float((predicted_N == truth_N).mean()), seconds


def with_noise(truth_N: Labels, genres: int, share: float, seed: int) -> Labels:
    """The labels with this share of them wrong, each by another genre at random."""
    rng = np.random.default_rng(seed)
    labels_N = truth_N.copy()
    wrong = rng.choice(len(truth_N), round(share * len(truth_N)), replace=False)
    labels_N[wrong] = (labels_N[wrong] + rng.integers(1, genres, len(wrong))) % genres
    return labels_N


if __name__ == "__main__":
    main()
