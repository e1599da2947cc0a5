"""Cross-validation keeps what it measures apart from what it trains on, and tells what came out."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.dataset.pack import import_archive
from core.training.crossval import column_rounds, grouped_rounds, load, random_rounds
from core.training.presets import preset
from core.training.significance import interval_of_mean, interval_of_share, mcnemar
from tui.cli import main

GENRES = ("drums", "flute")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty clips: drums are stripes in time, flutes stripes in frequency; five artists a genre, four clips each."""
    folder = tmp_path_factory.mktemp("crossval")
    rng = np.random.default_rng(0)
    mel = rng.integers(0, 90, (40, 32, 128)).astype(np.uint8)
    labels = np.arange(40) % 2
    mel[labels == 0, :, ::8] += 120
    mel[labels == 1, ::8] += 120
    mel[20] = mel[0]
    names = [f"clip{i:02d}" for i in range(40)]
    np.savez(folder / "archive.npz", X=mel, name=names, genre=[GENRES[k] for k in labels])
    rows = [f"clip{i:02d},{GENRES[i % 2]} {i // 2 % 5},{'valid' if i >= 28 else 'train'}" for i in range(40)]
    (folder / "index.csv").write_text("name,artist,part\n" + "\n".join(rows) + "\n")
    settings = preset("best", "").front_end
    from msgspec.structs import replace

    import_archive(folder / "archive.npz", folder / "pack", folder / "index.csv", replace(settings, n_mels=32))
    return folder / "pack"


@pytest.fixture(scope="module")
def clips(pack: Path) -> list:  # type: ignore[type-arg]
    return load(pack, preset("best", str(pack)))[0].clips


def test_folds_measure_every_clip_once_and_keep_artists_apart(clips: list) -> None:  # type: ignore[type-arg]
    rounds = grouped_rounds(clips, 5, "artist")
    assert sorted(i for one in rounds for i in one.measured) == list(range(40))
    for one in rounds:
        heard = {clips[i].columns["artist"] for i in one.train}
        # The copy of clip00 ties two artists together.
        assert heard.isdisjoint(clips[i].columns["artist"] for i in one.measured)
        assert {clips[i].content for i in one.train}.isdisjoint(clips[i].content for i in one.measured)
        assert len(one.train) + len(one.measured) == 40


def test_random_splits_differ_and_keep_copies_together(clips: list) -> None:  # type: ignore[type-arg]
    rounds = random_rounds(clips, 10)
    assert len({tuple(one.measured) for one in rounds}) > 5
    for one in rounds:
        assert {clips[i].content for i in one.train}.isdisjoint(clips[i].content for i in one.measured)


def test_a_column_gives_one_split_for_every_seed(clips: list) -> None:  # type: ignore[type-arg]
    rounds = column_rounds(clips, "part", "valid", 3)
    assert [one.seed for one in rounds] == [0, 1, 2]
    assert {tuple(one.measured) for one in rounds} == {tuple(range(28, 40))}
    assert all(max(one.train) < 28 for one in rounds)


def crossval(pack: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict:  # type: ignore[type-arg]
    small = ["--set", "crop_seconds=2", "--set", 'model_options={"width": 4}', "--set", "batch_size=8"]
    assert main(["crossval", str(pack), *small, "--epochs", "4", "--device", "cpu", "--json", *options]) == 0
    facts: dict = json.loads(capsys.readouterr().out)  # type: ignore[type-arg]
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
    assert len(facts["predictions"]) == 12
    assert all(len(row["predicted"]) == 2 for row in facts["predictions"])
    # The same again is the same again, and McNemar's test says so.
    (tmp_path / "first.json").write_text(json.dumps(facts))
    again = crossval(pack, capsys, *split, "--against", str(tmp_path / "first.json"))
    assert again["predictions"] == facts["predictions"]
    assert again["mcnemar"] == {"clips": 12, "only_this": 0, "only_earlier": 0, "p": 1.0}


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
    wilson = interval_of_share(0.5, 100)
    assert (wilson.low, wilson.high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert interval_of_share(1.0, 10).high == pytest.approx(1.0)
