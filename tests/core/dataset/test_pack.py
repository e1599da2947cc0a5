"""Feature packs: made from audio or from an archive, and as good as a folder of audio."""

import csv
import io
import json
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import torch

from core.dataset.clip import DatasetError
from core.dataset.load import load_dataset
from core.dataset.pack import ARCHIVE_FRONT_END, import_archive, open_pack, pack
from core.dataset.report import check
from core.dataset.scan import scan
from core.dataset.settings import SplitSettings
from core.dataset.store.extract import compute_features
from core.features.settings import FrontEndSettings
from tests.support.folders import genre_folder
from tests.support.paths import GTZAN_LOGMEL
from tui.cli import main

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


NAMES, GENRES, MEL = np.array(["p", "q"]), np.array(["x", "y"]), np.zeros((2, 16, 9), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"Y": MEL}, "is not an archive of X, name and genre"),
        ({"X": np.array([{}]), "name": NAMES, "genre": GENRES}, "is not an archive of X, name and genre"),
        ({"X": MEL.astype(float), "name": NAMES, "genre": GENRES}, "should hold X as bytes"),
        ({"X": MEL[0], "name": NAMES, "genre": GENRES}, "should hold X as bytes"),
        ({"X": MEL[:0], "name": NAMES[:0], "genre": GENRES[:0]}, "holds no clips"),
        ({"X": MEL[:, :, :0], "name": NAMES, "genre": GENRES}, "without bands or frames"),
        ({"X": MEL, "name": np.array("p"), "genre": GENRES}, "should hold name as 2 texts"),
        ({"X": MEL, "name": NAMES, "genre": np.array("x")}, "should hold genre as 2 texts"),
        ({"X": MEL, "name": NAMES[:1], "genre": GENRES}, "should hold name as 2 texts"),
        ({"X": MEL, "name": NAMES, "genre": GENRES.astype("S")}, "should hold genre as 2 texts"),
        ({"X": MEL[:, :8], "name": NAMES, "genre": GENRES}, "has 8 mel bands"),
    ],
)
def test_an_archive_of_another_shape_is_refused(arrays: dict[str, np.ndarray], sentence: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", allow_pickle=True, **arrays)
    assert_refused(tmp_path / "x.npz", sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "not an .npz archive"), (b"nothing", "not an .npz archive"), (None, "does not exist")],
)
def test_what_is_not_an_archive_is_refused(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content)
    assert_refused(tmp_path / "x.npz", sentence)


def test_an_array_alone_is_not_an_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", MEL)
    assert_refused(tmp_path / "x.npy", "not an .npz archive")


def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    whole = bytearray((tmp_path / "x.npz").read_bytes())
    whole[200:400] = bytes(200)
    (tmp_path / "x.npz").write_bytes(whole)
    assert_refused(tmp_path / "x.npz", "is not an archive of X, name and genre")


def assert_refused(path: Path, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence) as refused:
        import_archive(path, path.parent / "pack", settings=SETTINGS)
    assert path.name in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(path.parent.glob("*pack*"))


def test_an_index_of_other_clips_is_refused(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    index = tmp_path / "other.csv"
    index.write_text("name,artist\nsong 1,Ann\n")
    with pytest.raises(DatasetError, match=r"such as 'song 1', .* such as 'clip.0'"):
        import_archive(tmp_path / "x.npz", tmp_path / "pack", index, SETTINGS)
    index.write_text("name,artist\n")
    with pytest.raises(DatasetError, match="names none"):
        import_archive(tmp_path / "x.npz", tmp_path / "pack", index, SETTINGS)
    assert not (tmp_path / "pack").exists()


def test_columns_of_an_index_may_be_called_like_the_packs_own(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    index = tmp_path / "index.csv"
    header = "name,genre,format,frames,rate,channels,duration_s,content,index:genre"
    index.write_text(
        header + "\n" + "".join(f"clip.{n},{'train' if n else 'valid'},b,c,d,e,f,g,h\n" for n in range(12))
    )
    clip = import_archive(tmp_path / "x.npz", tmp_path / "pack", index, SETTINGS).clips[1]
    assert (clip.genre, clip.format, clip.channels) == ("b", "log-mel", 1)
    assert [clip.columns[column] for column in header.split(",")[1:]] == ["train", *"bcdefgh"]
    parts = SplitSettings(protocol="column", column="genre")
    assert load_dataset(tmp_path / "pack", SETTINGS, parts).split.valid == [0]


def test_clips_can_be_divided_by_their_genre_without_an_index(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    features = import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=SETTINGS)
    assert [clip.columns["genre"] for clip in features.clips] == [clip.genre for clip in features.clips]


def test_a_pack_is_not_packed_again(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=SETTINGS)
    with pytest.raises(DatasetError, match="is a feature pack already"):
        pack(tmp_path / "pack", tmp_path / "again", SETTINGS)
    assert not (tmp_path / "again").exists()


def test_a_folder_without_a_clip_that_can_be_seen_is_not_packed(tmp_path: Path) -> None:
    """Each clip has sound, but none in its beginning."""
    for genre in "ab":
        (tmp_path / "audio" / genre).mkdir(parents=True)
        late = np.concatenate([np.zeros(22_050), np.sin(np.arange(22_050) / (9 if genre == "a" else 5)) / 2])
        soundfile.write(tmp_path / "audio" / genre / "late.wav", late, 22_050)
    with pytest.raises(DatasetError, match=r"No clip of .* can be packed: .*late.wav, the first of 2, is silent"):
        pack(tmp_path / "audio", tmp_path / "pack", msgspec.structs.replace(SETTINGS, seconds=0.5))
    assert not list(tmp_path.glob("*pack*"))


def test_a_hop_too_short_for_the_archive_is_refused(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    with pytest.raises(DatasetError, match="give the hop length"):
        import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=FrontEndSettings(n_mels=16, hop_length=1))
    assert not (tmp_path / "pack").exists()


def test_the_folder_one_is_in_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "x.npz")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DatasetError, match="choose a new folder"):
        import_archive(tmp_path / "x.npz", ".", settings=SETTINGS)


