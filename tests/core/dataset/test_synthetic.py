"""The synthetic dataset: repeatable, honest, and easy."""

from pathlib import Path

import pytest
import torch

from core.dataset.clip import DatasetError
from core.dataset.load import load_dataset
from core.dataset.report import check
from core.dataset.synthetic import make_demo
from core.features.settings import FrontEndSettings


def test_it_is_a_clean_dataset_of_ten_genres(tmp_path: Path) -> None:
    genres = make_demo(tmp_path / "demo", clips_per_genre=3, seconds=2)
    assert genres == tmp_path / "demo" / "genres"
    report = check(tmp_path / "demo")
    assert report.is_clean
    assert [genre.clips for genre in report.genres] == [3] * 10
    assert report.genres[0].longest_s == 2
    assert "not music" in (tmp_path / "demo" / "README.txt").read_text()


def test_a_seed_gives_the_same_files_again(tmp_path: Path) -> None:
    seeds = {"a": 5, "b": 5, "c": 6}
    made = [make_demo(tmp_path / name, clips_per_genre=1, seconds=1, seed=seed) for name, seed in seeds.items()]
    first, again, other = ([path.read_bytes() for path in sorted(genres.glob("*/*.au"))] for genres in made)
    assert first == again
    assert not set(first) & set(other)


def test_its_genres_can_be_told_apart(tmp_path: Path) -> None:
    """The nearest mean spectrum finds most of them: a network should find nearly all."""
    dataset = load_dataset(make_demo(tmp_path, clips_per_genre=8, seconds=4), FrontEndSettings(seconds=4))
    features = dataset.features.to("cpu")
    spectra = features.as_decibels(features.batch(range(len(features)))).mean(2)
    train, other = dataset.split.train, dataset.split.valid + dataset.split.test
    centres = torch.stack([spectra[[i for i in train if features.labels[i] == genre]].mean(0) for genre in range(10)])
    guessed = torch.cdist(spectra[other], centres).argmin(1)
    assert (guessed == features.labels[other]).float().mean() >= 0.8


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make_demo(tmp_path, clips_per_genre=1, seconds=1)
    with pytest.raises(DatasetError, match="already exists"):
        make_demo(tmp_path)
