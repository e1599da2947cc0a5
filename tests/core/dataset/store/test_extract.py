"""From files to spectrograms: computed once, the same on every path."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from core.audio.conversion import resample
from core.audio.files.decode import decode
from core.dataset.load import load_dataset
from core.dataset.report import check
from core.dataset.scan import Scan, scan
from core.dataset.settings import SplitSettings
from core.dataset.split import Split
from core.dataset.store import extract as features_module
from core.dataset.store.extract import compute_features, in_batches
from core.dataset.store.feature_set import DiskArray, FeatureSet
from core.dataset.store.feature_store import FeatureStore, async_writer
from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.util.errors import UserError
from tests.support.folders import genre_folder, mixed_folder
from tests.support.paths import GTZAN_MINI
from tests.support.sounds import sweep, write

SETTINGS = FrontEndSettings(n_mels=32, seconds=2.0)


def test_a_spectrogram_is_the_front_ends(tmp_path: Path) -> None:
    found = scan(mixed_folder(tmp_path))
    features, excluded = compute_features(found.clips, SETTINGS)
    assert excluded == []
    assert isinstance(features.mel, DiskArray)
    assert features.mel.shape == (8, 32, SETTINGS.frames)
    assert features.genres == ["a", "b"]
    assert features.labels.tolist() == [0] * 4 + [1] * 4
    front_end = FrontEnd(SETTINGS)
    for i, clip in enumerate(features.clips):
        y, rate = decode(clip.path, duration=SETTINGS.seconds)
        mel = front_end(torch.from_numpy(resample(y, rate, 22_050)[: SETTINGS.samples])[None])[0]
        stored = features.as_decibels(features.batch([i]))[0]
        frames = int(features.frames[i])
        assert frames == mel.shape[1]
        assert (stored[:, :frames] - mel).abs().max() <= SETTINGS.top_db / 255 / 2 + 1e-3
        assert (stored[:, frames:] == -SETTINGS.top_db).all()


@pytest.mark.parametrize("path", ["threads", "batches"])
def test_strange_rates_and_many_channels(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = genre_folder(tmp_path, {"a": 1, "b": 1})
    write(root / "a" / "slow.wav", sweep(40, 1), 1)
    write(root / "a" / "fast.wav", sweep(3, 384_000), 384_000)
    write(root / "b" / "wide.wav", np.stack([sweep(3, 22_050)] * 32, axis=1), 22_050)
    if path == "batches":
        monkeypatch.setattr(features_module, "_one_by_one", in_batches)
    features, excluded = compute_features(scan(root).clips, SETTINGS)
    assert excluded == []
    assert features.batch(range(5)).amax((1, 2)).tolist() == [255] * 5
    names = [clip.name for clip in features.clips]
    assert features.frames[names.index("slow")] == features.frames[names.index("fast")] == SETTINGS.frames


def test_batches_on_a_device_give_what_threads_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that a GPU takes, on the CPU: with batches of three, and one awkward rate."""
    found = scan(mixed_folder(tmp_path))
    features, _ = compute_features(found.clips, SETTINGS)
    monkeypatch.setattr(features_module, "LARGEST_BATCH", 3)
    batched = list(in_batches(found.clips, FrontEnd(SETTINGS), torch.device("cpu")))
    assert [clip for clip, _ in batched] == found.clips
    for i, (clip, codes) in enumerate(batched):
        assert isinstance(codes, torch.Tensor)
        assert codes.shape[1] == pytest.approx(int(features.frames[i]), abs=1)
        frames = min(codes.shape[1], int(features.frames[i]))
        difference = features.batch([i])[0, :, :frames].int() - codes[:, :frames].int()
        # The two resamplers differ where next to nothing is left of the sound, near half the rate.
        assert difference.abs().max() <= (1 if clip.rate in (22_050, 44_101) else 40)
        assert difference.float().abs().mean() < 1


def test_clips_of_one_rate_and_several_lengths_do_not_touch_each_other(tmp_path: Path) -> None:
    """They are brought to another rate together, and the filter rings on behind the end of the shorter ones."""
    root = genre_folder(tmp_path, {"a": 1, "b": 1})
    for name, seconds in {"short": 0.6, "middle": 1.1, "long": 2.0}.items():
        write(root / "a" / f"{name}.wav", sweep(seconds, 44_100), 44_100)
    clips, front_end, cpu = scan(root).clips, FrontEnd(SETTINGS), torch.device("cpu")
    for clip, together in in_batches(clips, front_end, cpu):
        [(_, alone)] = in_batches([clip], front_end, cpu)
        assert isinstance(together, torch.Tensor) and isinstance(alone, torch.Tensor)
        assert (together.int() - alone.int()).abs().max() <= 1


