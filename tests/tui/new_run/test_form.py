"""The New run form: texts to a recipe and to a command, or a sentence about the field that is wrong."""

import argparse
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.dataset.settings import SplitSettings, own_split
from core.runs.notices import NotifyRules, Webhook
from core.training.fields import Field, decode_value, encode_value, recipe_fields, value_of
from core.training.presets import PRESETS, preset
from core.training.recipe import Recipe, to_dict
from tests.support.encoders import install_random_musicnn
from tui.commands.parser import build_parser
from tui.commands.runs.train import recipe_from
from tui.new_run.command import suited
from tui.new_run.form import FieldError, RecipeForm
from tui.new_run.notifications import Notifications, rules_from
from tui.shell.settings import NewRunSettings, Settings
from tui.widgets.fields import complete_encoder


def form_for(folder: Path, **chosen: object) -> RecipeForm:
    return RecipeForm.initial(NewRunSettings(**chosen), str(folder))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
def test_an_untouched_form_is_the_preset(name: str, tmp_path: Path) -> None:
    form = form_for(tmp_path, preset=name)
    assert form.recipe() == preset(name, str(tmp_path))
    assert not any(form.is_changed(field) for field in recipe_fields() if field not in ("data", "preset"))


def test_settings_come_before_the_preset(tmp_path: Path) -> None:
    form = form_for(tmp_path, preset="seed", epochs=3, batch_size=8, seed=7, device="cpu")
    recipe = form.recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.seed, recipe.device) == (3, 8, 7, "cpu")
    assert recipe.model == "seed_cnn"
    assert form.is_changed("epochs")


def test_what_is_typed_is_what_is_trained(tmp_path: Path) -> None:
    form = form_for(tmp_path)
    for name, text in {
        "epochs": " 5 ",
        "batch_size": "32",
        "optimiser.learning_rate": "3e-4",
        "model": "seed_cnn",
        "optimiser.schedule": "constant",
        "augmentation.noise_snr": "5, 20",
        "crop_seconds": "none",
        "excerpts": "middle",
        "model_options": "dropout=0.5",
        "spectrograms": "no",
    }.items():
        form = form.with_text(name, text)
    recipe = form.recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.model) == (5, 32, "seed_cnn")
    assert (recipe.optimiser.learning_rate, recipe.optimiser.schedule) == (3e-4, "constant")
    assert (recipe.augmentation.noise_snr, recipe.crop_seconds, recipe.excerpts) == ((5.0, 20.0), None, "middle")
    assert (recipe.model_options, recipe.spectrograms) == ({"dropout": 0.5}, False)
    assert recipe.optimiser.name == preset("quick", "").optimiser.name


def test_another_preset_keeps_what_was_typed(tmp_path: Path) -> None:
    form = form_for(tmp_path, preset="quick").with_text("epochs", "7").with_text("preset", "best")
    assert (form.recipe().epochs, form.recipe().model) == (7, "ensemble_cnn")
    assert form.reset("epochs").recipe() == preset("best", str(tmp_path))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("epochs", "0"),
        ("epochs", "many"),
        ("epochs", ""),
        ("epochs", "1000001"),
        ("epochs", "9" * 5000),
        ("batch_size", "1.5"),
        ("optimiser.learning_rate", "fast"),
        ("optimiser.learning_rate", "0"),
        ("optimiser.learning_rate", "nan"),
        ("optimiser.warmup", "1"),
        ("augmentation.noise_snr", "40, 10"),
        ("augmentation.noise_snr", "40"),
        ("augmentation.mixup", "2"),
        ("front_end.n_mels", "0"),
        ("crop_seconds", "31"),
        ("excerpts", "last"),
        ("excerpts", "0"),
        ("model_options", "dropout"),
        ("seed", "-1"),
        ("seed", str(2**63)),
        ("model", "no_such_model"),
        ("labels.source", "/no/such/table.csv"),
        ("labels.min_clips", "0"),
        ("data", ""),
        ("data", "/no/such/folder"),
    ],
)
def test_the_field_that_is_wrong_is_named(field: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(FieldError) as raised:
        form_for(tmp_path).with_text(field, text).recipe()
    assert raised.value.field == field
    assert str(raised.value).endswith(".")


def test_a_file_is_not_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "song.wav").touch()
    with pytest.raises(FieldError, match="is a file"):
        form_for(tmp_path / "song.wav").folder()


