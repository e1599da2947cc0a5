"""Recipes that cannot be trained are refused when they are made; small datasets get more crops."""

import math
from typing import Any

import pytest
import torch

from core.features.settings import FrontEndSettings
from core.models.registry import MODEL_NAMES, build_model
from core.training.recipe import Recipe


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"patience": 0}, "patience must be at least 1"),
        ({"crop_seconds": 0.3}, "crop_seconds must be at least 0.372, 16 frames"),
        ({"crop_seconds": math.nan}, "crop_seconds must be above 0"),
        ({"front_end": FrontEndSettings(seconds=0.3)}, "front_end.seconds must be at least 0.372"),
        ({"crops_per_epoch": -1}, "crops_per_epoch must be at least 0, not -1"),
        ({"fit_seconds": math.nan}, "fit_seconds must be a number above 0"),
        ({"fit_seconds": math.inf}, "fit_seconds must be a number above 0"),
        ({"model_options": {"dropout": math.nan}}, "model_options.dropout must be a number"),
        *[({"model_options": {name: 4}}, f"cannot have {name}") for name in ("name", "n_mels", "genres", "frames")],
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Recipe(data="data", **changes)


def test_the_shortest_crop_that_a_recipe_takes_can_be_trained_on() -> None:
    recipe = Recipe(data="data", crop_seconds=16 * 512 / 22_050)
    assert recipe.input_frames == 16
    for name in MODEL_NAMES:
        model = build_model(name, n_mels=128, genres=2, frames=recipe.input_frames)
        assert model(torch.randn(2, 128, 16)).isfinite().all()


def test_a_small_dataset_has_as_many_crops_in_an_epoch_as_a_larger_one() -> None:
    recipe = Recipe(data="data", crops_per_clip=3, crops_per_epoch=1000)
    crops = {clips: clips * recipe.crops_of_each(clips) for clips in (1, 7, 100, 333, 334, 2000)}
    assert crops == {1: 1000, 7: 1001, 100: 1000, 333: 1332, 334: 1002, 2000: 6000}
    assert Recipe(data="data", crops_per_clip=3).crops_of_each(1) == 3
