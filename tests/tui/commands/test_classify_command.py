"""``classify`` on real files; as a process of its own where that makes a difference."""

import contextlib
import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.inference import Classifier
from core.runs.directory import create
from core.tags.formats import read_genres
from tests.support.commands import call, start
from tests.support.event_sequences import whole_run, write_journal
from tests.support.paths import ROOT
from tests.support.recordings import tone, write_sound
from tests.support.small_model import GENRES, a_sound, shared_model, shared_sounds
from tui.cli import main
from tui.commands import common
from tui.shell.printing import DONE, FAILED, INTERRUPTED, USAGE


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("GENRE_TUI_RUNS", raising=False)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with one sound a genre, as FLAC."""
    folder = tmp_path / "music"
    folder.mkdir()
    for genre in GENRES:
        import soundfile

        y, rate = soundfile.read(a_sound(genre), dtype="float32")
        write_sound(folder / f"{genre}.flac", y, rate)
    return folder


def genre_tui(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command line in this process, where torch is loaded already."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def classify(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return genre_tui("classify", "--model", shared_model(), *arguments)


def objects(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_has_a_line_a_file_with_the_documented_keys(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    done = call("classify", "--model", shared_model(), shared_sounds() / "saw-wall", tmp_path / "bad.wav", "--json")
    assert done.returncode == FAILED
    *good, bad = objects(done)
    assert len(good) == 6
    for line in good:
        assert line["genre"] == "saw-wall"
        assert line["probability"] == max(line["probabilities"].values())
        assert line["uncertain"] is False
        assert line["duration_s"] == 12
        assert line["segments"][0].keys() >= {"start_s", "end_s", "probabilities"}
        assert line["stretches"][-1]["end_s"] == 12
        assert line["labels"] == ["saw-wall"]
        assert line["model"] == "small_cnn"
    assert bad.keys() == {"path", "error"}
    assert f"bad.wav: {bad['error']}" in done.stderr
    assert "1 unreadable" in done.stderr


def test_the_table_names_genre_file_and_alternatives(tmp_path: Path) -> None:
    write_sound(tmp_path / "tone.wav", tone(6, 22_050), 22_050)
    done = classify(a_sound("organ-hymn"), tmp_path / "tone.wav")
    assert done.returncode == DONE
    first, second = done.stdout.splitlines()
    assert re.match(r"organ-hymn +\d+% +.*organ-hymn\.00000\.au +\S+ \d+%, \S+ \d+%$", first)
    assert re.match(r"uncertain +.*tone\.wav +(\S+ \d+%(, )?){3} \(unlike the training music\)$", second)


def test_csv_is_a_row_a_file(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    done = classify(a_sound("saw-wall"), tmp_path / "bad.wav", "--csv", tmp_path / "out.csv")
    assert done.returncode == FAILED
    with (tmp_path / "out.csv").open(newline="") as file:
        good, bad = csv.DictReader(file)
    assert good["genre"] == "saw-wall"
    assert sum(float(good[genre]) for genre in GENRES) == pytest.approx(1, abs=1e-4)
    assert bad["error"]
    assert bad["genre"] == ""
    piped = classify(a_sound("saw-wall"), "--csv", "-")
    assert next(csv.DictReader(piped.stdout.splitlines()))["genre"] == "saw-wall"


def test_csv_goes_through_a_link_and_into_a_device(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    assert classify(a_sound("saw-wall"), "--csv", tmp_path / "link.csv").returncode == DONE
    assert (tmp_path / "link.csv").is_symlink()
    assert "saw-wall" in (tmp_path / "target.csv").read_text()
    full = classify(a_sound("saw-wall"), "--csv", "/dev/full")
    assert (full.returncode, Path("/dev/full").is_char_device()) == (FAILED, True)
    assert "genre-tui: /dev/full cannot be written (no space left on device)" in full.stderr


def test_top_leaves_the_likeliest() -> None:
    [line] = objects(classify(a_sound("saw-wall"), "--json", "--top", "2"))
    assert next(iter(line["probabilities"])) == "saw-wall"
    assert len(line["probabilities"]) == len(line["segments"][0]["probabilities"]) == 2


def test_overlap_gives_more_windows() -> None:
    [line] = objects(classify(a_sound("saw-wall"), "--json", "--overlap", "0.5"))
    assert [segment["start_s"] for segment in line["segments"]] == [0, 1.5, 3, 4.5, 6, 7.5, 9]


def test_the_bundled_model_answers_until_a_run_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However new the run is: after the README's tour it knows nothing but synthetic sounds."""
    run = create(tmp_path / "runs", {}, "demo", "small_cnn", name="tour")
    shutil.copy(shared_model(), run.best_model_path)
    write_journal(run.journal_path, whole_run())
    report = {"genres": GENRES, "part": "test", "accuracy": 0.99, "interval": [0.9, 1.0]}
    run.report_json_path.write_text(json.dumps(report))
    monkeypatch.chdir(tmp_path)
    song = a_sound("saw-wall")
    asked = genre_tui("classify", song, "--json", "--device", "cpu")
    assert "model default (bundled; genre-tui use RUN chooses another) on cpu" in asked.stderr

    chosen = genre_tui("use", "tour")
    assert (chosen.returncode, chosen.stdout) == (DONE, "")
    assert "tour classifies from now on, for the runs in runs (chosen with genre-tui use; trained on" in chosen.stderr
    done = genre_tui("classify", song, "--json", "--device", "cpu")
    assert objects(done)[0]["model"] == "tour"
    assert "model tour (chosen with genre-tui use; trained on synthetic sounds) on cpu" in done.stderr
    listed = genre_tui("use").stdout.splitlines()
    assert re.match(r"  default +ensemble_cnn +GTZAN +10 +76.1% \(70%–82%\)", listed[1])
    assert re.match(r"\* tour +.* 99.0% \(90%–100%\) .* ! trained on synthetic sounds", listed[2])
    assert [line["in_use"] for line in objects(genre_tui("use", "--json"))] == [False, True]

    assert genre_tui("use", "default").returncode == DONE
    assert objects(genre_tui("classify", song, "--json"))[0]["model"] == "default"


