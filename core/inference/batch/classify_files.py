"""Classifying many files in parallel, with results in order; an error affects only one file."""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import torch

from core.audio.files.open_file import AudioError, open_file
from core.inference.batch.cache import PredictionCache
from core.inference.batch.find_files import Found
from core.inference.classifier import Classifier, PendingSound
from core.inference.types import Result, Unreadable
from core.inference.windows import WindowBatch
from core.util.errors import UserError
from core.util.parallel import cores, ordered_map
from core.util.text import printable

T = TypeVar("T")
FILES_AT_ONCE, BYTES_AT_ONCE = 8, 16_000_000
"""Most files and bytes in a group: short files share batches of the network, and songs are one or two per group."""
ON_AN_ACCELERATOR = 4
"""Factor for accelerators, where a batch of any size takes about the same time."""


def classify_files(
    classifier: Classifier,
    found: Sequence[Found],
    *,
    jobs: int,
    processes: int = 1,
    overlap: float = 0.0,
    nearest: int = 0,
    cache: PredictionCache | None = None,
    skip_existing: bool = False,
    on_defect: Callable[[str], object] = lambda text: None,
) -> Generator[Result]:
    """Yield a result for every file, in the order of the files.

    Each thread processes a group of files from bytes to predictions: while one waits for the disk or decodes, another
    computes. The windows of a group go through the network together.

    Args:
        jobs: number of threads.
        processes: number of processes that classify on this machine at the same time.
        nearest: number of most similar training clips to list for each file.
        cache: the prediction cache.
        skip_existing: use cached predictions.
        on_defect: called with the traceback of an internal error.

    Raises:
        UserError: nearest clips are requested from a model that stores none.
    """
    if nearest and classifier.remembered is None:
        raise UserError(
            f"The model {classifier.model} stores no training clips: use a model with the network ensemble_cnn "
            "or hybrid_cnn, or a head on an encoder."
        )
    # Parallelism over files is faster than inside operators, because a clip's matrices are small.
    torch.set_num_threads(max(1, cores() // (jobs * processes)))
    group = _Group(classifier, overlap, nearest, cache, skip_existing, on_defect)
    try:
        for results in ordered_map(group.classify, _groups(found, jobs, classifier.device), jobs):
            yield from results
    finally:
        group.stopped = True


def _groups(found: Sequence[Found], jobs: int, device: str) -> Iterator[list[Found]]:
    """Groups of consecutive files, smaller if there are few files, so that every thread has some."""
    factor = 1 if device.endswith("cpu") else ON_AN_ACCELERATOR
    most = max(1, min(factor * FILES_AT_ONCE, len(found) // (2 * jobs)))
    group: list[Found] = []
    size = 0
    for item in found:
        group.append(item)
        size += _size(item)
        if len(group) >= most or size >= factor * BYTES_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _size(item: Found) -> int:
    try:
        return 0 if isinstance(item, Unreadable) else item.stat().st_size
    except OSError:
        return 0  # reported when it is opened


@dataclass
class _Waiting:
    """A file with windows in a batch; ``content`` is its key in the prediction cache."""

    pending: PendingSound
    content: str | None = None


@dataclass
class _Group:
    """Classifies groups of files; shared by all threads.

    Attributes:
        stopped: the results are no longer wanted.
    """

    classifier: Classifier
    overlap: float
    nearest: int
    cache: PredictionCache | None
    skip_existing: bool
    on_defect: Callable[[str], object]
    stopped: bool = False

    def classify(self, items: list[Found]) -> list[Result]:
        batch = self.classifier.batch(self.nearest)
        begun: list[Result | _Waiting] = []
        for item in items:
            if self.stopped:
                return []
            begun.append(self._guarded(item, partial(self._begin, batch)))
        try:
            batch.measure()
        except Exception:
            # An error must not affect the other files: each is classified on its own, from the beginning.
            return [self._guarded(item, self._alone) for item in items]
        return [self._guarded(item, partial(self._end, one)) for item, one in zip(items, begun, strict=True)]

    def _begin(self, batch: WindowBatch, path: Path) -> Result | _Waiting:
        """Decode a file into ``batch``, unless the cache has its prediction."""
        with open_file(path) as file:
            content = None
            if self.cache is not None:
                content, known = self.cache.known(path, file)
                if known is not None and self.skip_existing and len(known.nearest) >= self.nearest:
                    near = known.nearest[: self.nearest]
                    return msgspec.structs.replace(
                        known, path=printable(path), model=self.classifier.model, nearest=near
                    )
            return _Waiting(self.classifier.measure_file(path, file, batch, overlap=self.overlap), content)

    def _end(self, one: Result | _Waiting, _: Path) -> Result:
        if not isinstance(one, _Waiting):
            return one
        prediction = self.classifier.predict(one.pending, self.nearest)
        if self.cache is not None and one.content is not None:
            self.cache.remember(one.content, prediction)
        return prediction

    def _alone(self, path: Path) -> Result:
        batch = self.classifier.batch(self.nearest)
        begun = self._begin(batch, path)
        batch.measure()
        return self._end(begun, path)

    def _guarded(self, item: Found, work: Callable[[Path], T]) -> T | Unreadable:
        """The result of ``work`` on a file, or why it has no prediction."""
        if isinstance(item, Unreadable):
            return item
        try:
            return work(item)
        except AudioError as error:
            return Unreadable(path=printable(item), error=error.reason)
        except UserError as error:
            return Unreadable(path=printable(item), error=str(error))
        except Exception as error:
            # An error must not affect the other files; it is reported with its traceback.
            self.on_defect(traceback.format_exc())
            return Unreadable(path=printable(item), error=f"cannot be classified ({type(error).__name__}: {error})")