def test_every_field_is_described() -> None:
    assert [name for name, field in recipe_fields().items() if not field.about] == []


# The command

SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def texts_of(field: Field) -> st.SearchStrategy[str]:
    """Texts that a person may type into a field, valid or not."""
    if field.choices:
        return st.sampled_from(field.choices)
    options: list[st.SearchStrategy[str]] = [st.just("none")] if field.optional else []
    for kind in field.kinds:
        if kind is int:
            options.append(st.integers(1, 200).map(str))
        elif kind is float:
            options.append(st.floats(0.001, 0.9).map(repr))
        elif kind is str and not field.is_path:
            options.append(st.sampled_from(["artist", "auto", "1", "true", "null", "it's a column", "a=b"]))
    if field.name == "model":
        return st.sampled_from(["seed_cnn", "small_cnn", "crnn"])
    if field.name == "model_options":
        return st.sampled_from(["", "dropout=0.5", "a=1, b=true, c=wide"])
    if field.name == "augmentation.noise_snr":
        return st.sampled_from(["0, 10", "-3.5, 20"])
    return st.one_of(options) if options else st.nothing()


FREE = {name: texts for name, field in recipe_fields().items() if not (texts := texts_of(field)).is_empty}


@st.composite
def forms(draw: st.DrawFn) -> RecipeForm:
    form = RecipeForm("", draw(st.sampled_from(sorted(PRESETS))), {})
    for name in draw(st.lists(st.sampled_from(sorted(FREE)), max_size=8, unique=True)):
        if name not in ("data", "preset"):
            form = form.with_text(name, draw(FREE[name]))
    suits = draw(st.sampled_from([None, own_split(SplitSettings()), SplitSettings(protocol="grouped", groups="auto")]))
    return replace(form, dataset_split=suits, name=draw(st.sampled_from(["", "my run"])))


def recipe_of_command(words: list[str], suits: SplitSettings | None) -> tuple[Recipe, argparse.Namespace]:
    """What ``train`` makes of its command line, with the split that suits the dataset where it takes it."""
    args = build_parser(words[1:]).parse_args(words[1:])
    recipe = recipe_from(args, Path(args.data).absolute())
    asked = args.split_column or args.groups or any(setting.startswith("split.") for setting in args.settings)
    return recipe if asked else suited(recipe, suits), args


@given(forms())
@SETTINGS
def test_the_command_makes_the_same_recipe(tmp_path: Path, form: RecipeForm) -> None:
    form = replace(form, data=str(tmp_path))
    try:
        recipe = form.recipe()
    except FieldError:
        return
    again, args = recipe_of_command(form.command(), form.dataset_split)
    assert again == recipe
    assert args.name == (form.name or None)


@given(forms())
@SETTINGS
def test_a_cloned_run_has_the_same_recipe(tmp_path: Path, form: RecipeForm) -> None:
    try:
        recipe = replace(form, data=str(tmp_path)).recipe()
    except FieldError:
        return
    clone = RecipeForm.clone(to_dict(recipe))
    assert replace(clone, dataset_split=own_split(SplitSettings())).recipe() == clone.recipe() == recipe


def test_a_value_survives_its_text() -> None:
    for name in PRESETS:
        plain = to_dict(preset(name, "/music"))
        for field in recipe_fields().values():
            value = value_of(plain, field.name)
            again = field.parse(field.text(value))
            assert (list(again) if isinstance(again, tuple) else again) == (
                list(value) if isinstance(value, tuple | list) else value
            )
            assert decode_value(encode_value(value)) == (list(value) if isinstance(value, tuple) else value)


