"""Feature packs: made from audio or from an archive, and as good as a folder of audio."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core.dataset.check import check
from core.dataset.errors import DatasetError
from core.dataset.features import compute_features
from core.dataset.load import load_dataset
from core.dataset.pack import ARCHIVE_FRONT_END, import_archive, open_pack, pack
from core.dataset.scan import scan
from core.dataset.settings import SplitSettings
from core.features.settings import FrontEndSettings
from tests.core.dataset.folders import ARCHIVE, genre_folder

SETTINGS = FrontEndSettings(n_mels=16, seconds=1.0)


def archive(path: Path, clips: int = 12, frames: int = 20, mels: int = 16) -> np.ndarray:
    mel = np.random.default_rng(0).integers(0, 256, (clips, mels, frames), dtype=np.uint8)
    genres = np.array(["ab"[n % 2] for n in range(clips)])
    np.savez_compressed(path, X=mel, name=np.array([f"clip.{n}" for n in range(clips)]), genre=genres)
    return mel


def test_a_pack_of_a_folder_trains_like_the_folder(tmp_path: Path) -> None:
    root = genre_folder(tmp_path / "audio", {"a": 10, "b": 10}, seconds=0.9)
    (root / "index.csv").write_text("name,artist\n" + "".join(f"a.{n:05d},Ann {n // 2}\n" for n in range(10)))
    (root / "a" / "bad.wav").touch()
    excluded = pack(root, tmp_path / "out" / "pack", SETTINGS)
    assert [item.path for item in excluded] == ["a/bad.wav"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pack"]
    from_audio = load_dataset(root, SETTINGS)
    counted: list[int] = []
    from_pack = load_dataset(
        tmp_path / "out" / "pack", FrontEndSettings(), on_scanned=lambda found, _: counted.append(len(found.clips))
    )
    assert counted == [20]
    assert from_pack.split == from_audio.split
    assert from_pack.features.settings == SETTINGS
    for name in ("frames", "labels"):
        assert torch.equal(getattr(from_pack.features, name), getattr(from_audio.features, name))
    assert torch.equal(from_pack.features.batch(range(20)), from_audio.features.batch(range(20)))
    clip = from_pack.features.clips[3]
    assert (clip.name, clip.genre, clip.columns["artist"]) == ("a.00003", "a", "Ann 1")
    assert check(tmp_path / "out" / "pack").is_clean


def test_an_archive_is_imported_as_it_is(tmp_path: Path) -> None:
    mel = archive(tmp_path / "x.npz")
    index = tmp_path / "index.csv"
    index.write_text(
        "name,split,exact_duplicate_group\n" + "".join(f"clip.{n},{'train' if n else 'valid'},\n" for n in range(12))
    )
    settings = FrontEndSettings(n_mels=16, hop_length=1709, top_db=80)
    features = import_archive(tmp_path / "x.npz", tmp_path / "pack", index, settings)
    np.testing.assert_array_equal(features.batch(range(12)).numpy(), mel)
    assert features.settings.frames == 20
    assert features.frames.tolist() == [20] * 12
    assert features.genres == ["a", "b"]
    assert len({clip.content for clip in features.clips}) == 12
    decibels = features.as_decibels(features.batch(range(12)))
    assert (float(decibels.min()), float(decibels.max())) == (-80, 0)
    divided = load_dataset(tmp_path / "pack", FrontEndSettings(), SplitSettings(protocol="column")).split
    assert (len(divided.train), divided.valid) == (11, [0])


def test_an_index_can_be_given_later(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=FrontEndSettings(n_mels=16))
    index = tmp_path / "artists.csv"
    index.write_text("name,artist\n" + "".join(f"clip.{n},{n // 2}\n" for n in range(12)))
    settings = SplitSettings(protocol="grouped", groups="artist", folds=3)
    first = load_dataset(tmp_path / "pack", SETTINGS, settings, index=index)
    second = load_dataset(
        tmp_path / "pack", SETTINGS, SplitSettings(protocol="grouped", groups=f"{index}:artist", folds=3)
    )
    assert first.split == second.split
    assert first.features.clips[5].columns["artist"] == "2"


@pytest.mark.parametrize("frames", [16, 20, 387, 1292])
@pytest.mark.parametrize("hop", [256, 512, 1709])
def test_the_front_end_lasts_as_long_as_the_archive(frames: int, hop: int, tmp_path: Path) -> None:
    archive(tmp_path / "x.npz", clips=2, frames=frames, mels=2)
    settings = FrontEndSettings(n_mels=2, hop_length=hop)
    assert import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=settings).settings.frames == frames


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("nothing")
    np.savez(tmp_path / "other.npz", Y=np.zeros(3))
    np.savez(tmp_path / "floats.npz", X=np.zeros((2, 16, 9)), name=np.array(["a", "b"]), genre=np.array(["x", "y"]))
    np.savez(tmp_path / "objects.npz", X=np.array([{}]), name=np.array(["a"]), genre=np.array(["x"]))
    archive(tmp_path / "bands.npz", mels=8)
    for name in ("text", "other", "floats", "objects", "bands", "missing"):
        with pytest.raises(DatasetError, match=name) as refused:
            import_archive(tmp_path / f"{name}.npz", tmp_path / "pack", settings=SETTINGS)
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "pack").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    (tmp_path / "pack").mkdir()
    import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=SETTINGS)
    with pytest.raises(DatasetError, match="is there already"):
        import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=SETTINGS)


@pytest.mark.parametrize("damage", ["cut", "missing", "rows", "manifest", "version", "other"])
def test_a_damaged_pack_is_refused(damage: str, tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    folder = tmp_path / "pack"
    import_archive(tmp_path / "x.npz", folder, settings=SETTINGS)
    features, index, manifest = folder / "features.npy", folder / "index.csv", folder / "pack.json"
    if damage == "cut":
        features.write_bytes(features.read_bytes()[:-1])
    elif damage == "missing":
        features.unlink()
    elif damage == "rows":
        index.write_text("\n".join(index.read_text().splitlines()[:-1]))
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "version":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 9}))
    else:
        np.save(features, np.zeros((12, 16, 20), dtype=np.float32))
    with pytest.raises(DatasetError, match="feature pack"):
        load_dataset(folder, SETTINGS)


@pytest.mark.skipif(not ARCHIVE.is_dir(), reason="gtzan-logmel is not here")
def test_the_shared_archive(tmp_path: Path) -> None:
    features = import_archive(ARCHIVE / "gtzan-logmel.npz", tmp_path / "pack", ARCHIVE / "index.csv")
    assert features.mel.shape == (709, 128, 387)
    assert features.settings.frames == 387
    assert features.settings.hop_length == ARCHIVE_FRONT_END.hop_length
    assert len(scan(tmp_path / "pack").genres) == 10
    published = load_dataset(tmp_path / "pack", FrontEndSettings(), SplitSettings(protocol="column")).split
    assert (len(published.train), len(published.valid), published.test) == (442, 197, [])
    assert open_pack(tmp_path / "pack").clips[0].columns["artist"] == "John Lee Hooker"


def test_a_folder_needs_its_front_end_to_be_packed_twice(tmp_path: Path) -> None:
    """The pack's rows are the store's rows, for whichever front end was asked for."""
    root = genre_folder(tmp_path / "audio", {"a": 3, "b": 3})
    for n_mels in (8, 16):
        settings = FrontEndSettings(n_mels=n_mels, seconds=1.0)
        pack(root, tmp_path / str(n_mels), settings)
        computed, _ = compute_features(scan(root).clips, settings)
        assert torch.equal(open_pack(tmp_path / str(n_mels)).batch(range(6)), computed.batch(range(6)))
