"""Training and evaluation, as in the textbook. Suffixes: B batch, M mel bands, T frames, C genres, N clips, K crops."""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from core.training.distributed.group import ALONE, ProcessGroup
from core.training.loop.calibration import calibrate
from core.training.loop.evaluation import Evaluation
from core.training.loop.loader import Batch, BatchLoader
from core.training.loop.precision import Precision
from core.training.loop.sampler import batch_bounds, random_windows, spaced_windows
from core.training.loop.step import Augmentation, Step, step_of
from core.training.loop.train_state import BestEpoch, EpochMetrics, TrainState

EVALUATION_FRAMES = 16 * 1292
"""Frames that go through the network at once in an evaluation, whatever the windows' length: bounds its memory."""
EVALUATION_FRAMES_CUDA = 64 * 1292
"""The same on a GPU, which fewer would keep waiting."""


class StepCallbacks(Protocol):
    """Follows an epoch. Whatever it raises ends the training; the train_state can be saved at every call."""

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        """After every optimiser step. ``loss`` is this process' share of the batch's, on the device until the next
        step: to read it is to wait for the device. ``clips`` is the size of the whole batch."""


class Callbacks(StepCallbacks, Protocol):
    """Follows a training, likewise."""

    def epoch_started(self, train_state: TrainState) -> None: ...

    def epoch_trained(self, train_state: TrainState) -> None:
        """After the last step of an epoch, when the device has done it."""

    def batch_validated(self, train_state: TrainState, batch: int, batches: int) -> None: ...

    def epoch_finished(self, train_state: TrainState, score: EpochMetrics, validation: Evaluation) -> None:
        """After the validation, when ``train_state.place`` includes the epoch."""


def train_model(
    train_state: TrainState,
    reader: BatchLoader,
    train_clips: Tensor,
    valid_clips: Tensor,
    listener: Callbacks,
    augment: Augmentation | None = None,
    weights: Tensor | None = None,
) -> None:
    """Trains until the train_state has finished: an epoch over the training clips, an evaluation, and so on.

    Goes on in the middle of an epoch where the train_state's place says so.

    Args:
        train_clips, valid_clips: indices into the reader's feature set, int64 [N].
        augment: applied to every training batch, on the device.
        weights: how often each training clip is drawn; see `random_windows`.

    Raises:
        Diverged: the loss is NaN or infinite.
    """
    recipe, place = train_state.recipe, train_state.place
    step = step_of(train_state, augment)
    while not train_state.finished:
        listener.epoch_started(train_state)
        epoch = place.epoch + 1
        windows = random_windows(
            train_clips, reader.frames, reader.width, recipe.crops_per_clip, recipe.seed, epoch, weights
        )
        batches = reader.batches(windows, recipe.batch_size, place.batch, train_state.team)
        train_epoch(step, batches, listener)
        train_loss, train_accuracy = train_state.train_scores()
        listener.epoch_trained(train_state)

        validation = evaluate_model(
            train_state.judged,
            reader,
            valid_clips,
            crops=recipe.test_crops,
            precision=train_state.precision,
            team=train_state.team,
            on_batch=lambda batch, batches: listener.batch_validated(train_state, batch, batches),
        )
        score = EpochMetrics(
            epoch, train_loss, train_accuracy, validation.loss, validation.accuracy, train_state.rate_of_last_step
        )
        train_state.close_epoch(score, BestEpoch(epoch, validation.accuracy, validation.loss, calibrate(validation)))
        listener.epoch_finished(train_state, score, validation)


def train_epoch(step: Step, batches: Iterator[Batch], listener: StepCallbacks) -> None:
    """One optimiser step a batch."""
    train_state = step.train_state
    train_state.parallel.train()
    for batch in batches:
        whole = train_state.team.total(len(batch.labels_B))  # windows of the batch over all processes
        loss = step(batch, whole)
        listener.batch_trained(train_state, loss, whole)


@torch.no_grad()
def evaluate_model(
    model: nn.Module,
    reader: BatchLoader,
    clips: Tensor,
    *,
    crops: int,
    precision: Precision,
    team: ProcessGroup = ALONE,
    on_batch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The network's judgement of clips: the mean of its logits over ``crops`` evenly spaced windows of each.

    Args:
        clips: indices into the reader's feature set, int64 [N].
        team: who shares the windows; every process gets the whole judgement.
        on_batch: called with the number of batches done and of all.
    """
    model.eval()
    windows = spaced_windows(clips, reader.frames, reader.width, crops)
    at_once = EVALUATION_FRAMES_CUDA if reader.device.type == "cuda" else EVALUATION_FRAMES
    batch_size = max(2 * team.place.size, at_once // reader.width)
    if len(windows) < team.place.size:
        team = ALONE  # some would have nothing to do: everyone does everything
    bounds = batch_bounds(len(windows), batch_size)
    logits_by_batch = []
    for done, (mel_BMT, _) in enumerate(reader.batches(windows, batch_size, team=team), start=1):
        with precision.autocast():
            logits_BC = model(mel_BMT).float()
        first, last = bounds[done - 1]
        logits_by_batch.append(team.joined(logits_BC, last - first))
        if on_batch is not None:
            on_batch(done, len(bounds))
    logits_NKC = torch.cat(logits_by_batch).view(len(clips), crops, -1)
    return Evaluation(logits_NKC.mean(1).cpu(), reader.labels[clips])