def test_a_head_on_an_encoder_has_a_command_and_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    install_random_musicnn(monkeypatch)
    form = form_for(tmp_path).with_text("encoder", "musicnn").with_text("epochs", "3")
    recipe = form.recipe()
    assert recipe.encoder is not None
    assert (recipe.model, recipe.encoder.name, recipe.epochs) == ("encoder_head", "musicnn", 3)
    assert recipe_of_command(form.command(), None)[0] == recipe
    assert RecipeForm.clone(to_dict(recipe)).recipe() == recipe


def test_an_encoder_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FieldError, match="musicnn") as raised:
        form_for(tmp_path).with_text("encoder", "musicnn").recipe()
    assert raised.value.field == "encoder"


def test_notifications_are_fields_with_options_of_train(tmp_path: Path) -> None:
    kept = Settings(webhook="https://ntfy.sh/mine", notify=NotifyRules(no_improvement=5))
    form = replace(form_for(tmp_path), notifications=Notifications(kept))
    assert form.command() == form_for(tmp_path).command()
    for name, text in {"webhook_format": "json", "notify.stopped": "no", "notify.best_above": "0.8"}.items():
        assert not form.is_changed(name)
        form = form.with_text(name, text)
        assert form.is_changed(name) and not form.mistake(name)
    rules = NotifyRules(no_improvement=5, stopped=False, best_above=0.8)
    assert form.notifications.webhook() == Webhook("https://ntfy.sh/mine", "json", rules)
    words = form.command()
    args = build_parser(words[1:]).parse_args(words[1:])
    assert kept.webhook_for(args.webhook, args.webhook_format, rules_from(args.notify, kept.notify)) == (
        form.notifications.webhook()
    )
    assert form.changed("notify") == 3
    assert form.reset("notify.stopped").text("notify.stopped") == "yes"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("notify.best_above", "80"),
        ("notify.no_improvement", "-1"),
        ("notify.no_improvement", "x"),
        ("webhook", "ftp:x"),
    ],
)
def test_a_wrong_notification_is_named(field: str, text: str, tmp_path: Path) -> None:
    form = form_for(tmp_path).with_text("webhook", "http://localhost/x").with_text(field, text)
    assert form.mistake(field).endswith(".")
    with pytest.raises(FieldError) as raised:
        form.command()
    assert raised.value.field == field


def test_rules_without_an_address_ask_for_one(tmp_path: Path) -> None:
    assert "enter the address" in form_for(tmp_path).with_text("notify.stopped", "no").mistake("webhook")


@pytest.mark.parametrize("option", ["moon=true", "best_above=80", "finished=maybe", "finished"])
def test_a_wrong_rule_of_the_command_is_a_sentence(option: str) -> None:
    with pytest.raises(ValueError, match=option.partition("=")[0]):
        rules_from([option], NotifyRules())


def test_an_encoder_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    installed = tmp_path / "cache" / "encoders" / "owner" / "network"
    installed.mkdir(parents=True)
    (installed / "model.safetensors").touch()
    assert complete_encoder("mu").text == "musicnn"
    assert complete_encoder("ow").text == "owner/network"
    assert complete_encoder("").candidates == ("none", "musicnn", "ast", "maest", "owner/network")
    assert complete_encoder(f"{tmp_path}/ca").text == f"{tmp_path}/cache/"


def test_an_archive_is_a_dataset_and_another_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "music.rar").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "music.zip", "w") as archive:
        archive.writestr("rock/a.wav", b"x")
    assert RecipeForm(str(tmp_path / "music.zip"), "quick", {}).folder() == tmp_path / "music.zip"
    with pytest.raises(FieldError, match="choose the folder or the archive"):
        RecipeForm(str(tmp_path / "music.rar"), "quick", {}).folder()


@pytest.mark.parametrize("field", ["data", "labels.source", "labels.map", "encoder"])
@pytest.mark.parametrize("text", ["~nosuchuser/x", "x" * 300, "/" + "x" * 300, "a\0b"])
def test_a_text_that_is_not_a_path_is_refused_in_a_sentence(field: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(FieldError) as raised:
        form_for(tmp_path).with_text(field, text).recipe()
    assert raised.value.field == field
