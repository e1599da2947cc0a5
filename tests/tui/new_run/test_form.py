"""The New run form: texts to a recipe, or a sentence about the field that is amiss."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.training.presets import PRESETS, preset
from tui.new_run.form import FieldError, RecipeForm
from tui.shell.settings import NewRunSettings


@pytest.mark.parametrize("name", PRESETS)
def test_an_untouched_form_is_the_preset(name: str, tmp_path: Path) -> None:
    form = RecipeForm.initial(NewRunSettings(preset=name), str(tmp_path))
    assert form.recipe() == preset(name, str(tmp_path))


def test_settings_come_before_the_preset(tmp_path: Path) -> None:
    settings = NewRunSettings(preset="seed", epochs=3, batch_size=8, seed=7, device="cpu")
    recipe = RecipeForm.initial(settings, str(tmp_path)).recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.seed, recipe.device) == (3, 8, 7, "cpu")
    assert recipe.model == "seed_cnn"


def test_what_is_typed_is_what_is_trained(tmp_path: Path) -> None:
    form = RecipeForm.initial(NewRunSettings(), str(tmp_path))
    recipe = replace(form, epochs=" 5 ", batch_size="32", learning_rate="3e-4", seed="1", model="seed_cnn").recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.seed, recipe.model) == (5, 32, 1, "seed_cnn")
    assert recipe.optimiser.learning_rate == 3e-4
    assert recipe.optimiser.name == preset("quick", "").optimiser.name


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("epochs", "0"),
        ("epochs", "many"),
        ("epochs", ""),
        ("epochs", "1000001"),
        ("epochs", "9" * 5000),
        ("batch_size", "1.5"),
        ("learning_rate", "fast"),
        ("learning_rate", "0"),
        ("learning_rate", "nan"),
        ("learning_rate", "1e9"),
        ("seed", "-1"),
        ("seed", str(2**63)),
        ("model", "no_such_model"),
        ("data", ""),
        ("data", "/no/such/folder"),
    ],
)
def test_the_field_that_is_amiss_is_named(field: str, text: str, tmp_path: Path) -> None:
    form = replace(RecipeForm.initial(NewRunSettings(), str(tmp_path)), **{field: text})
    with pytest.raises(FieldError) as raised:
        form.recipe()
    assert raised.value.field == field
    assert str(raised.value).endswith(".")


def test_a_file_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "song.wav").touch()
    with pytest.raises(FieldError, match="is a file"):
        RecipeForm.initial(NewRunSettings(), str(tmp_path / "song.wav")).folder()
