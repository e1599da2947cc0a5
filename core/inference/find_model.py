"""Which model file is meant. Imports no torch."""

from pathlib import Path
from typing import NamedTuple

from core.runs.directory import find, list_runs
from core.util.errors import UserError

DEFAULT = "default"
"""What the model that comes with the program is called."""


class ModelChoice(NamedTuple):
    """A model that can be chosen."""

    name: str
    path: Path


def find_model(name: str | None, runs_dir: Path) -> Path:
    """The model that ``name`` means: a model file, a run, or ``default``.

    Without a name, the newest best model of a run, else the one that comes with the program.

    Raises:
        UserError: there is no such model, or none at all.
    """
    if not name:
        choices = list_models(runs_dir)
        if not choices:
            raise UserError(
                f"there is no model yet: no run in {runs_dir} has a best_model.pth; train one with: genre-tui train "
                "FOLDER, or name one with --model"
            )
        return choices[0].path
    if name == DEFAULT:
        shipped = default_model()
        if shipped is None:
            raise UserError("this installation comes without a default model; name a run or a file with --model")
        return shipped
    if Path(name).is_file():
        return Path(name)
    run = find(runs_dir, name)
    if not run.best_model_path.is_file():
        raise UserError(f"the run {run.name} has no best model yet ({run.best_model_path} is not there)")
    return run.best_model_path


def list_models(runs_dir: Path) -> list[ModelChoice]:
    """The best models of all runs, the newest first, then the one that comes with the program."""
    choices = [
        ModelChoice(run.name, run.best_model_path) for run in list_runs(runs_dir) if run.best_model_path.is_file()
    ]
    choices.sort(key=lambda choice: choice.path.stat().st_mtime_ns, reverse=True)
    shipped = default_model()
    return [*choices, ModelChoice(DEFAULT, shipped)] if shipped else choices


def default_model() -> Path | None:
    """The model file that comes with the program, if one does."""
    return next(iter(sorted(Path(__file__).parent.glob("default_model.*"))), None)
