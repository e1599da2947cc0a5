"""Two cuts from one recording are found, and different recordings are left alone."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.dataset.load import load_dataset
from core.dataset.near_duplicates import candidates, codes_of, recordings, with_recordings
from core.dataset.pack import import_archive
from core.dataset.report import check
from core.dataset.scan import scan
from core.dataset.settings import SplitSettings
from core.dataset.split import split
from core.dataset.store.extract import compute_features
from core.dataset.synthetic import STYLES, _clip
from core.features.settings import FrontEndSettings
from tests.support.paths import GTZAN_LOGMEL


def test_overlapping_cuts_share_a_number(tmp_path: Path) -> None:
    """Each "recording" is 20 s long and gives two cuts of 12 s that begin 3.3 s apart, the second much quieter."""
    for genre in ("drums-fast", "plucks-quick"):
        (tmp_path / genre).mkdir()
        for number in range(3):
            y = _clip(STYLES[genre], 20, np.random.default_rng(number))
            for cut, start in (("a", 0), ("b", 72_765)):
                path = tmp_path / genre / f"{number}{cut}.wav"
                soundfile.write(path, y[start : start + 264_600] * (1 if cut == "a" else 0.05), 22_050)
    soundfile.write(tmp_path / "drums-fast" / "short.wav", y[:22_050], 22_050)
    features, _ = compute_features(scan(tmp_path).clips, FrontEndSettings(seconds=12))
    numbers = dict(zip([clip.name for clip in features.clips], zip(recordings(features), strict=True), strict=True))
    assert len(set(recordings(features))) == 7
    assert all(numbers[f"{n}a"] == numbers[f"{n}b"] for n in range(3))
    automatic = SplitSettings(protocol="grouped", groups="auto", folds=3)
    loaded = load_dataset(tmp_path, FrontEndSettings(seconds=12), automatic)
    assert loaded.split.notes == ["Clips are grouped: those of one recording stay in one part, in 7 groups."]
    clips = with_recordings(features).clips
    for fold in range(3):
        settings = SplitSettings(protocol="grouped", groups="recording", folds=3, fold=fold, fractions=(0.5, 0.0, 0.5))
        tested = {clips[i].columns["recording"] for i in split(clips, settings).test}
        assert not tested & {clips[i].columns["recording"] for i in split(clips, settings).train}


def test_codes_find_a_few_alike_among_many() -> None:
    rng = np.random.default_rng(0)
    vectors_ND = rng.standard_normal((40_000, 32)).astype(np.float32)
    positions = np.split(codes_of(vectors_ND), 2000)
    excerpts = [codes[[2, 9, 17]] for codes in positions]
    like_KD = vectors_ND[20 * 5 : 20 * 6 : 3] + rng.normal(0, 0.25, (7, 32)).astype(np.float32)
    excerpts[1500] = codes_of(like_KD)
    found = set(candidates(positions, excerpts))
    assert (5, 1500) in found
    assert len(found) < 100, "of two million pairs"


def test_copies_in_a_pack_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mel = rng.integers(0, 256, (4, 128, 387), dtype=np.uint8)
    mel[3] = np.clip(mel[1].astype(int) + 3, 0, 255)
    names, genres = np.array(["a", "b", "c", "d"]), np.array(["x", "x", "y", "y"])
    np.savez(tmp_path / "x.npz", X=mel, name=names, genre=genres)
    import_archive(tmp_path / "x.npz", tmp_path / "pack")
    report = check(tmp_path / "pack")
    assert report.near_duplicates == [["b", "d"]] == report.across_genres


@pytest.mark.skipif(not GTZAN_LOGMEL.is_dir(), reason="gtzan-logmel is not here")
def test_real_copies_are_found_and_nothing_else(tmp_path: Path) -> None:
    features = import_archive(GTZAN_LOGMEL / "gtzan-logmel.npz", tmp_path / "pack", GTZAN_LOGMEL / "index.csv").to(
        "cpu"
    )
    by_number: dict[str, list[dict[str, str]]] = {}
    by_group: dict[str, set[str]] = {}
    for clip in with_recordings(features).clips:
        by_number.setdefault(clip.columns["recording"], []).append(clip.columns)
        if clip.group:
            by_group.setdefault(clip.group, set()).add(clip.columns["recording"])
    assert all(len(numbers) == 1 for numbers in by_group.values())
    together = [columns for columns in by_number.values() if len(columns) > 1]
    assert len(together) > 30
    for columns in together:
        assert len({(of["artist"], of["title"]) for of in columns}) == 1


def test_a_check_lists_recordings_that_are_there_twice_under_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (genre, style) in enumerate((("a", "drums-fast"), ("a", "plucks-quick"), ("b", "organ-hymn"))):
        (tmp_path / genre).mkdir(exist_ok=True)
        y = _clip(STYLES[style], 12, np.random.default_rng(number))
        soundfile.write(tmp_path / genre / f"{number}.wav", y, 22_050)
    soundfile.write(tmp_path / "b" / "again.flac", y[10_000:] * 0.5, 22_050)
    seen: list[int] = []
    report = check(tmp_path, on_features=lambda done, total, cached: seen.append(done))
    assert report.near_duplicates == [["b/2.wav", "b/again.flac"]]
    assert seen[-1] == 4 and not report.is_clean
    assert "sounds like one recording (1):\n  b/2.wav = b/again.flac" in report.as_text()
    seen.clear()
    assert check(tmp_path, on_features=lambda done, total, cached: seen.append(done)) == report
    assert not seen, "it is remembered"
    (tmp_path / "a" / "b.flac").write_bytes((tmp_path / "b" / "again.flac").read_bytes())
    assert check(tmp_path).across_genres == [["a/b.flac", "b/again.flac"], ["a/b.flac", "b/2.wav", "b/again.flac"]]
    assert check(tmp_path, by_sound=False).near_duplicates is None
    monkeypatch.setattr("core.dataset.report.MOST_COMPARED", 3)
    assert "near duplicates were not searched" in check(tmp_path).as_text()
