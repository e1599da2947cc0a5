"""Classifies many files in parallel, with the results in order; a failure affects one file."""

import traceback
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import msgspec
import torch

from core.audio.errors import AudioError
from core.audio.files.open_file import open_file
from core.inference.batch.cache import PredictionCache
from core.inference.batch.find_files import Found
from core.inference.classifier import Classifier
from core.inference.types import Result, Unreadable
from core.util.parallel import cores, ordered_map
from core.util.text import printable


def classify_files(
    classifier: Classifier,
    found: Iterable[Found],
    *,
    jobs: int,
    overlap: float = 0.0,
    index: PredictionCache | None = None,
    skip_existing: bool = False,
    on_defect: Callable[[str], object] = lambda story: None,
) -> Generator[Result]:
    """Yields a result for every file, in the order of the files.

    Each thread takes one file from bytes to prediction: while one waits for the disk or decodes, another computes.

    Args:
        jobs: threads.
        index: the prediction cache.
        skip_existing: take the prediction from the cache where the content is known.
        on_defect: called with the traceback of an internal error.
    """
    # Parallel files beat parallel arithmetic: a clip's matrices are small.
    torch.set_num_threads(max(1, cores() // jobs))

    def classify(item: Found) -> Result:
        if isinstance(item, Unreadable):
            return item
        try:
            return _classify(classifier, item, overlap, index, skip_existing)
        except AudioError as error:
            return Unreadable(path=printable(item), error=error.reason)
        except Exception as error:
            # One file must not end the others; the error is reported and its traceback kept.
            on_defect(traceback.format_exc())
            return Unreadable(path=printable(item), error=f"cannot be classified ({type(error).__name__}: {error})")

    yield from ordered_map(classify, found, jobs)


def _classify(
    classifier: Classifier, path: Path, overlap: float, index: PredictionCache | None, skip_existing: bool
) -> Result:
    with open_file(path) as file:
        if index is None:
            return classifier.classify_open(path, file, overlap=overlap)
        content, known = index.known(path, file)
        if known is not None and skip_existing:
            return msgspec.structs.replace(known, path=printable(path), model=classifier.model)
        prediction = classifier.classify_open(path, file, overlap=overlap)
        index.remember(content, prediction)
        return prediction