def test_a_file_that_is_not_a_model_is_not_chosen(tmp_path: Path) -> None:
    done = genre_tui("use", a_sound("saw-wall"), "--runs", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (FAILED, 1)
    assert "not a model" in done.stderr or "not a genre-tui model" in done.stderr
    assert "in use:" in genre_tui("use", "--runs", tmp_path).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x.wav", "--jobs", "0"],
        ["x.wav", "--top", "0"],
        ["x.wav", "--overlap", "1"],
        ["x.wav", "--threshold", "1.5"],
        ["x.wav", "--nearest", "-1"],
        ["x.wav", "--yes"],
        ["x.wav", "--json", "--csv", "-"],
    ],
)
def test_wrong_usage_is_status_2_and_one_line(arguments: list[str]) -> None:
    done = genre_tui("classify", *arguments)
    assert done.returncode == USAGE
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "nowhere"], "no run in"),
        (["--device", "tpu"], "no device 'tpu'"),
        (["--csv", "/nowhere/out.csv"], "cannot be written"),
        (["--map", "/nowhere/map.toml"], "cannot be read"),
        (["--nearest", "2"], "stores no training clips"),
    ],
)
def test_mistakes_are_one_line_and_status_1(arguments: list[str], said: str) -> None:
    model = [] if "--model" in arguments else ["--model", str(shared_model())]
    done = genre_tui("classify", a_sound("saw-wall"), *model, *arguments)
    assert done.returncode == FAILED
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_a_model_is_reported(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"something else")
    done = genre_tui("classify", a_sound("saw-wall"), "--model", tmp_path / "model.pth")
    assert done.returncode == FAILED
    assert "model.pth is damaged, or is not a model" in done.stderr


def test_names_and_thresholds_become_labels_and_playlists(tmp_path: Path, music: Path) -> None:
    (tmp_path / "map.toml").write_text('[names]\nsaw-wall = "Wall of Saws"\norgan-hymn = ""\n')
    done = classify(music, "--json", "--map", tmp_path / "map.toml", "--playlists", tmp_path / "lists")
    labels = {Path(line["path"]).stem: line["labels"] for line in objects(done)}
    assert labels["saw-wall"] == ["Wall of Saws"]
    assert labels["organ-hymn"] == []
    assert {path.name for path in (tmp_path / "lists").iterdir()} == {
        "Wall of Saws.m3u8",
        "bass-pulse.m3u8",
        "drums-fast.m3u8",
    }
    assert "../music/saw-wall.flac" in (tmp_path / "lists" / "Wall of Saws.m3u8").read_text()
    assert all(len(line["labels"]) == 4 for line in objects(classify(music, "--json", "--threshold", "0")))