def test_what_is_stored_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = genre_folder(tmp_path, {"a": 3, "b": 3})
    first, _ = compute_features(scan(root).clips, SETTINGS)
    renamed = (root / "a" / "a.00000.au").rename(root / "b" / "zz.au")
    write(root / "a" / "a.00001.au", sweep(1, 22_050) * np.float32(0.3), 22_050)
    decoded: list[str] = []
    waveform = features_module.waveform

    def counted(clip: object, seconds: float) -> object:
        decoded.append(clip.name)  # type: ignore[attr-defined]
        return waveform(clip, seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(features_module, "waveform", counted)
    progress: list[tuple[int, int, int]] = []
    again, _ = compute_features(scan(root).clips, SETTINGS, on_progress=lambda *counts: progress.append(counts))
    assert decoded == ["a.00001"]
    assert progress == [(5, 6, 5), (6, 6, 5)]
    assert again.clips[-1].path == renamed
    torch.testing.assert_close(again.batch([5]), first.batch([0]))


class Reluctant(FeatureStore):
    """A store that cannot be written from its ``limit``-th spectrogram on, or that waits before its first one."""

    limit = 1_000
    go = threading.Event()

    def put(self, content: str, quantised_MT: torch.Tensor) -> None:
        self.go.wait(30)
        if len(self) + len(self._waiting) >= self.limit:
            raise UserError("the disk is full")
        super().put(content, quantised_MT)


def test_a_store_that_cannot_be_written_ends_the_work_soon(tmp_path: Path) -> None:
    store = Reluctant(SETTINGS, tmp_path)
    store.limit, given = 3, 0
    store.go.set()
    codes = torch.ones(SETTINGS.n_mels, 5, dtype=torch.uint8)
    with pytest.raises(UserError, match="the disk is full"), async_writer(store) as put:
        for given in range(100_000):
            put(f"{given:032x}", codes)
    assert given < 1_000
    assert len(FeatureStore(SETTINGS, tmp_path)) == 3


def test_what_is_computed_is_kept_when_somebody_stops(tmp_path: Path) -> None:
    store = Reluctant(SETTINGS, tmp_path)
    store.go.clear()
    codes = torch.ones(SETTINGS.n_mels, 5, dtype=torch.uint8)

    def stopped_while_ten_wait() -> None:
        with async_writer(store) as put:
            for number in range(10):
                put(f"{number:032x}", codes)
            store.go.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_while_ten_wait()
    assert len(FeatureStore(SETTINGS, tmp_path)) == 10


def test_copies_are_computed_once(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 2, "b": 2})
    (root / "b" / "copy.au").write_bytes((root / "a" / "a.00000.au").read_bytes())
    progress: list[tuple[int, int, int]] = []
    features, _ = compute_features(scan(root).clips, SETTINGS, on_progress=lambda *counts: progress.append(counts))
    assert progress == [(0, 5, 0), (2, 5, 0), (3, 5, 0), (4, 5, 0), (5, 5, 0)]
    torch.testing.assert_close(features.batch([0]), features.batch([4]))


@pytest.mark.parametrize("path", ["threads", "batches"])
def test_a_clip_that_fails_after_all_is_excluded(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = genre_folder(tmp_path, {"a": 5, "b": 5})
    late = np.concatenate([np.zeros(3 * 22_050, np.float32), sweep(1, 22_050)])
    write(root / "a" / "late.wav", late, 22_050)
    found = scan(root)
    (root / "b" / "b.00001.au").unlink()
    if path == "batches":
        monkeypatch.setattr(features_module, "_one_by_one", in_batches)
    features, excluded = compute_features(found.clips, SETTINGS)
    assert len(features) == 9
    assert {Path(item.path).name: item.reason for item in excluded} == {
        "late.wav": "is silent in its first 2 s",
        "b.00001.au": "no such file",
    }
    assert features.labels.tolist() == [0] * 5 + [1] * 4


def test_a_set_moves_into_memory_when_it_fits(tmp_path: Path) -> None:
    features, _ = compute_features(scan(genre_folder(tmp_path, {"a": 3, "b": 3})).clips, SETTINGS)
    loaded = features.to("cpu")
    assert isinstance(loaded.mel, torch.Tensor)
    kept = features.to("cpu", limit=features.mel.nbytes - 1)
    assert isinstance(kept.mel, DiskArray)
    assert isinstance(kept.to("cpu", limit=features.mel.nbytes).mel, torch.Tensor)
    kept.will_need([0, 1])
    for indices in ([5, 0, 0], torch.tensor([5, 0, 0])):
        torch.testing.assert_close(loaded.batch(indices), kept.batch(indices))
    assert loaded.as_decibels(loaded.batch([0])).amax() == 0


def test_a_dataset_is_loaded_with_its_split(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 10, "b": 10})
    (root / "b" / "bad.wav").touch()
    told: list[object] = []
    dataset = load_dataset(
        root,
        SETTINGS,
        SplitSettings(seed=3),
        on_scanning=lambda done, total: told.append(("scanning", done, total)),
        on_scanned=lambda found, divided: told.append((len(found.clips), len(found.excluded), len(divided.train))),
        on_features=lambda *counts: told.append(counts),
    )
    assert told[20:22] == [("scanning", 21, 21), (20, 1, 16)]
    assert told[-1] == (20, 20, 0)
    assert isinstance(dataset.features, FeatureSet)
    assert [item.path for item in dataset.excluded] == ["b/bad.wav"]
    again = load_dataset(root, SETTINGS, SplitSettings(seed=3))
    assert again.split == dataset.split


