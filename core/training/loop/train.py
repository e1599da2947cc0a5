"""The training loop and evaluation. Suffixes: B batch, M mel bands, T frames, C genres, N clips, K crops."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from core.models.networks.ensemble_cnn import EnsembleCNN
from core.training.checkpoint import BestEpoch, EpochMetrics
from core.training.distributed import SINGLE, ProcessGroup
from core.training.loop.evaluation import Evaluation, calibrate
from core.training.loop.loader import Batch, BatchLoader, batch_bounds, random_windows, spaced_windows
from core.training.loop.precision import Precision
from core.training.loop.step import Augmentation, Step, build_step
from core.training.loop.train_state import TrainState
from core.training.loop.weigh import HeldOut, weigh

EVALUATION_FRAMES = 16 * 1292
"""Frames per forward pass in an evaluation, which bounds its memory for windows of any length."""
EVALUATION_FRAMES_CUDA = 64 * 1292
"""The same on a GPU, which would be idle with fewer."""


class Callbacks:
    """Hooks of the training loop, which do nothing by default.

    An exception in a hook ends training. The train state can be saved in every hook.
    """

    def epoch_started(self, train_state: TrainState) -> None: ...

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        """After every optimiser step. ``loss`` is that of this process's shard, on the device, and valid until the next
        step; reading it synchronises. ``clips`` is the global batch size."""

    def epoch_trained(self, train_state: TrainState) -> None:
        """After the last step of an epoch, when the device is finished."""

    def batch_validated(self, train_state: TrainState, batch: int, batches: int) -> None: ...

    def epoch_finished(self, train_state: TrainState, metrics: EpochMetrics, validation: Evaluation | None) -> None:
        """At the end of an epoch; ``train_state.progress`` includes it."""


def train_model(
    train_state: TrainState,
    loader: BatchLoader,
    train_clips: Tensor,
    valid_clips: Tensor | None,
    callbacks: Callbacks,
    augment: Augmentation | None = None,
    weights: Tensor | None = None,
) -> None:
    """Train until the train state is finished, alternating epochs and validations.

    It resumes in the middle of an epoch if the progress says so.

    Args:
        train_clips, valid_clips: indices into the loader's feature set, int64 [N]. Without ``valid_clips`` all epochs
            are trained, none is the best, and validation metrics are NaN.
        augment: applied to every training batch, on the device.
        weights: relative frequencies of the training clips; see `random_windows`.

    Raises:
        Diverged: the loss is NaN or infinite.
    """
    recipe, progress = train_state.recipe, train_state.progress
    step, held = build_step(train_state, augment), train_state.held
    while not train_state.finished:
        callbacks.epoch_started(train_state)
        epoch = progress.epoch + 1
        clips, weights_N = train_clips, weights
        if held is not None and epoch <= held.epochs:
            clips, weights_N = clips[held.others_N], None if weights is None else weights[held.others_N]
        windows = random_windows(
            clips,
            loader.excerpts,
            loader.frames,
            loader.width,
            recipe.crops_of_each(len(clips)),
            recipe.seed,
            epoch,
            weights_N,
        )
        batches = loader.batches(windows, recipe.batch_size, progress.batch, train_state.group)
        train_epoch(step, batches, callbacks)
        train_loss, train_accuracy = train_state.train_metrics()
        callbacks.epoch_trained(train_state)
        if held is not None and epoch == held.epochs:
            weigh_network(train_state, loader, held)

        validation, best = None, None
        if valid_clips is not None:
            validation = evaluate_model(
                train_state.eval_model,
                loader,
                valid_clips,
                crops=recipe.test_crops,
                precision=train_state.precision,
                group=train_state.group,
                on_batch=lambda batch, batches: callbacks.batch_validated(train_state, batch, batches),
            )
            train_state.check_loss(validation.loss, f"The validation loss became {validation.loss} in epoch {epoch}")
            best = BestEpoch(epoch, validation.accuracy, validation.loss, calibrate(validation))
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=math.nan if validation is None else validation.loss,
            val_accuracy=math.nan if validation is None else validation.accuracy,
            learning_rate=train_state.last_learning_rate,
        )
        train_state.end_epoch(metrics, best)
        callbacks.epoch_finished(train_state, metrics, validation)


def weigh_network(train_state: TrainState, loader: BatchLoader, held: HeldOut) -> None:
    """Choose the weight of a network beside its experts on the held-out clips, which are trained on from now on."""
    models = {model for model in (train_state.model, train_state.eval_model) if isinstance(model, EnsembleCNN)}
    network = evaluate_model(
        train_state.eval_model.get_submodule("network"),
        loader,
        held.clips,
        crops=train_state.recipe.test_crops,
        precision=train_state.precision,
        group=train_state.group,
    )
    weigh(models, held, network)


def train_epoch(step: Step, batches: Iterator[Batch], callbacks: Callbacks) -> None:
    """Train on each batch."""
    train_state = step.train_state
    train_state.parallel_model.train()
    for batch in batches:
        global_batch_size = train_state.group.sum_count(len(batch.labels_B))
        loss = step(batch, global_batch_size)
        callbacks.batch_trained(train_state, loss, global_batch_size)


@torch.no_grad()
def evaluate_model(
    model: nn.Module,
    loader: BatchLoader,
    clips: Tensor,
    *,
    crops: int,
    precision: Precision,
    group: ProcessGroup = SINGLE,
    on_batch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate the network: logits are means over ``crops`` evenly spaced windows, at least one per excerpt.

    Args:
        clips: indices into the loader's feature set, int64 [N].
        group: the processes that share the windows; every process gets the complete evaluation.
        on_batch: called with the number of completed batches and their total.
    """
    model.eval()
    crops = max(crops, loader.excerpts.most)
    windows = spaced_windows(clips, loader.excerpts, loader.frames, loader.width, crops)
    frames = EVALUATION_FRAMES_CUDA if loader.device.type == "cuda" else EVALUATION_FRAMES
    batch_size = max(2 * group.info.size, frames // loader.width)
    if len(windows) < group.info.size:
        group = SINGLE  # there are too few to share, so every process evaluates all of them
    bounds = batch_bounds(len(windows), batch_size)
    logits_by_batch = []
    for done, (mel_BMT, _) in enumerate(loader.batches(windows, batch_size, group=group), start=1):
        with precision.autocast():
            logits_BC = model(mel_BMT).float()
        first, last = bounds[done - 1]
        logits_by_batch.append(group.all_gather(logits_BC, last - first))
        if on_batch is not None:
            on_batch(done, len(bounds))
    logits_NKC = torch.cat(logits_by_batch).view(len(clips), crops, -1)
    return Evaluation(logits_NKC.mean(1).cpu(), loader.labels[clips])
