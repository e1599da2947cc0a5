"""``python -m core.inference.workers.share_worker``: a worker process of ``classify --nproc``.

See `core.util.jsonl_process` for the protocol. There is one request; its results are sent as events, in order.
"""

import sys

import msgspec

from core.inference.types import Prediction, Unreadable
from core.util.jsonl_process import WorkerChannel, path_from_json
from core.util.parallel import tune_process, without_collecting


class Share(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="share"):
    """Classify these files."""

    paths: list[str]
    model: str
    device: str
    number: int
    """Of this process, from 0."""
    jobs: int
    processes: int
    """Number of worker processes on this machine."""
    overlap: float
    nearest: int
    cache: str | None
    """The prediction cache."""
    skip_existing: bool


class Ready(msgspec.Struct, frozen=True, tag_field="kind", tag="ready"):
    """The model is loaded."""

    model: str
    genres: list[str]
    device: str
    learnt: list[str]


class Classified(msgspec.Struct, frozen=True, tag_field="kind", tag="classified"):
    """The next file: its prediction, or why it has none."""

    prediction: Prediction | None = None
    error: str = ""


class Defect(msgspec.Struct, frozen=True, tag_field="kind", tag="defect"):
    """The traceback of an internal error; the file that it affected follows."""

    traceback: str


class Finished(msgspec.Struct, frozen=True, tag_field="kind", tag="finished"):
    trouble: str | None = None
    """Why the prediction cache could not be written."""


Message = Ready | Classified | Defect | Finished


def classify(share: Share, channel: WorkerChannel) -> Finished:
    with without_collecting():
        from core.inference.batch.cache import PredictionCache, model_key
        from core.inference.batch.classify_files import classify_files
        from core.inference.classifier import Classifier
        from core.util.archive.path import as_path
        from core.util.device import shared_device

        model = path_from_json(share.model)
        classifier = Classifier.load(model, shared_device(share.device, share.number))
    channel.send(Ready(classifier.model, classifier.genres, classifier.device, sorted(classifier.learnt)))
    cache = None
    if share.cache is not None:
        cache = PredictionCache(path_from_json(share.cache), model_key(model, share.overlap))
    results = classify_files(
        classifier,
        [as_path(path_from_json(path)) for path in share.paths],
        jobs=share.jobs,
        processes=share.processes,
        overlap=share.overlap,
        nearest=share.nearest,
        cache=cache,
        skip_existing=share.skip_existing,
        on_defect=lambda text: channel.send(Defect(text)),
    )
    for result in results:
        unreadable = isinstance(result, Unreadable)
        channel.send(Classified(error=result.error) if unreadable else Classified(result))  # type: ignore[union-attr, arg-type]
    return Finished(cache.trouble if cache is not None else None)


def main() -> int:
    tune_process()
    channel = WorkerChannel()
    channel.serve(Share, lambda share: classify(share, channel))
    return 0


if __name__ == "__main__":
    sys.exit(main())
