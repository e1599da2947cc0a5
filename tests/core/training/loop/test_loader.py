"""Windows lie inside their clips and are the same wherever the spectrograms are; so is training, however fast."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.dataset.store.feature_set import DiskArray, ExcerptRows
from core.features.log_mel import dequantise
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.training.loop.loader import BatchLoader, batch_bounds, random_windows, spaced_windows
from core.training.loop.precision import choose_precision, has_bfloat16
from tests.support import trainer_runs as lives

FRAMES = torch.tensor([100, 30, 64, 10, 500])
SINGLE = ExcerptRows(torch.ones(5, dtype=torch.int64))
SEVERAL = ExcerptRows(torch.tensor([1, 3, 1]))
"""Of the same rows: the second of three clips has three."""


def test_random_windows_lie_inside_their_clips_and_use_every_clip() -> None:
    clips = torch.tensor([0, 1, 3, 4])
    windows = random_windows(clips, SINGLE, FRAMES, 30, 500, seed=0, epoch=1)
    assert torch.equal(windows.row.bincount(minlength=5), torch.tensor([500, 500, 0, 500, 500]))
    for clip in clips.tolist():
        starts = windows.start[windows.row == clip]
        room = max(0, int(FRAMES[clip]) - 30)
        assert 0 <= int(starts.min()) <= room * 0.05
        assert room * 0.95 <= int(starts.max()) <= room
        if room:
            assert abs(float(starts.double().mean()) - room / 2) < 0.1 * room


def test_every_start_is_drawn_in_the_end() -> None:
    windows = random_windows(torch.tensor([2]), SINGLE, FRAMES, 60, 500, seed=0, epoch=1)
    assert set(windows.start.tolist()) == {0, 1, 2, 3, 4}


def test_windows_depend_on_seed_and_epoch_alone() -> None:
    clips = torch.arange(5)

    def drawn(seed: int, epoch: int) -> list[int]:
        return random_windows(clips, SINGLE, FRAMES, 8, 20, seed, epoch).start.tolist()

    assert drawn(0, 1) == drawn(0, 1)
    assert len({tuple(drawn(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_spaced_windows_reach_from_the_beginning_to_the_end() -> None:
    windows = spaced_windows(torch.tensor([0, 3]), SINGLE, FRAMES, 20, 5)
    assert windows.row.tolist() == [0] * 5 + [3] * 5
    assert windows.start.tolist() == [0, 20, 40, 60, 80, 0, 0, 0, 0, 0]
    assert spaced_windows(torch.tensor([0]), SINGLE, FRAMES, 20, 1).start.tolist() == [40]


def test_random_windows_are_of_every_excerpt_of_a_clip() -> None:
    windows = random_windows(torch.tensor([0, 1]), SEVERAL, FRAMES, 10, 300, seed=0, epoch=1)
    counts = windows.row.bincount(minlength=5).tolist()
    assert counts[0] == 300 and counts[4] == 0
    assert sum(counts[1:4]) == 300 and min(counts[1:4]) > 70


def test_spaced_windows_are_shared_out_among_the_excerpts() -> None:
    clips = torch.tensor([1, 2])
    windows = spaced_windows(clips, SEVERAL, FRAMES, 10, 4)
    assert windows.row.tolist() == [1, 1, 2, 3, 4, 4, 4, 4]
    assert windows.start.tolist()[:4] == [0, 20, 27, 0]
    assert spaced_windows(clips, SEVERAL, FRAMES, 10, 3).row.tolist() == [1, 2, 3, 4, 4, 4]


@pytest.mark.parametrize("batch_size", [2, 3, 16])
@pytest.mark.parametrize("windows", [2, 3, 5, 16, 17, 33, 81, 800])
def test_no_batch_of_a_single_window(windows: int, batch_size: int) -> None:
    bounds = batch_bounds(windows, batch_size)
    sizes = [last - first for first, last in bounds]
    assert sum(sizes) == windows and bounds[0][0] == 0
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    assert min(sizes) >= 2 and max(sizes) - min(sizes) <= 1 and max(sizes) <= max(3, batch_size)


CPU = torch.device("cpu")


def test_disk_and_memory_give_the_same_batches(collection: Path) -> None:
    on_disk, _ = compute_features(scan(collection).clips, lives.FRONT_END)
    in_memory = on_disk.to("cpu")
    assert isinstance(on_disk.mel, DiskArray) and isinstance(in_memory.mel, torch.Tensor)
    windows = random_windows(torch.arange(len(on_disk)), on_disk.excerpts, on_disk.frames, 40, 2, seed=3, epoch=1)
    pairs = zip(
        BatchLoader(on_disk, 40, CPU).batches(windows, 7),
        BatchLoader(in_memory, 40, CPU).batches(windows, 7),
        strict=True,
    )
    count = 0
    for one, other in pairs:
        assert torch.equal(one.mel_BMT, other.mel_BMT) and torch.equal(one.labels_B, other.labels_B)
        assert one.mel_BMT.shape[1:] == (32, 40) and one.mel_BMT.dtype == torch.float32
        count += len(one.labels_B)
    assert count == 2 * len(on_disk)


def test_a_window_is_the_stretch_it_says(collection: Path) -> None:
    features = compute_features(scan(collection).clips, lives.FRONT_END)[0].to("cpu")
    windows = random_windows(torch.tensor([4, 9]), features.excerpts, features.frames, 20, 3, seed=0, epoch=1)
    mel_BMT, labels_B = BatchLoader(features, 20, CPU).read(windows)
    for mel_MT, label, clip, start in zip(mel_BMT, labels_B, windows.row, windows.start, strict=True):
        assert isinstance(features.mel, torch.Tensor)
        quantised_MT = features.mel[clip, :, start : start + 20]
        assert torch.equal(mel_MT, dequantise(quantised_MT, lives.FRONT_END.top_db))
        assert label == features.labels[clip]


def test_going_on_in_the_middle_gives_the_rest(collection: Path) -> None:
    features = compute_features(scan(collection).clips, lives.FRONT_END)[0].to("cpu")
    loader = BatchLoader(features, 20, CPU)
    windows = random_windows(torch.arange(30), features.excerpts, features.frames, 20, 1, seed=0, epoch=1)
    whole = list(loader.batches(windows, 4))
    rest = list(loader.batches(windows, 4, first=5))
    assert len(rest) == len(whole) - 5
    assert all(torch.equal(a.mel_BMT, b.mel_BMT) for a, b in zip(whole[5:], rest, strict=True))
    assert list(loader.batches(windows, 4, first=len(whole))) == []


def losses(run: RunFolder) -> list[float]:
    assert isinstance(lives.train(run), ev.RunFinished)
    return [epoch.train_loss for epoch in lives.of_kind(run, ev.EpochFinished)]


CALM = {"batch_size": 12, "model_options": {"dropout": 0.0}}
"""Statistics of tiny batches blow rounding up, and dropout draws another mask for another number format."""


@pytest.fixture(scope="module")
def plain(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return losses(lives.new_run(tmp_path_factory.mktemp("plain"), collection, plain=True, **CALM))


def test_the_fast_path_trains_as_the_plain_one_does(collection: Path, tmp_path: Path, plain: list[float]) -> None:
    fast = losses(lives.new_run(tmp_path, collection, **CALM))
    assert fast == pytest.approx(plain, rel=5e-3)


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this processor has no bfloat16 arithmetic")
def test_bfloat16_trains_as_float32_does(collection: Path, tmp_path: Path, plain: list[float]) -> None:
    run = lives.new_run(tmp_path, collection, precision="bfloat16", **CALM)
    rounded = losses(run)
    assert rounded[:2] == pytest.approx(plain[:2], rel=0.08)
    assert rounded[-1] < 0.3 * rounded[0]
    assert lives.of_kind(run, ev.ModelBuilt)[0].precision == "bfloat16"


def test_plain_turns_every_choice_off(collection: Path) -> None:
    precision = choose_precision(lives.recipe(collection, plain=True, precision="bfloat16"), CPU)
    assert not (precision.bfloat16 or precision.channels_last or precision.fused)
