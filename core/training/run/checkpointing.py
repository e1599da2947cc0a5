"""Saving the two checkpoint files in a thread, on a schedule that bounds both lost work and overhead."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import msgspec
import psutil
import torch
from torch import Tensor

from core.runs.folder import RunFolder
from core.runs.journal.events import CheckpointSaved, Event
from core.training.checkpoint import (
    BestEpoch,
    ModelCheckpoint,
    TrainCheckpoint,
    TrainingSet,
    all_finite,
    read_model,
    write_model,
    write_training,
)
from core.training.errors import Diverged, EndedAtOnce
from core.training.loop.evaluation import Evaluation, calibrate
from core.training.loop.train_state import TrainState, copy_of, weights_of
from core.training.run.phases import PhaseTimer
from core.training.run.write_guard import WriteGuard

LARGEST_SHARE = 0.25
"""Largest share of the free main memory for a copy."""

ValueT = TypeVar("ValueT")


class HostCopies:
    """Makes copies one after another. Tensors on a GPU are copied to pinned memory, which is reused."""

    def __init__(self) -> None:
        self._pinned: list[Tensor] = []
        self._taken = 0
        """Number of GPU tensors in the current copy so far."""
        self._gpu: torch.device | None = None

    def fits(self, state: TrainCheckpoint) -> bool:
        """Whether there is enough main memory for a copy, or memory of an earlier copy."""
        return bool(self._pinned) or _bytes(state) < LARGEST_SHARE * psutil.virtual_memory().available

    def take(self, state: TrainCheckpoint) -> TrainCheckpoint:
        """A copy that is valid until the next one is taken; synchronises."""
        self._taken = 0
        copy = self._copied(state)
        if self._gpu is not None:
            torch.cuda.synchronize(self._gpu)
        return copy

    def _copied(self, value: ValueT) -> ValueT:
        copy: Any = value
        if isinstance(value, Tensor):
            copy = self._pinned_copy(value) if value.is_cuda else value.clone()
        elif isinstance(value, msgspec.Struct):
            copy = type(value)(**{name: self._copied(getattr(value, name)) for name in value.__struct_fields__})
        elif isinstance(value, dict):
            copy = {key: self._copied(item) for key, item in value.items()}
        elif isinstance(value, list):
            copy = [self._copied(item) for item in value]
        return copy  # type: ignore[no-any-return]

    def _pinned_copy(self, tensor: Tensor) -> Tensor:
        """Copy asynchronously; the tensors of a state always come in the same order."""
        place, self._taken, self._gpu = self._taken, self._taken + 1, tensor.device
        if place == len(self._pinned) or not _alike(self._pinned[place], tensor):
            del self._pinned[place:]
            self._pinned.append(torch.empty_like(tensor, device="cpu", pin_memory=True))
        return self._pinned[place].copy_(tensor, non_blocking=True)


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, msgspec.Struct):
        return sum(_bytes(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list) else 0


OVERHEAD = 0.05
"""Largest share of the time spent on saving, except at the end."""

BYTES_PER_SECOND = 500e6
"""Assumed speed of the disk before the first save."""

MID_EPOCH_SECONDS = 30.0
"""Shortest time between saves within an epoch."""


class Saved(NamedTuple):
    best: ModelCheckpoint | None
    """The written model."""
    complete: bool
    """Whether everything was written."""


class CheckpointManager:
    """Saves after an epoch, or in the middle of a long one, if the last save is long enough ago.

    Training waits for a copy of its state, which a thread writes. There is one save at a time, and the next call raises
    its errors. If there is not enough memory for a copy, training waits for the files.

    best_model.pth is written before last.pth and never alone, so that they are consistent: if the trainer is killed
    between the two writes, the run resumes from the older last.pth and reaches the newer best epoch again. Non-zero
    ranks save nothing. As a context manager it completes a running save on exit.
    """

    def __init__(
        self,
        run: RunFolder,
        train_state: TrainState,
        genres: list[str],
        dataset: TrainingSet,
        emit: Callable[[Event], object],
        guard: WriteGuard,
        phases: PhaseTimer,
    ) -> None:
        self._run = run
        self._train_state = train_state
        self._genres = genres
        self._dataset = dataset
        self._emit = emit
        self._guard = guard
        self._phases = phases
        self._is_leader = train_state.group.info.is_leader
        self._best: ModelCheckpoint | None = None
        """The model of the best epoch; None if it is only on disk."""
        self._best_is_saved = True
        self._copies = HostCopies()
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._saving: Future[Saved] | None = None
        self._cost = 4 * sum(p.nbytes for p in train_state.model.parameters()) / BYTES_PER_SECOND
        """Duration of a save in seconds."""
        self._saved_at = time.monotonic()

    def __enter__(self) -> "CheckpointManager":
        return self

    def __exit__(self, *_: object) -> None:
        done = False
        while not done:
            with suppress(EndedAtOnce):  # a further signal does not interrupt a save
                self._thread.shutdown()
                done = True

    def epoch_finished(self) -> None:
        """Keep a copy of the weights if they are the best so far, and save if it is time."""
        progress = self._train_state.progress
        if progress.best is not None and progress.best.epoch == progress.epoch:
            weights = copy_of(weights_of(self._train_state.eval_model))
            self._best, self._best_is_saved = self._model(weights, progress.best), False
        if self._due():
            self._begin()

    def batch_trained(self) -> None:
        """Save if it is time; raises errors of the thread."""
        self._collect()
        if time.monotonic() - self._saved_at >= MID_EPOCH_SECONDS and self._due():
            self._begin()

    def save(self, *, patiently: bool = False) -> bool:
        """Save now; returns whether it succeeded. After a full disk, saving is retried later.

        Args:
            patiently: wait for disk space, for the last save of a run.

        Raises:
            Diverged: a weight or the epoch's loss is NaN or infinite; the files are unchanged.
        """
        self.wait()
        self._begin(patiently=patiently)
        return self.wait()

    def begin_last(self) -> None:
        """Start the last save of a run, with patience. See `wait`.

        Raises:
            Diverged: as for `save`.
        """
        self.wait()
        self._begin(patiently=True)

    def wait(self) -> bool:
        """Wait for a running save; returns whether everything was written.

        Raises:
            Exception: any error of the save other than a full disk.
        """
        if self._saving is None:
            return True
        with self._phases.during("checkpoints"):
            saving, self._saving = self._saving, None
            saved = saving.result()
        if saved.best is not None and saved.best is self._best:
            self._best_is_saved = True
        return saved.complete

    def save_best(self) -> bool:
        """Save the model of the best epoch unless it is on disk, waiting for disk space; returns whether it is."""
        self.wait()
        if self._best is None or self._best_is_saved or not self._is_leader:
            return True
        with self._phases.during("checkpoints"):
            self._best_is_saved = self._write_best(self._best, patiently=True)
        return self._best_is_saved

    def save_unfinished(self, validation: Evaluation) -> None:
        """Save the current weights as the best model, of epoch 0, for a run that is stopped in its first epoch."""
        candidate = BestEpoch(0, validation.accuracy, validation.loss, calibrate(validation))
        weights = copy_of(weights_of(self._train_state.eval_model))
        self._best, self._best_is_saved = self._model(weights, candidate), False
        self.save_best()

    def begin_finished(self, model: ModelCheckpoint) -> None:
        """Start writing the finished model, with patience, after any running save. See `wait`."""
        self.wait()
        self._saving = self._thread.submit(self._write_finished, model)

    def best_model(self) -> ModelCheckpoint:
        """The model of the best epoch, from disk if it is from an earlier trainer."""
        return self._best or read_model(self._run.best_model_path)

    def _begin(self, *, patiently: bool = False) -> None:
        """Pass a copy of the train state to the thread."""
        progress = self._train_state.progress
        with self._phases.during("checkpoints"):
            self._saved_at = time.monotonic()
            self._train_state.train_metrics()
            if not all_finite(self._train_state.model.state_dict()):
                batch = f"in epoch {progress.epoch + 1}, by batch {progress.batch}"
                raise Diverged(f"A weight became NaN or infinite {batch}")
            if not self._is_leader:
                return
            best, state = None if self._best_is_saved else self._best, self._train_state.checkpoint()
            copied = self._copies.fits(state)
            if copied:
                state = self._copies.take(state)
            self._saving = self._thread.submit(self._write, best, state, self._saved_at, patiently=patiently)
        if not copied:
            self.wait()

    def _write(self, best: ModelCheckpoint | None, state: TrainCheckpoint, began: float, *, patiently: bool) -> Saved:
        """Write both files, in the thread; best_model.pth only if there is a model."""
        with self._phases.beside("checkpoints"):
            if best is not None and not self._write_best(best, patiently=patiently):
                if patiently:
                    self._guard.lost.append("last.pth")
                return Saved(None, complete=False)
            name, write = self._run.last_path.name, lambda: write_training(self._run.last_path, state)
            if written := self._guard.attempt(name, write, patiently=patiently):
                self._emit(CheckpointSaved(what="last", path=name, epoch=state.progress.epoch))
        self._cost = time.monotonic() - began
        return Saved(best, complete=written)

    def _write_best(self, model: ModelCheckpoint, *, patiently: bool) -> bool:
        name = self._run.best_model_path.name
        if not self._guard.attempt(name, lambda: write_model(self._run.best_model_path, model), patiently=patiently):
            return False
        self._emit(CheckpointSaved(what="best", path=name, epoch=model.epoch, val_accuracy=model.val_accuracy))
        return True

    def _write_finished(self, model: ModelCheckpoint) -> Saved:
        with self._phases.beside("checkpoints"):
            name, write = self._run.best_model_path.name, lambda: write_model(self._run.best_model_path, model)
            return Saved(model, complete=self._guard.attempt(name, write, patiently=True))

    def _model(self, weights: dict[str, Tensor], best: BestEpoch) -> ModelCheckpoint:
        return ModelCheckpoint(
            weights=weights,
            recipe=self._train_state.recipe,
            genres=self._genres,
            calibration=dict(best.calibration),
            epoch=best.epoch,
            val_accuracy=best.val_accuracy,
            dataset=self._dataset,
        )

    def _due(self) -> bool:
        self._collect()
        waited = time.monotonic() - self._saved_at
        return self._is_leader and self._saving is None and waited >= self._cost / OVERHEAD

    def _collect(self) -> None:
        if self._saving is not None and self._saving.done():
            self.wait()