def test_tags_are_planned_written_kept_and_undone(music: Path) -> None:
    planned = classify(music, "--write-tags")
    assert "would be saw-wall" in planned.stdout
    assert "nothing is written without --yes" in planned.stderr
    assert [read_genres(path) for path in music.iterdir()] == [[]] * 4

    written = classify(music, "--write-tags", "--yes", "--json")
    assert {path.stem: read_genres(path) for path in music.iterdir()} == {genre: [genre] for genre in GENRES}
    assert all(line["tag"]["written"] for line in objects(written))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "classify_open", lambda *args, **options: pytest.fail("it was classified again"))
        *again, folder = objects(classify(music, "--skip-existing", "--json"))
        assert (len(again), folder["label_source"]) == (4, "labels: the files' tags; 4 of 4 files have a genre")
    kept = objects(classify(music, "--write-tags", "--yes", "--threshold", "0", "--json"))
    assert {line["tag"]["action"] for line in kept} == {"keep"}

    [undo] = re.findall(r"undo with: genre-tui (.*)$", written.stderr, re.MULTILINE)
    undone = genre_tui(*undo.split())
    assert undone.returncode == DONE
    assert len(undone.stdout.splitlines()) == 4
    assert [read_genres(path) for path in music.iterdir()] == [[]] * 4
    assert "nothing to undo" in genre_tui("classify", "--undo-tags").stderr


def test_a_format_without_tags_is_reported_and_the_rest_continues(music: Path) -> None:
    shutil.copy(a_sound("saw-wall"), music / "first.au")
    done = classify(music, "--write-tags", "--yes")
    assert done.returncode == FAILED
    assert "first.au: .au files cannot hold tags" in done.stderr
    assert "tags: wrote 4 files" in done.stderr


def test_an_interrupted_library_is_taken_up_again(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for number, source in enumerate(sorted(shared_sounds().rglob("*.au")) * 8):
        content = bytearray(source.read_bytes())
        content[-2:] = number.to_bytes(2, "big")  # no two files alike
        (library / f"{number:04d}.au").write_bytes(content)
    process = start("classify", library, "--json", "--jobs", "1", "--model", shared_model())
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    rest, narration = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in narration
    done = len(first) + len(rest.splitlines())
    assert done < 192

    again = classify(library, "--json", "--skip-existing")
    assert again.returncode == DONE
    lines = objects(again)
    assert len(lines) == 192
    assert lines[:5] == [json.loads(line) for line in first]
    assert len(objects(classify(library, "--json", "--skip-existing", "--csv", tmp_path / "all.csv"))) == 192


def test_a_terminal_gets_a_progress_bar_and_a_pipe_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for constant in ("PATIENCE_SECONDS", "REDRAW_SECONDS"):
        monkeypatch.setattr(common, constant, 0.0)  # else a fast machine is done before a bar is worth drawing
    command = ["classify", str(shared_sounds() / "saw-wall"), "--model", str(shared_model()), "--json"]
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        with contextlib.redirect_stderr(terminal), contextlib.redirect_stdout(io.StringIO()):
            assert main(command) == DONE
        screen = os.read(ours, 65536).decode()
    os.close(ours)
    assert "━" in screen
    assert "/6 files" in screen
    piped = classify(shared_sounds() / "saw-wall")
    assert "━" not in piped.stderr


def test_accuracy_and_confusion_follow_the_results_of_a_folder_whose_genres_are_known(tmp_path: Path) -> None:
    for genre in GENRES[:2]:
        (tmp_path / "music" / genre).mkdir(parents=True)
        shutil.copy(a_sound(genre), tmp_path / "music" / genre / "unheard.au")
    shutil.copy(a_sound(GENRES[0]), tmp_path / "music" / GENRES[1] / "wrong.au")
    table = classify(tmp_path / "music")
    assert table.returncode == DONE
    assert "accuracy 66.7% (2 of 3 files), macro F1" in table.stdout
    assert f"labelled {GENRES[1]}" in table.stdout
    assert f"  1  {GENRES[0]}" in table.stdout
    *files, folder = objects(classify(tmp_path / "music", "--json", "--labels", "folders"))
    assert [one["known_genre"] for one in files] == [GENRES[0], GENRES[1], GENRES[1]]
    assert (folder["path"], folder["correct"], folder["files"]) == (str(tmp_path / "music"), 2, 3)
    assert folder["learnt"] == 0
    assert classify(a_sound(GENRES[0]), "--labels", "folders").returncode == USAGE
    missing = classify(tmp_path / "music", "--labels", tmp_path / "gone.csv")
    assert "There is no label file" in missing.stderr
