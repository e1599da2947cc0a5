"""Checking whether a run can resume before its trainer starts, so that a finished run stays finished if it cannot."""

from core.dataset.clip import searched_seconds
from core.dataset.scan import scan
from core.models.encoders.load import encoder_settings
from core.runs.folder import RunFolder
from core.training.run.split_file import SPLIT, first_split, read_split
from core.training.run.trainer import read_recipe
from core.util.errors import UserError


def check_resumable(run: RunFolder) -> None:
    """Scan the dataset of a run that has a last.pth, as its trainer would, without writing anything.

    Raises:
        UserError: recipe, dataset, labels or encoder are no longer those that the run started with.
    """
    recipe = read_recipe(run)
    rows = read_split(run.path / SPLIT)
    seconds = searched_seconds(recipe.front_end.seconds, recipe.excerpts)
    clips = scan(recipe.data, labels=recipe.labels, seconds=seconds).clips
    split = first_split(clips, rows)
    if recipe.encoder is None:
        return
    try:
        encoder_settings(recipe.encoder.name)
    except UserError:
        from core.models.encoders.embeddings import count_missing  # imports torch

        used = [clips[i] for part in (split.train, split.valid, split.test) for i in part]
        if count_missing(used, recipe.encoder, recipe.front_end.seconds, recipe.excerpts):
            raise
