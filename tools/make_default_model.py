"""Makes the model that comes with the program, and its card: cross-validate, calibrate, train on everything, save.

    python tools/make_default_model.py PACK                        → core/inference/default_model.pth, model_card.md
    python tools/make_default_model.py PACK --only split=train --out train_only.pth

Temperature and thresholds are fitted to predictions for clips by networks of the same recipe that were trained without
the artists of these clips; the figures on the card are those of the same predictions. With ``--only COLUMN=VALUE`` the
other clips are not used at all, so that the model can be evaluated on them.
"""

import argparse
import sys
import textwrap
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec
import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.dataset.split import Split, column_values
from core.dataset.store.feature_set import FeatureSet
from core.reports.metrics import classification_report
from core.training.checkpoint import ModelCheckpoint, training_set, write_model
from core.training.evaluation.crossval import (
    FoldResult,
    cross_validate,
    grouped_folds,
    groups_of,
    load,
    train_all_epochs,
)
from core.training.evaluation.significance import interval_of_groups
from core.training.loop.evaluation import Evaluation, calibrate, calibration_error, calibration_noise, fit_temperature
from core.training.loop.train_state import weights_of
from core.training.presets import preset
from core.training.recipe import Recipe
from core.training.run.final_report import ood_thresholds
from core.util.errors import UserError

HERE = Path(__file__).resolve().parents[1] / "core" / "inference"
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", help="a feature pack whose index has a column artist")
    parser.add_argument("--only", metavar="COLUMN=VALUE", help="leave all other clips alone")
    parser.add_argument("--out", type=Path, default=HERE / "default_model.pth")
    parser.add_argument("--card", type=Path, help="where the model card goes (beside the shipped model)")
    try:
        make(parser.parse_args())
    except UserError as error:
        sys.exit(f"{parser.prog}: {error}")


def make(args: argparse.Namespace) -> None:
    """
    Raises:
        UserError: the pack cannot be used, no clip is as ``--only`` says, or there is no folder to write into.
    """
    for path in filter(None, (args.out, args.card)):
        if not path.absolute().parent.is_dir():
            raise UserError(f"There is no folder {path.absolute().parent} to write {path.name} into.")
    features, recipe = load(args.pack, preset("best", args.pack))
    clips = features.clips
    usable = _without_copies(clips, _chosen(clips, args.only))
    rounds = grouped_folds([clips[i] for i in usable], FOLDS, "artist")
    outcomes = []
    for outcome in cross_validate(recipe, features, [_renumbered(one, usable) for one in rounds]):
        outcomes.append(outcome)
        print(f"{outcome.fold.name}: {outcome.evaluation.accuracy:.1%}", file=sys.stderr, flush=True)
    held_out = _joined([outcome.evaluation for outcome in outcomes])
    calibration: dict[str, Any] = calibrate(held_out)
    last = outcomes[-1].fold
    calibration |= ood_thresholds(
        held_out, calibration["temperature"], features, torch.tensor(last.train), torch.tensor(last.test)
    )
    learner = train_all_epochs(recipe, features, torch.tensor(usable))
    model = ModelCheckpoint(
        weights=_smaller(weights_of(learner.eval_model)),
        recipe=msgspec.structs.replace(learner.recipe, data="gtzan-logmel"),
        genres=features.genres,
        calibration=calibration,
        epoch=learner.progress.epoch,
        val_accuracy=held_out.accuracy,
        dataset=training_set("GTZAN, 709 clips", "gtzan-logmel.npz", clips, Split(usable, [], [])),
    )
    write_model(args.out, model)
    card = args.card or (args.out.with_name("model_card.md") if args.out.parent == HERE else None)
    if card is not None:
        card.write_text(model_card(learner.recipe, features, usable, outcomes, learner.model), encoding="utf-8")


