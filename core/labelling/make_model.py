"""Making a model from labels in seconds: closed-form experts without a network.

The experts are those of ``ensemble_cnn`` on window statistics, or of ``encoder_head`` on the embeddings of an encoder.
They are fitted to the embeddings of the clips that are there already, so no audio is read again. The model is saved as
a run, which Classify, Listen and the commands find like any other.

Shapes: I clips, W windows of each, F statistics, C genres.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from torch import nn

from core.dataset.split import Split
from core.features.settings import EncoderSettings
from core.labelling.embedding import WINDOW_SECONDS, EmbeddedSet
from core.models.networks.encoder_head import PARTS, EncoderHead
from core.models.networks.ensemble_cnn import EnsembleCNN
from core.models.networks.expert_ensemble import ExpertEnsemble
from core.runs.directory import create
from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.events import CheckpointSaved, DatasetScanned, RunFinished
from core.training.checkpoint import ModelCheckpoint, build_network, training_set, write_model
from core.training.loop.adapt import inner_folds
from core.training.loop.evaluation import fit_temperature
from core.training.presets import with_encoder
from core.training.recipe import Recipe, to_dict
from core.training.run.event_logger import EventLogger, run_started
from core.util.errors import UserError, reason
from core.util.text import counted

KIND = "labels"
"""Takes the place of a preset in the name of its run."""
OPTIONS = {"width": 1, "network_weight": 0.0}
"""Options of the network in ``ensemble_cnn``; its logits get no weight."""
FOLDS = 5
"""Inner folds on which the settings are chosen: half as many as in training."""


class MadeModel(NamedTuple):
    """``accuracy`` is out of fold, for the labelled clips; None for too few clips."""

    run: RunFolder
    accuracy: float | None
    clips: int
    seconds: float


def make_model(
    found: EmbeddedSet, labels: Mapping[int, str], runs_dir: Path, encoder: EncoderSettings | None = None
) -> MadeModel:
    """Make a finished run in ``runs_dir`` with a model fitted to ``labels``: index in the dataset → genre.

    Args:
        encoder: where the embeddings of ``found`` come from, if they are not window statistics.

    Raises:
        UserError: there are fewer than two genres, or the run cannot be written.
    """
    began = time.perf_counter()
    genres = sorted(set(labels.values()))
    if len(genres) < 2:
        raise UserError("A model needs labels of at least two genres.")
    indices = sorted(labels)
    clips = [found.clips[index] for index in indices]
    recipe = Recipe(
        data=str(found.root),
        preset=KIND,
        model="ensemble_cnn",
        model_options=dict(OPTIONS),
        front_end=found.settings,
        crop_seconds=min(WINDOW_SECONDS, found.settings.seconds),
        spectrograms=False,
    )
    if encoder is not None:
        recipe = msgspec.structs.replace(with_encoder(recipe, encoder), preset=KIND)
    network = build_network(recipe, len(genres))
    labels_I = torch.tensor([genres.index(labels[index]) for index in indices])
    features_IWF = torch.from_numpy(found.embeddings_NWF[indices])
    held_IC = _experts_of(network).fit_measured(features_IWF, None, labels_I, inner_folds(clips, FOLDS))
    temperature, accuracy = 1.0, None
    if held_IC is not None:
        temperature = fit_temperature(held_IC, labels_I)
        accuracy = float((held_IC.argmax(1) == labels_I).double().mean())
    labelled = [replace(clip, genre=labels[index]) for index, clip in zip(indices, clips, strict=True)]
    everything = Split(train=list(range(len(clips))), valid=[], test=[])
    model = ModelCheckpoint(
        weights=network.state_dict(),
        recipe=recipe,
        genres=genres,
        calibration={"temperature": temperature},
        epoch=0,
        val_accuracy=accuracy or 0.0,
        dataset=training_set(dataset_name(found.root), str(found.root), labelled, everything),
    )
    run = create(runs_dir, to_dict(recipe), dataset_name(found.root), KIND)
    try:
        write_model(run.best_model_path, model)
    except OSError as error:
        raise UserError(f"The model cannot be written to {run.path}: {reason(error)}.") from error
    seconds = time.perf_counter() - began
    _tell(run, model, [labels[index] for index in indices], sum(clip.duration_s for clip in clips), seconds)
    return MadeModel(run, accuracy, len(clips), seconds)


def _experts_of(network: nn.Module) -> ExpertEnsemble:
    """The part of the network that is fitted; only its logits count."""
    if isinstance(network, EncoderHead):
        network.weights.copy_(torch.tensor([float(part == "embeddings") for part in PARTS]))
        return network.by_embeddings
    assert isinstance(network, EnsembleCNN)
    return network.experts


def _tell(run: RunFolder, model: ModelCheckpoint, labels: list[str], seconds_of_sound: float, seconds: float) -> None:
    """Write the journal of the finished run."""
    with EventLogger(run) as logger:
        started = run_started(model.recipe, "cpu", "closed form")
        logger.emit(msgspec.structs.replace(started, epochs=0))
        logger.emit(
            DatasetScanned(
                genres=model.genres,
                clips=dict(sorted(Counter(labels).items())),
                parts={"train": len(labels), "valid": 0, "test": 0},
                hours=seconds_of_sound / 3600,
                labels="labels: given on the Label screen",
            )
        )
        path, accuracy = run.best_model_path.name, model.val_accuracy
        logger.emit(CheckpointSaved(what="best", path=path, epoch=0, val_accuracy=accuracy))
        message = f"Fitted to {counted(len(labels), 'label')} in closed form; the accuracy is out of fold."
        logger.emit(RunFinished(seconds=seconds, best_epoch=0, best_val_accuracy=accuracy, message=message))
