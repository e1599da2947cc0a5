"""Windows lie inside their clips, and batches hold more than one."""

from itertools import pairwise

import pytest
import torch

from core.dataset.store.feature_set import ExcerptRows
from core.training.loop.sampler import batch_bounds, random_windows, spaced_windows

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