def _smaller(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """With the experts' remembered clips in half precision, which halves the file; loading makes them float32 again."""
    remembered = ("experts.clips", "experts.clip_weight")
    return {name: weight.half() if name in remembered else weight for name, weight in weights.items()}


def _chosen(clips: list[Clip], only: str | None) -> list[int]:
    """The clips with the column's value in ``COLUMN=VALUE``; all of them for None.

    Raises:
        UserError: no clip has it.
    """
    if only is None:
        return list(range(len(clips)))
    column, equals, wanted = only.partition("=")
    if not equals:
        raise UserError(f"--only takes COLUMN=VALUE, not {only!r}.")
    values = column_values(clips, column)
    if wanted not in values:
        has = ", ".join(f"{value or '(empty)'} ({count})" for value, count in Counter(values).most_common(8))
        raise UserError(f"No clip has {wanted!r} in the column {column}: it has {has}.")
    return [i for i, value in enumerate(values) if value == wanted]


def _without_copies(clips: list[Clip], chosen: list[int]) -> list[int]:
    """The first clip of every recording."""
    seen: set[str] = set()
    kept = []
    for i in chosen:
        keys = {clips[i].content, *filter(None, [clips[i].group])}
        if seen.isdisjoint(keys):
            kept.append(i)
        seen |= keys
    return kept


def _renumbered(one: Any, usable: list[int]) -> Any:
    """A round over the usable clips as one over all clips."""
    from dataclasses import replace

    return replace(one, train=[usable[i] for i in one.train], test=[usable[i] for i in one.test])


def _joined(evaluations: list[Evaluation]) -> Evaluation:
    return Evaluation(torch.cat([e.logits for e in evaluations]), torch.cat([e.labels for e in evaluations]))


def honest_probabilities(outcomes: list[FoldResult]) -> Tensor:
    """[N, C], with each fold's temperature fitted to the other folds."""
    probabilities: list[Tensor] = []
    for k, outcome in enumerate(outcomes):
        others = _joined([other.evaluation for n, other in enumerate(outcomes) if n != k])
        probabilities.append(outcome.evaluation.probabilities(fit_temperature(others.logits, others.labels)))
    return torch.cat(probabilities)


def model_card(
    recipe: Recipe, features: FeatureSet, usable: list[int], outcomes: list[FoldResult], model: torch.nn.Module
) -> str:
    held_out = _joined([outcome.evaluation for outcome in outcomes])
    accuracies = [outcome.evaluation.accuracy for outcome in outcomes]
    measured = [features.clips[i] for outcome in outcomes for i in outcome.fold.test]
    right = (held_out.predictions == held_out.labels).tolist()
    interval = interval_of_groups(right, groups_of(measured, "artist"))
    assert interval is not None
    probabilities_NC = honest_probabilities(outcomes)
    off = calibration_error(probabilities_NC, held_out.labels)
    report = classification_report(held_out.labels.tolist(), held_out.predictions.tolist(), features.genres)
    confusion, genres = held_out.confusion, features.genres
    mistakes = sorted(
        (
            (int(confusion[a, b]), genres[a], genres[b])
            for a in range(len(genres))
            for b in range(len(genres))
            if a != b
        ),
        reverse=True,
    )[:10]
    rows = "\n".join(
        f"| {genre} | {int(confusion[k].sum())} | {report.table[genre]['recall']:.0%} | "
        f"{report.table[genre]['precision']:.0%} |"
        for k, genre in enumerate(genres)
    )
    taken = "\n".join(f"| {a} | {b} | {count} |" for count, a, b in mistakes)
    s = recipe.front_end
    fitted = sum(
        tensor.numel() for name, tensor in model.state_dict().items() if name.startswith(("expert.", "experts."))
    )
    return _wrapped(f"""# The bundled model

Made by `python tools/make_default_model.py PACK` from the preset `{recipe.preset}`; every figure below comes from that
run.

**Model.** `{recipe.model}`: {sum(p.numel() for p in model.parameters()):,} parameters trained for {recipe.epochs}
epochs on windows of {recipe.crop_seconds:g} s, seed {recipe.seed}; and {fitted:,}
numbers of experts over window statistics, fitted in closed form to windows of {recipe.fit_seconds:.1f} s.
Front end: {s.sample_rate:,} Hz, windows of {s.n_fft:,} samples every {s.hop_length:,}, {s.n_mels} {s.mel_scale} mel
bands, {s.top_db:g} dB. The level of the sound has no influence.

**Genres.** {", ".join(genres)}.

**Data.** {len(usable)} clips of 30 s of the GTZAN collection (Tzanetakis & Cook 2002), as log-mel spectrograms; exact
copies of a recording were left out. GTZAN dates from around 2000, has few artists per genre, and contains wrong labels
(Sturm 2013). The model inherits these limitations.

**Accuracy.** Cross-validation with {len(outcomes)} folds grouped by artist, each clip classified by a network that was
not trained on its artist: **{held_out.accuracy:.1%}** of {len(held_out.labels)} clips, 95% interval
{interval.low:.1%} to {interval.high:.1%} (whole artists, resampled); folds
{", ".join(f"{a:.1%}" for a in accuracies)} (mean {mean(accuracies):.1%}). Macro F1 {report.macro_f1:.3f}. The bundled
model was then trained on all of these clips, so evaluate it on music of your own.

**Calibration.** One temperature, fitted to the held-out predictions of that cross-validation. Expected calibration
error (15 bins) with each fold's temperature fitted to the other folds: {off:.1%}; a perfectly calibrated model would
show {calibration_noise(probabilities_NC):.1%} on as many clips.

| genre | clips | recall | precision |
|---|---|---|---|
{rows}

The most frequent errors:

| true genre | predicted as | clips |
|---|---|---|
{taken}

**Not suitable** for assessing people or works, or for music far from these ten genres and their time. It predicts one
of ten genres for any sound; take "uncertain" seriously.

**Licence.** The weights are the project's own work, under its licence. GTZAN has no licence that permits
redistribution; the model contains no recording and no spectrogram of it. It stores about a thousand statistics of each
clip, from which the sound cannot be restored.
""")


def _wrapped(markdown: str) -> str:
    """With paragraphs in lines of the usual width; tables keep their lines."""
    blocks = markdown.rstrip().split("\n\n")
    return "\n\n".join(block if block.startswith("|") else textwrap.fill(block, 120) for block in blocks) + "\n"


if __name__ == "__main__":
    main()