@pytest.mark.parametrize("option", ["--top-db", "--sample-rate"])
@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1"])
def test_a_front_end_that_cannot_be_leaves_no_pack(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "x.npz", mels=128)
    assert main(["data", "import", str(tmp_path / "x.npz"), str(tmp_path / "pack"), option, value]) == 2
    assert option[2:].split("-")[0] in capsys.readouterr().err
    assert not list(tmp_path.glob("*pack*"))


def test_import_has_no_seconds_since_an_archive_has_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path / "x.npz", mels=128)
    assert main(["data", "import", str(tmp_path / "x.npz"), str(tmp_path / "pack"), "--seconds", "5"]) == 2
    assert "--seconds" in capsys.readouterr().err
    assert main(["data", "import", str(tmp_path / "x.npz"), str(tmp_path / "pack")]) == 0


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    (tmp_path / "pack").mkdir()
    import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=SETTINGS)
    with pytest.raises(DatasetError, match="already exists"):
        import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=SETTINGS)


@pytest.mark.parametrize(
    "damage",
    [
        *("cut", "missing", "rows", "no rows", "short row", "long row", "21 frames", "0 frames", "-3 frames"),
        *("x frames", "manifest", "nan", "version", "other"),
    ],
)
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
    elif damage == "no rows":
        index.write_text(index.read_text().splitlines()[0] + "\n")
    elif damage == "short row":
        index.write_text(index.read_text().rstrip("\n").rpartition(",")[0] + "\n")
    elif damage == "long row":
        index.write_text(index.read_text().rstrip("\n") + ",more\n")
    elif damage.endswith("frames"):
        index.write_text(index.read_text().replace(",20,", f",{damage.split()[0]},", 1))
    elif damage == "nan":
        manifest.write_text(manifest.read_text().replace('"top_db": 100.0', '"top_db": null'))
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "version":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 9}))
    else:
        np.save(features, np.zeros((12, 16, 20), dtype=np.float32))
    with pytest.raises(DatasetError, match="feature pack") as refused:
        load_dataset(folder, SETTINGS)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not GTZAN_LOGMEL.is_dir(), reason="gtzan-logmel is not here")
def test_the_shared_archive(tmp_path: Path) -> None:
    features = import_archive(GTZAN_LOGMEL / "gtzan-logmel.npz", tmp_path / "pack", GTZAN_LOGMEL / "index.csv")
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


@pytest.mark.parametrize("key", ["name", "genre"])
@pytest.mark.parametrize("text", ["../../evil", "/etc/evil", "..", "", "ro\x1b[2Jck"])
def test_names_that_lead_out_of_a_folder_are_refused(key: str, text: str, tmp_path: Path) -> None:
    names = {"name": NAMES, "genre": GENRES} | {key: np.array(["fine", text])}
    np.savez(tmp_path / "x.npz", X=MEL, name=names["name"], genre=names["genre"])
    assert_refused(tmp_path / "x.npz", f"cannot be imported: the {key}")
    np.savez(tmp_path / "y.npz", X=MEL, name=NAMES, genre=GENRES)
    import_archive(tmp_path / "y.npz", tmp_path / "pack", settings=SETTINGS)
    index = (tmp_path / "pack" / "index.csv").read_text()
    (tmp_path / "pack" / "index.csv").write_text(
        index.replace("q,y," if key == "name" else ",y,", {"name": f'"{text}",y,', "genre": f',"{text}",'}[key])
    )
    with pytest.raises(DatasetError, match="is damaged"):
        open_pack(tmp_path / "pack")


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    "shape", [(10**12, 10**6, 10**6), (2**62, 4, 1), (2, 16, 10), (2, -16, -9), (10**9, 128, 1292)]
)
def test_absurd_shapes_are_refused_in_a_sentence(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", name=NAMES, genre=GENRES)
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as file:
        file.writestr("X.npy", header(shape) + MEL.tobytes())
    assert_refused(tmp_path / "x.npz", "X.npy is declared as uint8")


def test_one_changed_byte_in_an_archive_is_noticed(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=MEL, name=NAMES, genre=GENRES)
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[200] ^= 1  # among the bytes of X
    (tmp_path / "x.npz").write_bytes(data)
    assert_refused(tmp_path / "x.npz", "is not an archive of X, name and genre")


def test_a_hole_in_a_pack_is_noticed_and_an_earlier_pack_without_checksums_opens(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz")
    import_archive(tmp_path / "x.npz", tmp_path / "pack", settings=FrontEndSettings(n_mels=16))
    features = tmp_path / "pack" / "features.npy"
    data = bytearray(features.read_bytes())
    data[200:300] = bytes(100)
    features.write_bytes(data)
    with pytest.raises(DatasetError, match="the checksums of 1 of its 12 spectrograms are wrong"):
        load_dataset(tmp_path / "pack", SETTINGS)
    with (tmp_path / "pack" / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "pack" / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [column for column in rows[0] if column != "crc32"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    assert len(load_dataset(tmp_path / "pack", SETTINGS).features) == 12
