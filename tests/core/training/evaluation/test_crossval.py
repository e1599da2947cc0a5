"""Cross-validation keeps what it measures apart from what it trains on, and tells what came out."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.dataset.clip import Clip
from core.dataset.pack import import_archive
from core.runs.journal.log_lines import percent
from core.training.evaluation.crossval import column_folds, grouped_folds, groups_of, load, random_folds
from core.training.evaluation.significance import interval_of_groups, interval_of_mean, interval_of_share, mcnemar
from core.training.presets import preset
from core.util.errors import UserError
from tests.support.tones import make_collection
from tui.cli import main
from tui.commands.crossval_report import same_protocol
from tui.shell.printing import FAILED, USAGE

GENRES = ("drums", "flute")
SMALL = ["--set", "crop_seconds=2", "--set", 'model_options={"width": 4}', "--set", "batch_size=8"]
SMALL += ["--set", "crops_per_epoch=0", "--epochs", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty clips: drums are stripes in time, flutes stripes in frequency; five artists a genre, four clips each."""
    folder = tmp_path_factory.mktemp("crossval")
    rng = np.random.default_rng(0)
    mel = rng.integers(0, 90, (40, 32, 128)).astype(np.uint8)
    labels = np.arange(40) % 2
    mel[labels == 0, :, ::8] += 120
    mel[labels == 1, ::8] += 120
    mel[22] = mel[0]
    names = [f"clip{i:02d}" for i in range(40)]
    np.savez(folder / "archive.npz", X=mel, name=names, genre=[GENRES[k] for k in labels])
    rows = [f"clip{i:02d},{GENRES[i % 2]} {i // 2 % 5},{'valid' if i >= 28 else 'train'}" for i in range(40)]
    (folder / "index.csv").write_text("name,artist,part\n" + "\n".join(rows) + "\n")
    settings = preset("best", "").front_end
    from msgspec.structs import replace

    import_archive(folder / "archive.npz", folder / "pack", folder / "index.csv", replace(settings, n_mels=32))
    return folder / "pack"


@pytest.fixture(scope="module")
def clips(pack: Path) -> list[Clip]:
    return load(pack, preset("best", str(pack)))[0].clips


def test_folds_measure_every_clip_once_and_keep_artists_apart(clips: list[Clip]) -> None:
    rounds = grouped_folds(clips, 5, "artist")
    assert sorted(i for one in rounds for i in one.test) == list(range(40))
    for one in rounds:
        heard = {clips[i].columns["artist"] for i in one.train}
        # The copy of clip00 ties two artists together.
        assert heard.isdisjoint(clips[i].columns["artist"] for i in one.test)
        assert {clips[i].content for i in one.train}.isdisjoint(clips[i].content for i in one.test)
        assert len(one.train) + len(one.test) == 40


def test_random_splits_differ_and_keep_copies_together(clips: list[Clip]) -> None:
    rounds = random_folds(clips, 10)
    assert len({tuple(one.test) for one in rounds}) > 5
    for one in rounds:
        assert {clips[i].content for i in one.train}.isdisjoint(clips[i].content for i in one.test)


def test_a_column_gives_one_split_for_every_seed(clips: list[Clip]) -> None:
    rounds = column_folds(clips, "part", "valid", 3)
    assert [one.seed for one in rounds] == [0, 1, 2]
    assert {tuple(one.test) for one in rounds} == {tuple(range(28, 40))}
    assert all(max(one.train) < 28 for one in rounds)