def test_a_clip_that_fails_after_the_split_leaves_a_whole_split(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 11, "b": 10})
    counts: list[int] = []

    def on_scanned(found: Scan, _divided: Split) -> None:
        counts.append(len(found.clips))
        (root / "a" / "a.00003.au").unlink(missing_ok=True)

    dataset = load_dataset(root, SETTINGS, on_scanned=on_scanned)
    assert counts == [21, 20]
    assert sorted(dataset.split.train + dataset.split.valid + dataset.split.test) == list(range(20))
    assert [item.reason for item in dataset.excluded] == ["no such file"]


def test_too_few_clips_are_said_before_anything_is_computed(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 10, "b": 2})
    with pytest.raises(UserError, match="The genre b has 2 usable clips"):
        load_dataset(root, SETTINGS, on_features=lambda *counts: pytest.fail("computed"))


@pytest.mark.skipif(not GTZAN_MINI.is_dir(), reason="gtzan-mini is not here")
def test_real_music_end_to_end() -> None:
    dataset = load_dataset(GTZAN_MINI, FrontEndSettings())
    features = dataset.features.to("cpu")
    assert features.batch([0]).shape == (1, 128, 1292)
    assert (len(dataset.split.train), len(dataset.split.valid), len(dataset.split.test)) == (76, 10, 10)
    assert 640 <= int(features.frames.min()) <= int(features.frames.max()) <= 900
    loudest = features.batch(range(96)).amax((1, 2))
    assert (loudest == 255).all()


def test_a_damaged_store_heals_itself_and_says_so(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 3, "b": 3})
    first, _ = compute_features(scan(root).clips, SETTINGS)
    whole = first.batch(range(6))
    rows = FeatureStore(SETTINGS).folder / "rows.bin"
    with rows.open("r+b") as file:
        file.write(bytes(100))
        file.truncate(rows.stat().st_size - 1)
    notes: list[str] = []
    healed, _ = compute_features(scan(root).clips, SETTINGS, on_note=notes.append)
    assert torch.equal(healed.batch(range(6)), whole)
    assert notes == ["Damaged spectrograms in the feature store are computed again: 2."]
    compute_features(scan(root).clips, SETTINGS, on_note=lambda note: pytest.fail(note))


def test_the_part_that_is_used_decides_whether_a_clip_is_silent(tmp_path: Path) -> None:
    """In the check, the scan and the training alike."""
    root = genre_folder(tmp_path, {"a": 3, "b": 3, "c": 1})
    late = np.concatenate([np.zeros(31 * 22_050, np.float32), sweep(1, 22_050)])
    write(root / "a" / "late.wav", late, 22_050)
    (root / "c" / "c.00000.au").unlink()
    write(root / "c" / "late.flac", late * np.float32(0.5), 22_050)
    report = check(root)
    reason = "is silent in its first 30 s"
    assert {item.path: item.reason for item in report.excluded} == {"a/late.wav": reason, "c/late.flac": reason}
    assert report.notes == ["The genre c has no usable clip and is left out."]
    notes: list[str] = []
    dataset = load_dataset(root, FrontEndSettings(n_mels=8), on_note=notes.append)
    assert [(item.path, item.reason) for item in report.excluded] == [
        (item.path, item.reason) for item in dataset.excluded
    ]
    assert notes == report.notes
    assert dataset.features.genres == ["a", "b"]
    assert len(scan(root, seconds=32).clips) == 8
    shutil.rmtree(root / "b")
    with pytest.raises(UserError, match="only one genre with usable clips, a: a classifier needs"):
        load_dataset(root, FrontEndSettings(n_mels=8))
    assert "only one genre" in str(check(root).refused)


def test_a_genre_that_is_lost_at_the_last_moment_is_no_training(tmp_path: Path) -> None:
    root = genre_folder(tmp_path, {"a": 4, "b": 4})
    with pytest.raises(UserError, match="only one genre with usable clips, a"):
        load_dataset(root, SETTINGS, on_scanned=lambda *_: shutil.rmtree(root / "b", ignore_errors=True))
