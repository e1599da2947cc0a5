"""Finding the model to use: one that is named, the one chosen for a runs folder, or the bundled one. Imports no torch.

The model of the newest run is not used automatically, because that run may have failed or been a test. `choose_model`
stores the choice for each runs folder in the user's state folder.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec

from core.runs.directory import Choice, choice_file, find, list_runs, read_choice, write_choice
from core.runs.folder import RunFolder, RunReader
from core.runs.summary import QUIET, RunWatcher, Summary
from core.util.errors import UserError, explained
from core.util.files import read_json
from core.util.text import printable

DEFAULT = "default"
"""The name of the bundled model."""
MODEL_SUFFIXES = (".pth", ".onnx")
BUNDLED = "bundled; genre-tui use RUN chooses another"


class ModelChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A model that can be chosen, and facts about it. Accuracies are fractions of the test clips."""

    name: str
    path: Path
    network: str = ""
    dataset: str = ""
    genres: int | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    """95% interval of the accuracy."""
    date: float | None = None
    """Start of its run in Unix seconds."""
    caveats: tuple[str, ...] = ()
    """Reasons not to rely on it: synthetic data, a failed run, a single epoch."""


class ModelInUse(NamedTuple):
    """The model to use, and why."""

    path: Path
    reason: str


class _Report(msgspec.Struct):
    """The parts of a run's report.json that describe its model."""

    genres: list[str] = []
    part: str = ""
    accuracy: float | None = None
    interval: tuple[float, float] | None = None


def find_model(name: str | None, runs_dir: Path) -> Path:
    """The model called ``name`` (a model file, a run, or ``default``); without a name, the one in use.

    Raises:
        UserError: the model does not exist, or there is no model at all.
    """
    if not name:
        return model_in_use(runs_dir).path
    if name == DEFAULT:
        bundled = default_model()
        if bundled is None:
            raise UserError("this installation comes without a bundled model; name a run or a file with --model")
        return bundled
    path = Path(name)
    if path.is_file():
        return path
    if path.exists() and not path.is_dir():
        raise UserError(f"{printable(name)} is not a regular file")
    is_path = "/" in name or path.suffix in MODEL_SUFFIXES
    if is_path and not path.exists() and not (runs_dir / name).exists():
        raise UserError(f"{printable(name)} does not exist")
    if path.suffix in MODEL_SUFFIXES and path.is_dir() and not RunFolder(path).exists():
        raise UserError(f"{printable(name)} is a folder, not a model file")
    return _model_of(find(runs_dir, name))


def resolve_model(name: str | None, runs_dir: Path) -> ModelInUse:
    """As `find_model`, with the reason and caveats as text.

    Raises:
        UserError: the model does not exist, or there is no model at all.
    """
    if not name:
        return model_in_use(runs_dir)
    path = find_model(name, runs_dir)
    return ModelInUse(path, "; ".join(("bundled" if path == default_model() else str(path), *caveats_of(path))))


def model_in_use(runs_dir: Path) -> ModelInUse:
    """The model chosen for ``runs_dir``, or else the bundled one.

    Raises:
        UserError: there is neither.
    """
    reason = BUNDLED
    if (choice := read_choice(runs_dir)) is not None:
        path = RunFolder(runs_dir / choice.run).best_model_path if choice.run else Path(choice.file)
        if path.is_file():
            return ModelInUse(path, "; ".join(("chosen with genre-tui use", *caveats_of(path))))
        reason = f"bundled; the chosen model {choice.run or path} no longer exists"
    if (bundled := default_model()) is not None:
        return ModelInUse(bundled, reason)
    raise UserError(
        "there is no model yet: this installation comes without one and no run is chosen; train one with: genre-tui "
        "train FOLDER, choose it with: genre-tui use RUN, or name one with --model"
    )


def choose_model(name: str, runs_dir: Path) -> ModelInUse:
    """Choose ``name`` (a run, a model file, or ``default``) as the model in use for ``runs_dir``.

    Raises:
        UserError: the model does not exist, or the choice cannot be stored.
    """
    path = find_model(name, runs_dir).absolute()
    is_run = path.parent.parent.resolve() == runs_dir.resolve() and path.name == "best_model.pth"
    choice = Choice(run=path.parent.name) if is_run else Choice(file=str(path))
    with explained(f"the choice cannot be stored in {choice_file(runs_dir)}"):
        write_choice(runs_dir, None if path == default_model() else choice)
    return model_in_use(runs_dir)


def list_models(runs_dir: Path) -> list[ModelChoice]:
    """The bundled model, then the best model of each run, the newest run first."""
    choices = [_of_run(run) for run in list_runs(runs_dir) if run.best_model_path.is_file()]
    choices.sort(key=lambda choice: (choice.date or 0.0, choice.name), reverse=True)
    bundled = default_model()
    return [_bundled(bundled), *choices] if bundled else choices


def caveats_of(model: Path) -> tuple[str, ...]:
    """Caveats about the model of a run; empty for other model files."""
    run = RunFolder(model.parent)
    return _of_run(run).caveats if model.name == "best_model.pth" and run.exists() else ()


def default_model() -> Path | None:
    """The bundled model file, if there is one."""
    return next(iter(sorted(Path(__file__).parent.glob("default_model.*"))), None)


def _model_of(run: RunFolder) -> Path:
    if not run.best_model_path.is_file():
        raise UserError(f"the run {run.name} has no best model yet ({run.best_model_path} does not exist)")
    return run.best_model_path


def _bundled(path: Path) -> ModelChoice:
    """The bundled model with the figures of model_card.md (cross-validation with folds grouped by artist)."""
    return ModelChoice(
        name=DEFAULT,
        path=path,
        network="ensemble_cnn",
        dataset="GTZAN",
        genres=10,
        accuracy=0.761,
        interval=(0.703, 0.818),
    )


def _of_run(run: RunFolder) -> ModelChoice:
    summary = RunWatcher(run).summary()
    report = _read_report(run)
    genres = report.genres or _genres_of(run)
    tested = report.part == "test" and report.accuracy is not None
    return ModelChoice(
        name=run.name,
        path=run.best_model_path,
        network=summary.model,
        dataset=summary.dataset,
        genres=len(genres) or None,
        accuracy=report.accuracy if tested else summary.test_accuracy,
        interval=report.interval if tested else None,
        date=summary.started,
        caveats=_caveats(summary, genres),
    )


def _caveats(summary: Summary, genres: list[str]) -> tuple[str, ...]:
    from core.dataset.synthetic import STYLES  # imports NumPy and a decoder

    found = []
    if genres and STYLES.keys() >= set(genres):
        found.append("trained on synthetic sounds")
    if summary.state in ("failed", "lost"):
        found.append(f"its run {'failed' if summary.state == 'failed' else 'was lost'}")
    elif summary.state in ("running", "paused"):
        found.append("still training")
    if summary.epochs_done <= 1 and summary.started is not None and summary.epochs:
        found.append("trained for one epoch" if summary.epochs_done else "trained for less than an epoch")
    return tuple(found)


def _read_report(run: RunFolder) -> _Report:
    return read_json(run.report_json_path, _Report) or _Report()


def _genres_of(run: RunFolder) -> list[str]:
    """The genres from the journal, for a run without a report."""
    reader = RunReader(run, skip=QUIET - {"dataset_scanned"})
    reader.poll()
    return reader.state.genres
