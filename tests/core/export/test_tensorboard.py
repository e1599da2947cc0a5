"""A run's curves in TensorBoard's format, read by TensorBoard itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.export.tensorboard import PER_EPOCH, TensorBoardExport
from core.runs.folder import RunFolder
from tests.support import example_run


def read(folder: Path) -> Any:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = accumulators.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return accumulator.Reload()


def test_tensorboard_reads_every_epoch_batch_and_the_test(tmp_path: Path) -> None:
    run = RunFolder(example_run.write_run(tmp_path / "runs" / "one", example_run.whole(5)))
    export = TensorBoardExport(run, tmp_path / "board")
    state = export.update()
    board = read(export.path.parent)
    assert {f"epoch/{name}" for name in PER_EPOCH} <= set(board.Tags()["scalars"])
    for name in ("epoch", "train_loss", "val_accuracy", "seconds"):
        points = [(point.step, pytest.approx(point.value)) for point in board.Scalars(f"epoch/{name}")]
        assert points == [(row.epoch * example_run.BATCHES, getattr(row, name)) for row in state.history]
    steps = [point.first for point in state.series["loss"].points]
    assert [point.step for point in board.Scalars("batch/loss")] == steps
    assert len(steps) == 20
    assert state.test is not None
    assert [point.value for point in board.Scalars("test/accuracy")] == [pytest.approx(state.test.accuracy)]
    assert board.Scalars("epoch/train_loss")[0].wall_time > example_run.START
    (text,) = board.Tensors("recipe")
    assert json.loads(text.tensor_proto.string_val[0].decode().strip("`").removeprefix("json")) == state.recipe


def test_a_live_run_is_continued_and_a_second_export_replaces_the_first(tmp_path: Path) -> None:
    path = example_run.write_run(tmp_path / "runs" / "one", example_run.midway(3))
    export = TensorBoardExport(RunFolder(path), tmp_path / "board")
    export.update()
    example_run.append(path, [example_run.epoch_finished(4, 0.0), example_run.tested(4)])
    export.update()
    export.update()
    epochs = read(export.path.parent).Scalars("epoch/epoch")
    assert [(point.step, point.value) for point in epochs] == [(50 * epoch, epoch) for epoch in (1, 2, 3, 4)]
    content = export.path.read_bytes()
    TensorBoardExport(RunFolder(path), tmp_path / "board").update()
    assert export.path.read_bytes() == content


def test_steps_that_a_resumed_run_repeats_are_read_once(tmp_path: Path) -> None:
    again = [example_run.run_started(3, resumed_from=2), *example_run.epochs(3, 3)]
    path = example_run.write_run(tmp_path / "one", [*example_run.midway(2, 3), *again])
    export = TensorBoardExport(RunFolder(path), tmp_path / "board")
    export.update()
    board = read(export.path.parent)
    assert [point.step for point in board.Scalars("batch/loss")] == [1, 17, 31, 50, 51, 67, 81, 100, 101, 117, 131, 150]
    assert [point.value for point in board.Scalars("epoch/epoch")] == [1, 2, 3]


def test_the_checksum_is_that_of_the_standard() -> None:
    """The check value of CRC-32C (RFC 3720, B.4): 32 zero bytes give 0x8A9136AA."""
    from core.export.tensorboard import _checksum

    crc = 0x8A9136AA
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert _checksum(bytes(32)) == masked.to_bytes(4, "little")
