"""Packs carry excerpts, labels and columns: other labels of the same clips need no audio."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from core.dataset.clip import DatasetError
from core.dataset.load import load_dataset
from core.dataset.pack import pack
from core.dataset.scan import scan
from core.dataset.settings import LabelSettings, SplitSettings
from core.features.settings import FrontEndSettings
from tests.support.music import table
from tests.support.sounds import write

SETTINGS = FrontEndSettings(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, seconds=0.6)
SPLIT = SplitSettings(fractions=(0.4, 0.3, 0.3))


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Eight clips of two genres, six of them of several excerpts, with the columns artist and styles."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(8):
        seconds = 0.7 if number < 2 else 2.0
        write(tmp_path / f"{number}.wav", rng.normal(0, 0.1, round(8000 * seconds)).astype(np.float32), 8000)
        genre = ("Rock", "Jazz")[number % 2]
        rows.append({"file": f"{number}.wav", "genre": genre, "artist": f"Ann {number}", "styles": f"{genre}; Pop"})
    table(tmp_path / "labels.csv", rows)
    pack(tmp_path, tmp_path / "packed", SETTINGS, excerpts=3)
    return tmp_path / "packed"


def test_a_pack_holds_the_excerpts_of_its_clips(packed: Path, tmp_path: Path) -> None:
    from_audio = load_dataset(tmp_path, SETTINGS, SPLIT, excerpts=3).features
    from_pack = load_dataset(packed, FrontEndSettings(), SPLIT).features
    assert from_pack.counts is not None and from_audio.counts is not None
    by_name = {clip.name: i for i, clip in enumerate(from_audio.clips)}
    for i, clip in enumerate(from_pack.clips):
        j = by_name[clip.name]
        assert int(from_pack.counts[i]) == int(from_audio.counts[j]) == (1 if int(clip.name) < 2 else 3)
        for excerpt in range(int(from_pack.counts[i])):
            assert torch.equal(from_pack.spectrogram(i, excerpt), from_audio.spectrogram(j, excerpt))
    with (packed / "index.csv").open() as file:
        assert [row["excerpt"] for row in csv.DictReader(file)][:6].count("0") >= 2


def test_a_pack_of_single_excerpts_is_what_earlier_programs_read(packed: Path, tmp_path: Path) -> None:
    pack(tmp_path, tmp_path / "single", SETTINGS)
    assert '"version": 1' in (tmp_path / "single" / "pack.json").read_text()
    assert "excerpt" not in (tmp_path / "single" / "index.csv").read_text().splitlines()[0]
    assert '"version": 2' in (packed / "pack.json").read_text()


def test_excerpts_that_are_missing_are_damage(packed: Path) -> None:
    lines = (packed / "index.csv").read_text().splitlines()
    third = next(i for i, line in enumerate(lines) if ",1," in line and "Ann" in line)
    (packed / "index.csv").write_text("\n".join([*lines[:third], *lines[third + 1 :]]))
    with pytest.raises(DatasetError, match="is damaged"):
        load_dataset(packed, SETTINGS, SPLIT)


@pytest.mark.parametrize("name", ["index.csv", "features.npy"])
def test_a_pipe_in_a_pack_is_not_waited_for(name: str, packed: Path) -> None:
    (packed / name).unlink()
    os.mkfifo(packed / name)
    with pytest.raises(DatasetError, match=r"is damaged: it is not a regular file\."):
        load_dataset(packed, SETTINGS, SPLIT)


def test_a_column_that_a_pack_lacks_is_named(packed: Path) -> None:
    index = (packed / "index.csv").read_text()
    (packed / "index.csv").write_text(index.replace("frames", "length", 1))
    with pytest.raises(DatasetError, match=r"is damaged: index\.csv has no column 'frames'\."):
        load_dataset(packed, SETTINGS, SPLIT)


def test_other_labels_of_the_same_clips(packed: Path, tmp_path: Path) -> None:
    whole = load_dataset(packed, SETTINGS, SPLIT).features
    relabelled = table(tmp_path / "new.csv", [{"name": str(n), "genre": "ab"[n % 2]} for n in range(2, 8)])
    labels = LabelSettings(source=str(relabelled))
    found = scan(packed, labels=labels)
    assert found.label_source == "labels: new.csv, column genre; 6 of 8 clips matched"
    assert {one.path for one in found.excluded} == {"Rock/0", "Jazz/1"}
    assert found.labels == labels
    features = load_dataset(packed, SETTINGS, SPLIT, labels=labels).features
    assert features.genres == ["a", "b"]
    place = {clip.name: i for i, clip in enumerate(whole.clips)}
    for i, clip in enumerate(features.clips):
        assert features.genres[int(features.labels[i])] == clip.genre == "ab"[int(clip.name) % 2]
        assert torch.equal(features.spectrogram(i, 2), whole.spectrogram(place[clip.name], 2))


def test_wrong_labels_of_a_pack_are_one_sentence(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no column 'mood': name one of artist, .* with --label-column"):
        scan(packed, labels=LabelSettings(label_column="mood"))
    other = table(tmp_path / "other.csv", [{"name": "x", "genre": "y"}])
    with pytest.raises(DatasetError, match=r"No row of .*other\.csv names any of the pack's 8 clips"):
        scan(packed, labels=LabelSettings(source=str(other)))
    with pytest.raises(DatasetError, match="has only one genre"):
        scan(packed, labels=LabelSettings(label_column="styles", multiple="frequent"))
