"""The settings file: what it may say, what it must not, and the template that documents it."""

import os
import tomllib
from pathlib import Path

import msgspec
import pytest

from core.runs.notices import NotifyRules
from tui.app import all_bindings
from tui.cli import main
from tui.shell.settings import NewRunSettings, Settings, SettingsError, read_settings, settings_file, template


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "config.toml") == (Settings(), [])


def test_what_is_written_is_in_effect(tmp_path: Path) -> None:
    settings, mistakes = read_settings(
        write(
            tmp_path,
            'theme = "light"\nascii = true\nsmoothing = 0.6\n'
            '[new_run]\npreset = "seed"\nepochs = 5\n[keys]\n"app.help" = "h"',
        )
    )
    assert not mistakes
    assert settings.theme == "light"
    assert settings.ascii
    assert settings.smoothing == 0.6
    assert settings.new_run == NewRunSettings(preset="seed", epochs=5)
    assert settings.keys == {"app.help": "h"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("colour = 'red'", "colour"),
        ("ascii = 'yes'", "ascii"),
        ("sort = 3", "sort"),
        ("smoothing = 1.5", "smoothing"),
        ("smoothing = nan", "smoothing"),
        ("webhook = 'ftp://x'", "webhook"),
        ("webhook = 'https://ntfy.sh/'", "no topic"),
        ("[notify]\nbest_above = 80", "notify.best_above"),
        ("[notify]\nmoon = true", "notify.moon"),
        ("new_run = 3", "new_run"),
        ("[new_run]\nepochs = 0", "new_run.epochs"),
        ("[new_run]\nbrightness = 0", "new_run.brightness"),
        ("[new_run]\npreset = 'worst'", "worst"),
    ],
)
def test_a_mistake_is_one_sentence_and_spoils_nothing_else(tmp_path: Path, text: str, names: str) -> None:
    settings, mistakes = read_settings(write(tmp_path, f"bell = true\n{text}"))
    assert len(mistakes) == 1
    assert names in mistakes[0] and "\n" not in mistakes[0]
    assert settings == Settings(bell=True)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"theme = ", b"a = " + b"[" * 100_000, b"#" * 2_000_000])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        read_settings(path)
    assert "config.toml" in str(raised.value) and "\n" not in str(raised.value)


def test_a_fifo_or_a_folder_in_its_place_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(SettingsError):
            read_settings(path)


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
    new_run, notify = plain.pop("new_run"), plain.pop("notify")
    optional = {"epochs", "batch_size", "seed"}
    assert set(plain) == {field.name for field in msgspec.structs.fields(Settings)} - {"new_run", "notify", "keys"}
    assert set(new_run) | optional == {field.name for field in msgspec.structs.fields(NewRunSettings)}
    assert msgspec.convert(plain | {"new_run": new_run, "notify": notify}, Settings) == Settings()
    assert set(notify) == set(NotifyRules.__struct_fields__)
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


def test_no_key_is_one_that_multiplexers_take() -> None:
    for name, (key, _) in all_bindings().items():
        assert not {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+j", "ctrl+o"} & set(key.split(",")), name
