"""``python -m tui.new_run.dataset_process``: scans a dataset in a process of its own.

A decoder that crashes on a broken file takes no viewer with it, and a scan that is no longer wanted is killed. The
protocol is that of `core.util.jsonl_process`; `Progress` is an event.
"""

import msgspec

from core.dataset.labels.settings import LabelSettings
from core.dataset.split_settings import SplitSettings
from core.util.jsonl_process import WorkerChannel, path_from_json
from tui.new_run.dataset_summary import DatasetSummary, summarise

EVERY = 25
"""Files between two progress events."""


class Scan(msgspec.Struct, frozen=True, tag_field="kind", tag="scan"):
    """Scan a folder and split it, as asked or as the dataset suggests; its path as `path_to_json` gives it."""

    folder: str
    split: SplitSettings | None = None
    labels: LabelSettings = LabelSettings()


class Progress(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    done: int
    total: int


class Found(msgspec.Struct, frozen=True, tag_field="kind", tag="found"):
    summary: DatasetSummary


Message = Progress | Found


def main() -> None:
    channel = WorkerChannel()

    def progress(done: int, total: int) -> None:
        if done % EVERY == 0:
            channel.send(Progress(done, total))

    def found(request: Scan) -> Found:
        return Found(summarise(path_from_json(request.folder), request.split, request.labels, progress))

    channel.serve(Scan, found)


if __name__ == "__main__":
    main()
