"""Exporting a run's curves for TensorBoard, which need not be installed.

The format: `event.proto <https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto>`_
inside `TFRecord <https://www.tensorflow.org/tutorials/load_data/tfrecord>`_ frames.
"""

import struct
from functools import cache
from pathlib import Path

import msgspec

from core.runs.folder import RunFolder, RunReader
from core.runs.journal import events as ev
from core.runs.journal.state import PER_BATCH, PER_SAMPLE, RunState
from core.util.atomic import write_atomic

FILE = "events.out.tfevents.genre-tui"
"""TensorBoard reads every file whose name contains ``tfevents``."""
PER_EPOCH = (
    *("epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy"),
    *("learning_rate", "gradient_norm", "clips_per_second", "seconds"),
)
PER_TEST = ("loss", "accuracy", "macro_f1", "calibration_error")
DT_STRING = 7
"""TensorFlow's number of the dtype."""
SESSION_START = 1
"""Makes TensorBoard drop earlier records of this and later steps."""


class TensorBoardExport:
    """Writes ``folder/RUN/``, for ``tensorboard --logdir folder``. An earlier export is replaced.

    All curves are over training steps; ``epoch/epoch`` is the epoch of a step. If a resumed run repeats steps,
    TensorBoard drops the earlier ones.
    """

    def __init__(self, run: RunFolder, folder: Path) -> None:
        self.path = folder / run.name / FILE
        self._reader = RunReader(run, on_event=self._take)
        self._records = [_record(_wall_time(0.0), _bytes(3, b"brain.Event:2"))]
        self._step = self._batches = 0
        self._exists = False

    def update(self) -> RunState:
        """Write new events of the run's journal; returns the run's state.

        Raises:
            OSError: the file cannot be written.
        """
        self._reader.poll()
        data = b"".join(self._records)
        if not self._exists:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, data)
        elif data:
            with self.path.open("ab") as file:
                file.write(data)
        self._exists = True
        self._records.clear()
        return self._reader.state

    def _take(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.RunStarted():
                recipe = msgspec.json.format(msgspec.json.encode(event.recipe), indent=2).decode()
                self._add(event, self._step, _bytes(5, _text("recipe", f"```json\n{recipe}\n```")))
            case ev.EpochStarted():
                self._batches = event.batches
            case ev.BatchProgress(phase="train"):
                if event.step <= self._step:
                    self._add(event, event.step, _bytes(7, _integer(1, SESSION_START)))
                self._step = event.step
                self._add_scalars(event, "batch", PER_BATCH)
            case ev.EpochFinished():
                self._step = event.epoch * self._batches
                self._add_scalars(event, "epoch", PER_EPOCH)
            case ev.DeviceSample():
                self._add_scalars(event, "device", PER_SAMPLE)
            case ev.TestFinished():
                self._add_scalars(event, "test", PER_TEST)

    def _add_scalars(self, event: ev.Event, group: str, names: tuple[str, ...]) -> None:
        """Add a value for each of the named fields that is not None."""
        values: dict[str, float | None] = {f"{group}/{name}": getattr(event, name) for name in names}
        scalars = (
            _bytes(1, _bytes(1, name.encode()) + b"\x15" + struct.pack("<f", value))
            for name, value in values.items()
            if value is not None
        )
        self._add(event, self._step, _bytes(5, b"".join(scalars)))

    def _add(self, event: ev.Event, step: int, content: bytes) -> None:
        self._records.append(_record(_wall_time(event.time), _integer(2, step), content))


def _text(tag: str, markdown: str) -> bytes:
    """A summary for the Text tab: a tensor with one string."""
    shape = _bytes(2, _integer(1, 1))
    tensor = _integer(1, DT_STRING) + _bytes(2, shape) + _bytes(8, markdown.encode(errors="backslashreplace"))
    plugin = _bytes(1, _bytes(1, b"text"))
    return _bytes(1, _bytes(1, tag.encode()) + _bytes(9, plugin) + _bytes(8, tensor))


def _record(*fields: bytes) -> bytes:
    """A frame: length and content, each with a checksum."""
    content = b"".join(fields)
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _wall_time(seconds: float) -> bytes:
    return b"\x09" + struct.pack("<d", seconds)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _checksum(data: bytes) -> bytes:
    """CRC-32C, masked as in TFRecord."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _crc_table() -> tuple[int, ...]:
    """The table of the reflected Castagnoli polynomial."""

    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
        return value

    return tuple(map(entry, range(256)))
