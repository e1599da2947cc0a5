"""Evaluating a trained model on a dataset, for ``genre-tui evaluate``."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from core.dataset.clip import Clip, ExcerptRule, Excluded, OnNote, OnProgress, searched_seconds
from core.dataset.labels.tree import GenreTree
from core.dataset.load import load_features
from core.dataset.scan import Scan, survey
from core.dataset.settings import LabelSettings
from core.dataset.split import PARTS, column_values
from core.dataset.store.extract import OnFeatures
from core.dataset.store.feature_set import FeatureSet
from core.features.settings import FrontEndSettings
from core.models.encoders.embeddings import with_embeddings
from core.reports.metrics import Assessment, assess, macro_f1
from core.runs.folder import dataset_name
from core.training.checkpoint import LEARNT, TrainedModel, load_model
from core.training.evaluation.baseline import baseline
from core.training.evaluation.significance import interval_of_share, mcnemar
from core.training.loop.evaluation import Evaluation, calibration_error, calibration_noise
from core.training.loop.loader import BatchLoader
from core.training.loop.precision import choose_precision
from core.training.loop.train import evaluate_model
from core.util.device import choose_device
from core.util.errors import UserError


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    against: str | os.PathLike[str] | None = None,
    part: str | None = None,
    split_column: str | None = None,
    labels: LabelSettings | None = None,
    index: Path | None = None,
    device: str = "auto",
    on_scanning: OnProgress | None = None,
    on_features: OnFeatures | None = None,
    on_excluded: Callable[[Excluded], None] | None = None,
    on_note: OnNote | None = None,
) -> dict[str, Any]:
    """Evaluate the model file ``model`` on the folder of music or feature pack at ``data``.

    Args:
        against: another model file, which is evaluated on the same clips: those of genres that both know.
        part: ``all``; or ``train``, ``valid`` or ``test``, the parts of the model's own training; or, with
            ``split_column``, a value of that column. By default every clip that neither the model nor the other one
            was trained on or selected by.
        labels: where the genres come from; see `core.dataset.scan.scan`.
        split_column: a column of the dataset's index, or of ``index``.
        on_scanning, on_features: see `core.dataset.load.load_dataset`.
        on_excluded: called with every file that is left out, and the reason.
        on_note: called with the label source, and what else a user should know about the labels.

    Returns:
        The fields of `core.reports.metrics.Assessment`, and ``model``, ``dataset`` and ``protocol``. If the dataset
        includes the clips that the model was trained on, also ``baseline``, the fields of
        `core.training.evaluation.baseline.Baseline`. With ``against``, also ``against``, the other's ``model`` and
        ``accuracy``, and ``mcnemar``: the number of ``clips``, of those that only one model got right, ``only_this``
        and ``only_other``, and ``p``. With a tree of genres with several levels, also ``levels``: ``accuracy``,
        ``macro_f1`` and ``genres`` for the model's genres, ``leaf``, and for their roots, ``top``.

    Raises:
        UserError: a model, dataset, column or part cannot be used, or no clip is left to evaluate.
    """
    on = choose_device(device)
    models = [load_model(Path(file), on) for file in (model, against) if file is not None]
    found = survey(
        data,
        labels=labels,
        index=index,
        seconds=max(searched_seconds(trained.front_end.seconds, trained.recipe.excerpts) for trained in models),
        on_progress=on_scanning,
    )
    if on_note:
        for note in [found.label_source, *found.notes]:
            on_note(note)
    sets, excluded = _features(found, models, on, on_features, on_note)
    if on_excluded:
        for one in found.excluded + excluded:
            on_excluded(one)
    if found.tree is not None:
        sets = [replace(features, clips=_at_known_level(features.clips, models, found.tree)) for features in sets]
    clips, other = sets[0].clips, models[1] if against is not None else None
    selection = select_clips(clips, models[0], against=other, part=part, split_column=split_column)
    known = [i for i in selection.clips if all(clips[i].genre in trained.genres for trained in models)]
    who = "the model knows" if against is None else "both models know"
    if not known:
        raise UserError(
            f"None of the clips ({selection.description}) is of a genre that {who}: give clips of such genres."
        )
    evaluations = [_evaluate(trained, features, known) for trained, features in zip(models, sets, strict=True)]
    assessment = assessment_of(
        evaluations[0], [str(clips[i].path) for i in known], models[0].genres, models[0].temperature
    )
    protocol = selection.description
    if strangers := len(selection.clips) - len(known):
        unknown = "the model does not know" if against is None else "one model or the other does not know"
        protocol += f"; {strangers} clips of genres that {unknown} left out"
    facts: dict[str, Any] = {"model": str(model), "dataset": dataset_name(Path(data)), "protocol": protocol}
    facts |= msgspec.to_builtins(assessment) | {"labels": found.label_source}
    if found.tree is not None and (levels := levels_of(assessment, found.tree)):
        facts["levels"] = levels
    train = [i for i, part in enumerate(models[0].dataset.parts_of(clips)) if part == "train"]
    if len({clips[i].genre for i in train}) > 1 and not set(train) & set(known):
        facts["baseline"] = msgspec.to_builtins(baseline(sets[0], torch.tensor(train), torch.tensor(known)))
    if against is not None:
        facts["against"] = {"model": str(against), "accuracy": evaluations[1].accuracy}
        test = mcnemar(*((one.predictions == one.labels).tolist() for one in evaluations))
        counts = {"clips": len(known), "only_this": test.only_first, "only_other": test.only_second}
        facts["mcnemar"] = counts | {"p": test.p}
    return facts


def _at_known_level(clips: Sequence[Clip], models: Sequence[TrainedModel], tree: GenreTree) -> list[Clip]:
    """The clips, with the root of their genre if the models know only that."""
    known = set.intersection(*(set(trained.genres) for trained in models))
    roots = [tree.top(clip.genre) if clip.genre not in known else clip.genre for clip in clips]
    return [replace(clip, genre=root) if root in known else clip for clip, root in zip(clips, roots, strict=True)]


def levels_of(assessment: Assessment, tree: GenreTree) -> dict[str, dict[str, Any]]:
    """Accuracy and macro F1 for the genres of the assessment and for their roots; empty if these are the same."""
    roots = [tree.top(genre) for genre in assessment.genres]
    tops = sorted(set(roots))
    if tops == sorted(assessment.genres):
        return {}
    confusion = [[0] * len(tops) for _ in tops]
    for true, row in zip(roots, assessment.confusion, strict=True):
        for predicted, count in zip(roots, row, strict=True):
            confusion[tops.index(true)][tops.index(predicted)] += count
    correct = sum(row[i] for i, row in enumerate(confusion))
    top = {"accuracy": correct / assessment.clips, "macro_f1": macro_f1(confusion), "genres": tops}
    leaf = {"accuracy": assessment.accuracy, "macro_f1": assessment.macro_f1, "genres": assessment.genres}
    return {"leaf": leaf, "top": top}


def _features(
    found: Scan,
    models: Sequence[TrainedModel],
    on: torch.device,
    on_features: OnFeatures | None,
    on_note: OnNote | None,
) -> tuple[list[FeatureSet], list[Excluded]]:
    """The features of the same clips for each model, and the clips that one of them cannot use."""
    sets: dict[tuple[FrontEndSettings, ExcerptRule], FeatureSet] = {}
    excluded: list[Excluded] = []
    for trained in models:
        settings, excerpts = wanted = trained.front_end, trained.recipe.excerpts
        if wanted in sets:
            continue
        features, failed = load_features(found, settings, excerpts=excerpts, device=on, on_features=on_features)
        excluded += failed
        if not features.clips:
            raise UserError(f"None of the clips can be used: {failed[0].path} {failed[0].reason}; choose others.")
        found = replace(found, clips=features.clips)
        sets[wanted] = features
    for (settings, excerpts), features in sets.items():
        if len(features) > len(found.clips):  # clips that a later front end cannot use are dropped
            sets[settings, excerpts] = load_features(found, settings, excerpts=excerpts, device=on)[0]
    chosen = [sets[trained.front_end, trained.recipe.excerpts] for trained in models]
    for features, trained in zip(chosen, models, strict=True):
        check_front_end(features, trained)
    for i, trained in enumerate(models):
        chosen[i] = embedded(chosen[i], found.root, trained, trained.recipe.excerpts, on, on_features, on_note)
    return chosen, excluded


def embedded(
    features: FeatureSet,
    data: Path,
    trained: TrainedModel,
    excerpts: ExcerptRule,
    on: torch.device,
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> FeatureSet:
    """Add the embeddings that a model on an encoder needs; for other models ``features`` is returned.

    Args:
        data: the dataset of the features.
        excerpts: the rule by which the features were computed.
    """
    if trained.recipe.encoder is None:
        return features
    return with_embeddings(
        features, data, trained.recipe.encoder, excerpts, device=on, on_progress=on_features, on_note=on_note
    )


def check_front_end(features: FeatureSet, trained: TrainedModel) -> None:
    """Check that spectrograms, such as those of a pack, have the model's front end and at least its window length.

    Raises:
        UserError: they do not.
    """
    made, wanted, recipe = features.settings, trained.front_end, trained.recipe
    fields = [field for field in wanted.__struct_fields__ if field != "seconds"]
    if other := [field for field in fields if getattr(made, field) != getattr(wanted, field)]:
        differences = ", ".join(f"{field} {getattr(made, field)} and not {getattr(wanted, field)}" for field in other)
        raise UserError(
            f"The feature pack was made with another front end than that of {trained.path} ({differences}): evaluate "
            "on the audio."
        )
    if made.frames < recipe.input_frames:
        window = wanted.seconds if recipe.crop_seconds is None else recipe.crop_seconds
        raise UserError(
            f"The feature pack's clips last {made.seconds:g} s, and {trained.path} needs windows of {window:g} s: "
            "evaluate on the audio, or on a pack of longer clips."
        )


def _evaluate(trained: TrainedModel, features: FeatureSet, clips: list[int]) -> Evaluation:
    """Evaluate a model on clips whose genres it knows; labels are indices into its genres."""
    labels = torch.tensor([trained.genres.index(features.clips[i].genre) for i in clips])
    return Evaluation(logits_of(trained, features, clips), labels)


def logits_of(trained: TrainedModel, features: FeatureSet, clips: list[int]) -> Tensor:
    """The model's logits for the clips, (N, C) in the order of its genres.

    Raises:
        UserError: they are NaN or infinite.
    """
    on = next(trained.model.parameters()).device
    logits = evaluate_model(
        trained.model,
        BatchLoader(features.to(on), trained.recipe.input_frames, on),
        torch.tensor(clips),
        crops=trained.recipe.test_crops,
        precision=choose_precision(trained.recipe, on),
    ).logits
    if not logits.isfinite().all():
        raise UserError(f"{trained.path} is damaged: its output is NaN or infinite.")
    return logits


def assessment_of(
    evaluation: Evaluation, paths: Sequence[str], genres: Sequence[str], temperature: float
) -> Assessment:
    """The metrics of an evaluation, for a report.

    The loss is for uncalibrated logits, as in training; probabilities and calibration error are calibrated.
    """
    probabilities_NC = evaluation.probabilities(temperature)
    interval = interval_of_share(evaluation.accuracy, len(evaluation.labels))
    return assess(
        paths,
        evaluation.labels.tolist(),
        evaluation.predictions.tolist(),
        probabilities_NC.amax(1).tolist(),
        genres,
        interval=(interval.low, interval.high),
        loss=evaluation.loss,
        calibration_error=calibration_error(probabilities_NC, evaluation.labels),
        calibration_noise=calibration_noise(probabilities_NC),
    )


MOST_VALUES = 8
"""Most values of a column that a message lists."""


@dataclass(frozen=True)
class ClipSelection:
    """Indices of the clips to evaluate, and a description of the selection."""

    clips: list[int]
    description: str


def select_clips(
    clips: Sequence[Clip],
    trained: TrainedModel,
    *,
    against: TrainedModel | None = None,
    part: str | None = None,
    split_column: str | None = None,
) -> ClipSelection:
    """Select the clips to evaluate; see `core.training.evaluation.evaluate.evaluate` for the arguments.

    Raises:
        UserError: no clip is left, or the column or part does not exist.
    """
    everything = range(len(clips))
    parts = trained.dataset.parts_of(clips)
    others = [None] * len(clips) if against is None else against.dataset.parts_of(clips)
    if split_column is not None:
        values = column_values(clips, split_column)
        wanted = part if part is not None else "test"
        chosen = [i for i in everything if values[i] == wanted]
        if not chosen:
            raise UserError(
                f"No clip has {wanted!r} in the column {split_column!r}: name one of its values with --part; it holds "
                f"{_most_frequent(values)}."
            )
        leak = _leak([parts[i] for i in chosen], [others[i] for i in chosen])
        return ClipSelection(chosen, f"{wanted} of the column {split_column}{leak}")
    if part == "all":
        return ClipSelection(list(everything), f"all clips{_leak(parts, others)}")
    if part is not None and part not in PARTS:
        raise UserError(
            f"The dataset has no part {part!r}: choose {', '.join(PARTS)} or all, or name a column that has it."
        )
    if part is not None:
        chosen = [i for i in everything if parts[i] == part]
        if not chosen:
            raise UserError(f"None of these clips was in the {part} part of the model's training.")
        # For the model's own part only the other model's training needs a warning.
        leak = _leak([], [others[i] for i in chosen])
        return ClipSelection(chosen, f"the {part} part of the model's own {trained.recipe.split.describe()}{leak}")
    chosen = [i for i in everything if parts[i] not in LEARNT and others[i] not in LEARNT]
    who = "the model" if against is None else "one model or the other"
    if not chosen:
        raise UserError(
            f"{who.capitalize()} was trained on or selected by every one of these clips: use --part all to evaluate on "
            "them anyway."
        )
    known = len(clips) - len(chosen)
    left_out = f" ({known} that {who} was trained on or selected by are left out)" if known else ""
    return ClipSelection(chosen, f"held-out clips{left_out}")


def _most_frequent(values: Sequence[str]) -> str:
    """The most frequent values with their numbers of clips, and the number of further values."""
    counted = Counter(values).most_common()
    named = ", ".join(f"{value or '(empty)'} ({count})" for value, count in counted[:MOST_VALUES])
    return f"{named}, … and {len(counted) - MOST_VALUES:,} more" if len(counted) > MOST_VALUES else named


def _leak(own: Iterable[str | None], others: Iterable[str | None] = ()) -> str:
    """A warning that says how many of the clips the models were trained on or selected by; "" for none."""
    counts = {"the model": sum(part in LEARNT for part in own), "the other model": sum(p in LEARNT for p in others)}
    knew = [f"{who} was trained on or selected by {count} of them" for who, count in counts.items() if count]
    return f" ({', '.join(knew)}: not a measure of accuracy)" if knew else ""