def crossval(pack: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["crossval", str(pack), *SMALL, "--json", *options]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def test_command_tells_protocol_mean_deviation_and_interval(
    pack: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    split = ["--protocol", "split", "--split-column", "part", "--seeds", "2"]
    facts = crossval(pack, capsys, *split)
    accuracies = [run["accuracy"] for run in facts["runs"]]
    assert facts["accuracy"] == pytest.approx(sum(accuracies) / 2)
    assert facts["accuracy"] > 0.9  # stripes are easy
    assert "'valid'" in facts["protocol"]
    assert facts["interval"][0] <= facts["accuracy"] <= facts["interval"][1]
    assert sum(map(sum, facts["confusion"])) == 24
    assert facts["baseline"] == {"majority": 0.5, "svm": 1.0}  # it sees the stripes, too
    assert len(facts["predictions"]) == 12
    assert all(len(row["predicted"]) == 2 for row in facts["predictions"])
    # The same again is the same again, and McNemar's test says so.
    (tmp_path / "first.json").write_text(json.dumps(facts))
    again = crossval(pack, capsys, *split, "--against", str(tmp_path / "first.json"))
    assert again["predictions"] == facts["predictions"]
    assert again["mcnemar"] == {"clips": 12, "of_earlier": 12, "only_this": 0, "only_earlier": 0, "p": 1.0}


def test_losses_are_told_as_they_are_and_with_a_temperature_fitted_to_what_was_measured(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A network that has seen little and says so: the stripes leave a trained one no loss at all.
    split = ["--protocol", "split", "--split-column", "part", "--seeds", "2", "--preset", "quick", "--epochs", "1"]
    split += ["--set", "model_options={}"]
    facts = crossval(pack, capsys, *split)
    assert facts["loss"] == pytest.approx(sum(run["loss"] for run in facts["runs"]) / 2)
    fitted = facts["calibrated"]
    assert fitted["fitted_to"] == "the measured clips"
    assert fitted["loss"] == pytest.approx(sum(run["calibrated"]["loss"] for run in facts["runs"]) / 2)
    assert all(run["calibrated"]["loss"] < run["loss"] for run in facts["runs"]), facts["runs"]
    assert [run["window_seconds"] for run in facts["runs"]] == [pytest.approx(2.0, abs=0.05)] * 2
    assert 0 <= fitted["calibration_error"] <= 1 and fitted["calibration_noise"] > 0
    assert main(["crossval", str(pack), *SMALL, *split]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("loss"))
    assert f"{facts['loss']:.3f}; {fitted['loss']:.3f} with a temperature fitted to the test clips" in line
    assert "(noise " in line


def test_folds_by_artist_have_the_interval_of_whole_artists(
    pack: Path,
    clips: list[Clip],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folds = ["--protocol", "grouped", "--groups", "artist", "--folds", "2", "--epochs", "1"]
    facts = crossval(pack, capsys, *folds)
    right = [row["genre"] == row["predicted"][0] for row in facts["predictions"]]
    interval = interval_of_groups(right, groups_of(clips, "artist"))
    assert interval is not None and facts["interval"] == [interval.low, interval.high]
    assert facts["interval_of_clips"] is None
    # The copy of clip00 ties two of the ten artists together.
    assert facts["interval_by"] == "9 whole groups of artist, resampled 5,000 times"
    assert main(["crossval", str(pack), *SMALL, *folds]) == 0
    out = capsys.readouterr().out
    assert "(9 whole groups of artist, resampled 5,000 times)" in out and "Wilson" not in out
    assert f"baseline   {percent(facts['baseline']['svm'])} (support-vector machine on band statistics)" in out
    lost = facts["accuracy"] <= max(facts["baseline"].values())
    assert ("The model is no better than this baseline." in out) == lost


def fake_result(path: Path, protocol: str, clips: list[Clip], keep: slice) -> Path:
    rows = [{"name": c.name, "genre": c.genre, "predicted": [c.genre]} for c in clips[keep]]
    path.write_text(json.dumps({"protocol": protocol, "predictions": rows}))
    return path


def test_only_what_can_be_compared_is(
    pack: Path,
    clips: list[Clip],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    split = ["--protocol", "split", "--split-column", "part", "--seeds", "1", "--epochs", "1"]
    protocol = "1 training on 'train' of the column part, measured on 'valid'"

    def against(file: Path) -> int:
        return main(["crossval", str(pack), *SMALL, *split, "--against", str(file)])

    assert against(fake_result(tmp_path / "other.json", "5 folds grouped by artist", clips, slice(28, 40))) == FAILED
    err = capsys.readouterr().err
    assert "another protocol (5 folds grouped by artist; now 1 training on" in err and "epoch" not in err
    assert against(fake_result(tmp_path / "none.json", protocol, clips, slice(0, 28))) == FAILED
    err = capsys.readouterr().err
    assert "the same dataset" in err and "epoch" not in err  # refused before anything was trained
    assert (
        against(
            fake_result(tmp_path / "some.json", protocol.replace("1 training", "3 trainings"), clips, slice(35, 40))
        )
        == 0
    )
    assert "of 5 clips in both results (this one has 12, the earlier 5)" in capsys.readouterr().out
    (tmp_path / "no.json").write_text(
        '{"protocol": "x", "predictions": [{"name": "a", "genre": "b", "predicted": []}]}'
    )
    assert against(tmp_path / "no.json") == USAGE
    assert "is not a result of crossval --json" in capsys.readouterr().err
    assert against(tmp_path / "gone.json") == USAGE


def test_protocols_are_the_same_whatever_the_number_of_trainings() -> None:
    assert same_protocol("5 trainings on 'train' of the column a", "1 training on 'train' of the column a")
    assert same_protocol("10 random stratified splits 80/10/10", "1 random stratified split 80/10/10")
    assert not same_protocol("5 folds grouped by artist", "10 folds grouped by artist")
    assert not same_protocol("5 trainings on 'train' of the column a", "5 trainings on 'train' of the column b")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--protocol", "grouped", "--seeds", "5"], "--seeds"),
        (["--protocol", "random", "--folds", "5"], "--folds"),
        (["--protocol", "random", "--groups", "artist"], "--groups"),
        (["--protocol", "grouped", "--split-column", "split"], "--split-column"),
        (["--protocol", "random", "--part", "valid"], "--part"),
        (["--protocol", "random", "--train-part", "train"], "--train-part"),
        (["--protocol", "random", "--set", "patience=3"], "patience"),
        (["--protocol", "random", "--set", "processes=2"], "processes"),
        (["--protocol", "random", "--set", "seed=7"], "seed"),
        (["--protocol", "random", "--set", "split.seed=7"], "split.seed"),
        (["--protocol", "random", "--set", "front_end.n_mels=64"], "front_end.n_mels"),
    ],
)
def test_what_could_change_nothing_is_refused(
    pack: Path, options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crossval", str(pack), *options]) == USAGE
    err = capsys.readouterr().err
    assert err.startswith(f"genre-tui: {named} ") and "has no effect" in err and err.count("\n") == 1


def test_a_part_is_not_measured_on_itself(pack: Path, clips: list[Clip], capsys: pytest.CaptureFixture[str]) -> None:
    column = ["--split-column", "part", "--part", "train"]
    assert main(["crossval", str(pack), "--protocol", "split", *column]) == USAGE
    assert "--part and --train-part are both 'train'" in capsys.readouterr().err
    with pytest.raises(UserError, match="two different parts"):
        column_folds(clips, "part", "train", 1)


def test_a_single_genre_is_nothing_to_tell_apart(
    tmp_path: Path, clips: list[Clip], capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_collection(tmp_path / "genres", {"hum": 110.0}, clips=4)
    assert main(["crossval", str(data), "--protocol", "random", "--seeds", "1"]) == FAILED
    assert "only one genre with usable clips, hum" in capsys.readouterr().err
    rows = [clip.columns | {"half": clip.genre} for clip in clips]
    from dataclasses import replace

    halved = [replace(clip, columns=row) for clip, row in zip(clips, rows, strict=True)]
    with pytest.raises(UserError, match="two genres or more, and 'drums' in the column 'half' is all of drums"):
        column_folds(halved, "half", "flute", 1, "drums")
    with pytest.raises(UserError, match="two genres or more, and what fold 1 leaves to train on"):
        grouped_folds(halved, 2, "half")


def test_a_folder_of_audio_names_what_it_leaves_out_and_knows_its_files_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_collection(tmp_path / "one" / "genres", {"hum": 110.0, "whistle": 2000.0}, clips=10)
    (data / "hum" / "broken.wav").write_bytes(b"none")
    random = ["--protocol", "random", "--seeds", "1", "--epochs", "1", "--set", "front_end.n_mels=32", "--json"]
    small = [*SMALL, "--set", "front_end.seconds=2", "--set", "test_crops=2", *random]
    assert main(["crossval", str(data), *small]) == 0
    captured = capsys.readouterr()
    assert "left out hum/broken.wav: " in captured.err
    # The same names, and other sounds in them.
    other = make_collection(tmp_path / "two" / "genres", {"hum": 150.0, "whistle": 2500.0}, clips=10)
    (tmp_path / "one.json").write_text(captured.out)
    assert main(["crossval", str(data), *small, "--against", str(tmp_path / "one.json")]) == 0
    assert json.loads(capsys.readouterr().out)["mcnemar"]["clips"] == 2
    assert main(["crossval", str(other), *small, "--against", str(tmp_path / "one.json")]) == FAILED
    assert "the same dataset" in capsys.readouterr().err


def test_without_artists_copies_are_found_by_ear(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = crossval(pack, capsys, "--protocol", "grouped", "--folds", "2", "--epochs", "1")
    assert "sound like one recording" in facts["protocol"]
    assert sum(run["clips"] for run in facts["runs"]) == facts["clips"] == 40


def test_an_unknown_part_is_named(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crossval", str(pack), "--protocol", "split", "--split-column", "part", "--part", "exam"]) == 1
    assert "exam" in capsys.readouterr().err


def test_mcnemar_against_its_textbook_sum() -> None:
    # 1 against 8: twice the binomial tail (1 + 9) / 2 ** 9.
    first = [True] * 1 + [False] * 8 + [True] * 20
    second = [False] * 1 + [True] * 8 + [True] * 20
    test = mcnemar(first, second)
    assert (test.only_first, test.only_second) == (1, 8)
    assert test.p == pytest.approx(2 * 10 / 512)
    assert mcnemar([True, False], [True, False]).p == 1.0
    with pytest.raises(ValueError):
        mcnemar([True], [True, False])


def test_intervals() -> None:
    interval = interval_of_mean([0.6, 0.7, 0.8])
    assert interval is not None
    assert interval.high - 0.7 == pytest.approx(4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    assert interval_of_mean([0.6]) is None
    wide = interval_of_mean([0.2, 0.9])
    assert wide is not None and (wide.low, wide.high) == (0.0, 1.0)
    wilson = interval_of_share(0.5, 100)
    assert [wilson.low, wilson.high] == pytest.approx([0.4038, 0.5962], abs=1e-4)
    assert interval_of_share(1.0, 10).high == pytest.approx(1.0)


def test_clips_of_a_group_count_together() -> None:
    # Twenty artists of ten clips, each right in all of them or in none: twenty cases, not two hundred.
    groups = [i // 10 for i in range(200)]
    right = [group % 2 == 0 for group in groups]
    together, apart = interval_of_groups(right, groups), interval_of_groups(right, range(200))
    assert together is not None and apart is not None
    # A share of 20 halves is 0.5 ± 1.96 * 0.5 / √20, in steps of 0.05; one of 200 is ± 0.0693.
    assert [together.low, together.high] == pytest.approx([0.281, 0.719], abs=0.04)
    assert [apart.low, apart.high] == pytest.approx([0.431, 0.569], abs=0.01)
    assert together == interval_of_groups(right, groups)
    assert interval_of_groups([True, False], ["a", "a"]) is None
    with pytest.raises(ValueError):
        interval_of_groups([True], ["a", "b"])


def test_a_large_group_weighs_as_many_clips_as_it_has() -> None:
    # One artist with 90 clips, all right, and nine with one, all wrong: it may be drawn or not.
    interval = interval_of_groups([True] * 90 + [False] * 9, [0] * 90 + list(range(1, 10)))
    assert interval is not None and interval.low == 0.0 and interval.high > 0.97


def test_groups_join_copies(clips: list[Clip]) -> None:
    number = groups_of(clips, "artist")
    assert len(set(number)) == 9 and number[0] == number[22]
    assert all(
        (number[i] == number[k])
        for i in range(40)
        for k in range(40)
        if clips[i].columns["artist"] == clips[k].columns["artist"]
    )
