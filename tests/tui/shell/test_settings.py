"""The settings file: what it may say, what it must not, and the template that documents it."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from tui.app import all_bindings
from tui.cli import main
from tui.shell.keymap import check_keys
from tui.shell.settings import NewRunSettings, Settings, SettingsError, read_settings, settings_file, template


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return read_settings(path)


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "config.toml") == Settings()


def test_what_is_written_holds(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        'theme = "light"\nascii = true\nsmoothing = 0.6\n'
        '[new_run]\npreset = "seed"\nepochs = 5\n[keys]\n"app.help" = "h"',
    )
    assert settings.theme == "light"
    assert settings.ascii
    assert settings.smoothing == 0.6
    assert settings.new_run == NewRunSettings(preset="seed", epochs=5)
    assert settings.keys == {"app.help": "h"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("theme = ", "config.toml"),
        ("colour = 'red'", "colour"),
        ("ascii = 'yes'", "ascii"),
        ("sort = 'beauty'", "sort"),
        ("smoothing = 1.5", "smoothing"),
        ("webhook = 'ftp://x'", "webhook"),
        ("[new_run]\nepochs = 0", "epochs"),
        ("[new_run]\npreset = 'worst'", "worst"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, text)
    assert names in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "defaults" in str(raised.value)


def test_bytes_that_are_no_text_are_a_mistake_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError):
        read_settings(tmp_path / "config.toml")


def test_where_the_file_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert settings_file() == Path("/x/genre-tui/config.toml")


def test_the_template_names_every_setting_with_its_default() -> None:
    """Uncommented, it is the defaults: its texts and values cannot drift from the source."""
    text = template(all_bindings())
    bare = []
    for line in text.splitlines():
        stripped = line.removeprefix("# ")
        if line.startswith("[") or (line.startswith("# ") and _is_setting(stripped)):
            bare.append(stripped)
    plain = tomllib.loads("\n".join(bare))
    keys = plain.pop("keys")
    new_run = plain.pop("new_run")
    optional = {"epochs", "batch_size", "seed"}
    assert set(plain) == {field.name for field in msgspec.structs.fields(Settings)} - {"new_run", "keys"}
    assert set(new_run) | optional == {field.name for field in msgspec.structs.fields(NewRunSettings)}
    assert msgspec.convert(plain | {"new_run": new_run}, Settings) == Settings()
    assert keys == {name: key for name, (key, _) in all_bindings().items()}


def test_the_command_prints_the_template(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert capsys.readouterr().out == template(all_bindings())


def _is_setting(line: str) -> bool:
    try:
        return bool(tomllib.loads(line))
    except tomllib.TOMLDecodeError:
        return False


def test_every_binding_has_an_id_of_its_own_and_a_description() -> None:
    bindings = all_bindings()
    assert {"app.help", "app.leave", "mode.runs", "runs.stop", "new_run.start"} <= set(bindings)
    for name, (key, what) in bindings.items():
        assert key, name
        assert what, name


def test_the_keys_as_they_are_meet_nowhere() -> None:
    """A default key of a screen is no default key of the app."""
    everything = {name: key for name, (key, _) in all_bindings().items()}
    check_keys(everything, all_bindings())


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"runs.fly": "f"}, "runs.fly"),
        ({"runs.stop": "e"}, "runs.extend"),
        ({"runs.stop": "q"}, "app.leave"),
        ({"app.help": "s"}, "runs.stop"),
    ],
)
def test_a_key_map_that_cannot_be_is_refused(keys: dict[str, str], names: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_keys(keys, all_bindings())
    assert names in str(raised.value)


def test_keys_of_different_screens_may_be_the_same() -> None:
    check_keys({"runs.stop": "f9", "watch.stop": "f9"}, all_bindings())


def test_no_key_is_one_that_multiplexers_take() -> None:
    for name, (key, _) in all_bindings().items():
        assert not {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+j", "ctrl+o"} & set(key.split(",")), name
