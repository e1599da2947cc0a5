"""When the two files of weights are saved, by a thread: a schedule that bounds both lost work and overhead."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
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
from core.training.training_set import TrainingSet

LARGEST_SHARE = 0.25
"""Of the free main memory that a copy may take."""

ValueT = TypeVar("ValueT")


class HostCopies:
    """Takes one copy after another. What lies on a GPU is copied to pinned memory, which every copy uses again."""

    def __init__(self) -> None:
        self._pinned: list[Tensor] = []
        self._taken = 0
        """Tensors on the GPU that the present copy has by now."""
        self._gpu: torch.device | None = None

    def fits(self, state: TrainCheckpoint) -> bool:
        """Whether there is enough main memory for a copy, or a former copy's memory."""
        return bool(self._pinned) or _bytes(state) < LARGEST_SHARE * psutil.virtual_memory().available

    def take(self, state: TrainCheckpoint) -> TrainCheckpoint:
        """A copy that nothing changes until the next one is taken. Waits for the device."""
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
        """Copied without waiting; the tensors of a state come in the same order every time."""
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
"""Share of the time for which a save may be under way, apart from the saves at the end."""

BYTES_PER_SECOND = 500e6
"""Assumed speed of the disk until the first save has shown it."""

MID_EPOCH_SECONDS = 30.0
"""Shortest time between saves inside an epoch."""


class Saved(NamedTuple):
    best: ModelCheckpoint | None
    """The model that was written."""
    complete: bool
    """Whether everything was."""


class CheckpointManager:
    """Saves after an epoch, or in the middle of a long one, when the last save is long enough ago.

    Training waits for a copy of its state, which a thread writes, one save at a time; an error there is raised by the
    next call. Where memory is too short for a copy, training waits for the files.

    best_model.pth is written before last.pth, and never alone, so that the two agree: after a kill between the two
    writes, the run resumes from the older last.pth and reaches the newer best epoch again. Non-zero ranks save nothing.
    A context manager: a save that is under way is completed at its end, whatever ends the training.
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
        """The model of the best epoch; None where only the disk has it."""
        self._best_is_saved = True
        self._copies = HostCopies()
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._saving: Future[Saved] | None = None
        self._cost = 4 * sum(p.nbytes for p in train_state.model.parameters()) / BYTES_PER_SECOND
        """Seconds that a save takes."""
        self._saved_at = time.monotonic()

    def __enter__(self) -> "CheckpointManager":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        done = False
        while not done:
            with suppress(EndedAtOnce):  # a further signal: half a file helps nobody
                self._thread.shutdown()
                done = True

    def epoch_finished(self) -> None:
        """Keeps a copy of the weights if they are the best so far; saves if it is time."""
        progress = self._train_state.progress
        if progress.best is not None and progress.best.epoch == progress.epoch:
            weights = copy_of(weights_of(self._train_state.eval_model))
            self._best, self._best_is_saved = self._model(weights, progress.best), False
        if self._due():
            self._begin()

    def batch_trained(self) -> None:
        """Saves if it is time; raises what went wrong in the thread."""
        self._collect()
        if time.monotonic() - self._saved_at >= MID_EPOCH_SECONDS and self._due():
            self._begin()

    def save(self, *, patiently: bool = False) -> bool:
        """Saves now; whether it succeeded. A full disk costs the run this checkpoint, and is tried again later.

        Args:
            patiently: wait for room on the disk, for the last save of a run.

        Raises:
            Diverged: a weight, or the epoch's loss, is NaN or infinite; the files are left as they are.
        """
        self.wait()
        self._begin(patiently=patiently)
        return self.wait()

    def begin_last(self) -> None:
        """Begins the last save of a run, patiently. See `wait`.

        Raises:
            Diverged: as `save`.
        """
        self.wait()
        self._begin(patiently=True)

    def wait(self) -> bool:
        """Waits for the save that is under way, if there is one; whether all of it was written.

        Raises:
            Exception: what went wrong in it, apart from a full disk.
        """
        if self._saving is None:
            return True
        with self._phases.during("checkpoints"):
            saving, self._saving = self._saving, None
            saved = saving.result()
        if saved.best is not None and saved.best is self._best:
            self._best_is_saved = True
        return saved.complete

    def save_best(self, *, patiently: bool = True) -> bool:
        """Saves the model of the best epoch unless it is on disk; whether it is there now."""
        self.wait()
        if self._best is None or self._best_is_saved or not self._is_leader:
            return True
        with self._phases.during("checkpoints"):
            self._best_is_saved = self._write_best(self._best, patiently=patiently)
        return self._best_is_saved

    def save_unfinished(self, validation: Evaluation) -> None:
        """Makes the current weights the best model, as of epoch 0: for a run that is stopped in its first epoch."""
        candidate = BestEpoch(0, validation.accuracy, validation.loss, calibrate(validation))
        weights = copy_of(weights_of(self._train_state.eval_model))
        self._best, self._best_is_saved = self._model(weights, candidate), False
        self.save_best()

    def begin_finished(self, model: ModelCheckpoint) -> None:
        """Begins to write the finished model, patiently, when the save that is under way is done. See `wait`."""
        self.wait()
        self._saving = self._thread.submit(self._write_finished, model)

    def best_model(self) -> ModelCheckpoint:
        """The model of the best epoch, from memory unless it is from an earlier life of the run."""
        return self._best or read_model(self._run.best_model_path)

    def _begin(self, *, patiently: bool = False) -> None:
        """Hands a copy of the training's state to the thread."""
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
        """Both files, in the thread; best_model.pth only where there is a model for it."""
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
