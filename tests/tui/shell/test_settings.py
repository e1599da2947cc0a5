"""The settings file: what it may say, what it must not, and the template that documents it."""

import json
import os
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.runs.notices import NotifyRules
from tui.app import all_bindings
from tui.cli import main
from tui.shell.settings import (
    NewRunSettings,
    Settings,
    SettingsError,
    WatchView,
    load_view,
    read_settings,
    run_view_file,
    save_view,
    settings_file,
    template,
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "config.toml") == (Settings(), [])


def test_what_is_written_is_in_effect(tmp_path: Path) -> None:
    read, mistakes = read_settings(
        write(
            tmp_path,
            'theme = "light"\nascii = true\nsmoothing = 0.6\n'
            '[new_run]\npreset = "seed"\nepochs = 5\n[keys]\n"app.help" = "h"',
        )
    )
    assert not mistakes
    assert read.theme == "light"
    assert read.ascii
    assert read.smoothing == 0.6
    assert read.new_run == NewRunSettings(preset="seed", epochs=5)
    assert read.keys == {"app.help": "h"}


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
    read, mistakes = read_settings(write(tmp_path, f"bell = true\n{text}"))
    assert len(mistakes) == 1
    assert names in mistakes[0] and "\n" not in mistakes[0]
    assert read == Settings(bell=True)


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


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
    st.lists(st.integers(0, 9), max_size=3),
)
NAMES = st.one_of(st.sampled_from([*Settings.__struct_fields__, "runs_folder", "colour"]), st.text("abc_-", min_size=1))
INNER = st.sampled_from(["finished", "best_above", "no_improvement", "preset", "epochs", "seed", "app.help", "x"])
TABLES = st.dictionaries(INNER, SCALARS, max_size=4)


@given(st.dictionaries(NAMES, st.one_of(SCALARS, TABLES), max_size=6))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_file_the_good_settings_hold(tmp_path: Path, plain: dict[str, object]) -> None:
    """Each value is either in effect or named in a sentence, and none spoils another."""
    plain = {name: value for name, value in plain.items() if name not in ("ascii", "webhook", "webhook_format")}
    lines = [f"{_toml(name)} = {_toml(value)}" for name, value in plain.items() if not isinstance(value, dict)]
    for name, table in plain.items():
        if isinstance(table, dict):
            lines += [
                f"[{_toml(name)}]",
                *(f"{_toml(key)} = {_toml(value)}" for key, value in table.items()),
            ]
    read, mistakes = read_settings(write(tmp_path, "\n".join(["ascii = true", *lines])))
    assert read.ascii
    for mistake in mistakes:
        assert "\n" not in mistake and mistake.endswith(".")
    for name, value in plain.items():
        is_in_effect = not isinstance(value, dict) and getattr(read, name, None) == value
        assert isinstance(value, dict) or is_in_effect or any(f": {name}" in mistake for mistake in mistakes)


def _toml(value: object) -> str:
    """JSON of scalars and lists is TOML too."""
    return json.dumps(value, ensure_ascii=False)


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def save(run: Path, view: WatchView) -> None:
    save_view(run_view_file(run), view)


def load(run: Path) -> WatchView:
    return load_view(run_view_file(run), WatchView())


def kept(folder: Path) -> Path:
    return next((folder / "genre-tui" / "views").iterdir())


def test_a_view_is_kept_for_its_own_run(tmp_path: Path) -> None:
    save(tmp_path / "a", WatchView(log_loss=True, smoothing=0.5))
    assert load(tmp_path / "a") == WatchView(log_loss=True, smoothing=0.5)
    assert load(tmp_path / "b") == WatchView()


def test_two_runs_of_the_same_name_have_their_own_views(tmp_path: Path) -> None:
    save(tmp_path / "x" / "run", WatchView(smoothing=0.1))
    save(tmp_path / "y" / "run", WatchView(smoothing=0.2))
    assert load(tmp_path / "x" / "run").smoothing == 0.1


def test_a_run_may_have_a_name_that_is_not_utf_8_or_very_long(tmp_path: Path) -> None:
    for name in (os.fsdecode(b"\xff\xfe"), "x" * 250):
        save(tmp_path / name, WatchView(steps=True))
        assert load(tmp_path / name).steps


@pytest.mark.parametrize(
    ("text", "view"),
    [
        (b'{"log_loss": true}', WatchView(log_loss=True)),
        (b'{"log_loss": true, "colour": "red"}', WatchView(log_loss=True)),
        (b'{"log_loss": "yes", "smoothing": 0.5}', WatchView(smoothing=0.5)),
        (b'{"smoothing": 2, "steps": true}', WatchView(steps=True)),
        (b'{"smoothing": ', WatchView()),
        (b"[1, 2]", WatchView()),
        (b"[" * 100_000, WatchView()),
        (b"\xff\xfe", WatchView()),
        (b"", WatchView()),
    ],
)
def test_other_versions_and_damage_are_tolerated(
    state_folder: Path, tmp_path: Path, text: bytes, view: WatchView
) -> None:
    save(tmp_path / "run", WatchView())
    kept(state_folder).write_bytes(text)
    assert load(tmp_path / "run") == view


def test_a_folder_that_is_not_writable_is_not_an_error(state_folder: Path, tmp_path: Path) -> None:
    state_folder.write_text("a file where a folder should be")
    save(tmp_path / "run", WatchView(smoothing=0.5))
    assert load(tmp_path / "run") == WatchView()
