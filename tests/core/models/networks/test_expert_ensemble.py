"""Experts over window statistics choose what suits the collection, and say what they chose."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.models.networks import expert_choice
from core.models.networks.expert_choice import CLIP_SPREAD, EXPERTS, distances, within_clips, within_genres
from core.models.networks.expert_ensemble import ExpertEnsemble, leave_out_empty_places
from core.models.networks.lda_expert import StatisticsExpert, standardised
from core.models.registry import FRAME_SECONDS, build_model
from core.training.loop.adapt import INNER_FOLDS, inner_folds


def two_kinds(clips: int, windows: int = 2, frames: int = 60) -> tuple[Tensor, Tensor]:
    """Windows [I, W, M, T] that move fast and that move slowly, of the same average spectrum, and labels [I]."""
    labels = torch.arange(clips) % 2
    fast = torch.randn(clips, windows, 16, frames)
    slow = torch.nn.functional.avg_pool1d(torch.randn(clips * windows, 16, frames + 5), 6, 1) * 6**0.5
    return torch.where(labels[:, None, None, None] == 0, fast, slow.view_as(fast)) * 5 - 40, labels


def fitted(clips: int = 30, genres: int = 2, folds: int = 3, memory: int = 20) -> ExpertEnsemble:
    torch.manual_seed(0)
    experts = ExpertEnsemble(16, genres, frame_seconds=FRAME_SECONDS, memory=memory)
    windows = two_kinds(clips)
    experts.fit([windows], [windows], torch.arange(clips) // 2 % folds)
    return experts


def accuracy(experts: ExpertEnsemble) -> float:
    mel, labels = two_kinds(40, windows=1)
    return float((experts(mel[:, 0]).argmax(1) == labels).float().mean())


def test_it_says_nothing_before_it_is_fitted_and_knows_the_kinds_afterwards() -> None:
    experts = ExpertEnsemble(16, 2, frame_seconds=FRAME_SECONDS, memory=20)
    assert experts(two_kinds(4)[0][:, 0]).abs().max() == 0
    assert accuracy(fitted()) > 0.9


def test_the_choice_is_described_and_travels_with_the_weights() -> None:
    experts = fitted()
    choice = experts.describe()
    weights, accuracies = choice["weights"], choice["accuracies"]
    assert isinstance(weights, dict) and isinstance(accuracies, dict)
    assert list(weights) == list(EXPERTS) and min(weights.values()) >= 0 and max(weights.values()) > 0
    assert accuracies["ensemble"] > 0.9
    copy = ExpertEnsemble(16, 2, frame_seconds=FRAME_SECONDS, memory=20)
    copy.load_state_dict(experts.state_dict())
    assert copy.describe() == choice
    mel = two_kinds(6)[0][:, 0]
    torch.testing.assert_close(copy(mel), experts(mel))


@pytest.mark.parametrize("kind", ["ensemble", "statistics"])
def test_empty_places_of_the_memory_make_no_difference(kind: str) -> None:
    if kind == "ensemble":
        experts: ExpertEnsemble | StatisticsExpert = fitted(memory=60)
    else:
        experts = StatisticsExpert(16, 2, shrinkage=0.3, bandwidth=3.0)
        experts.fit([two_kinds(30)])
    mel = two_kinds(6)[0][:, 0]
    before, places = experts(mel), experts.clip_bias.shape[1]
    leave_out_empty_places(experts)
    assert experts.clip_bias.shape[1] == 15 < places
    torch.testing.assert_close(experts(mel), before, atol=1e-4, rtol=1e-4)


def test_settings_are_chosen_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never worse on the inner folds than those that are best for each expert alone."""

    def loss(rounds: int) -> float:
        monkeypatch.setattr(expert_choice, "ROUNDS", rounds)
        torch.manual_seed(2)
        experts = ExpertEnsemble(16, 3, frame_seconds=FRAME_SECONDS, memory=20)
        mel, labels = torch.randn(60, 2, 16, 60) * 5 - 40, torch.arange(60) % 3
        mel[labels == 1] += torch.linspace(0, 2, 16)[:, None]
        held_out = experts.fit([(mel, labels)], [(mel, labels)], torch.arange(60) // 3 % 5)
        assert held_out is not None
        return float(torch.nn.functional.cross_entropy(held_out, labels))

    assert loss(3) < loss(0)


@pytest.mark.parametrize("is_gaussian", [True, False])
def test_a_model_of_an_earlier_version_keeps_its_kernel(is_gaussian: bool) -> None:
    """It is Gaussian, and the settings have no exponent per L1 distance, or L1; it compares correlations, too."""
    saved = fitted().state_dict()
    exponent = torch.tensor(0.001)
    saved["clips"] = torch.randn(*saved["clip_bias"].shape, len(saved["mean"]))
    weights = torch.tensor([0.3, 0.3, 5.0, 0.3, 0.0, 0.0, 2.0])
    saved["settings"] = torch.cat([weights, exponent[None] if is_gaussian else torch.tensor([0.0, exponent])])
    experts = ExpertEnsemble(16, 2, frame_seconds=FRAME_SECONDS, memory=20)
    experts.load_state_dict(saved)
    mel = two_kinds(6)[0][:, 0]
    features = standardised(experts.measured(mel), experts.mean, experts.std)
    apart = torch.cdist(features, saved["clips"].flatten(0, 1), p=2.0 if is_gaussian else 1.0)
    kernel = torch.exp(-exponent * (apart.square() if is_gaussian else apart))
    expected = 2 * kernel @ saved["coefficients"].flatten(0, 1)
    torch.testing.assert_close(experts(mel), expected, rtol=1e-3, atol=1e-4)
    again = ExpertEnsemble(16, 2, frame_seconds=FRAME_SECONDS, memory=20)
    again.load_state_dict(experts.state_dict())
    torch.testing.assert_close(again(mel), experts(mel))
    windows = two_kinds(30)
    experts.fit([windows], [windows], torch.arange(30) // 2 % 3)
    assert experts.clips.shape[2] == len(experts.statistics.compared_by_kernel) < len(saved["mean"])
    assert accuracy(experts) > 0.9


def test_l1_distances_are_those_of_cdist() -> None:
    torch.manual_seed(0)
    x, y = 3 * torch.randn(5, 985), 3 * torch.randn(7, 985)
    y[2] = x[1]
    torch.testing.assert_close(distances(x, y), torch.cdist(x, y, p=1.0), rtol=1e-5, atol=1e-2)
    torch.testing.assert_close(distances(x.double(), y.double()), torch.cdist(x.double(), y.double(), p=1.0))


def test_the_discriminant_ignores_what_differs_within_clips() -> None:
    """A statistic that varies as much between windows of a clip as between genres counts less than one that does not.

    Between clips of a genre both vary alike, so the covariance within genres does not tell them apart.
    """
    torch.manual_seed(0)
    labels = torch.arange(200) % 2
    clips = torch.randn(200, 1, 2) + 0.5 * (labels * 2 - 1)[:, None, None]
    windows = clips + torch.tensor([1.0, 0.1]) * torch.randn(200, 16, 2)
    spread = within_clips(windows)
    assert spread.diagonal().tolist() == pytest.approx([0.94, 0.0094], rel=0.1)
    means, covariance, _ = within_genres(windows, labels, 2)
    towards = torch.linalg.solve(covariance + CLIP_SPREAD * spread, means[1] - means[0])
    assert 0 < 5 * towards[0] < towards[1]
    assert within_clips(windows[:, :1]).abs().max() == 0


def test_what_does_not_help_gets_no_confidence() -> None:
    """Genres that sound alike: any confidence would be false, and the held-out clips show it."""
    torch.manual_seed(0)
    experts = ExpertEnsemble(16, 2, frame_seconds=FRAME_SECONDS, memory=20)
    mel, labels = torch.randn(40, 2, 16, 60) * 5 - 40, torch.arange(40) % 2
    experts.fit([(mel, labels)], [(mel, labels)], torch.arange(40) // 2 % 4)
    new = torch.randn(64, 16, 60) * 5 - 40
    assert experts(new).softmax(1).amax(1).mean() < 0.8


@pytest.mark.parametrize(("genres", "folds", "memory"), [(2, 1, 20), (3, 3, 20), (2, 3, 4)])
def test_one_fold_genres_without_clips_and_little_memory_are_taken(genres: int, folds: int, memory: int) -> None:
    experts = fitted(genres=genres, folds=folds, memory=memory)
    assert all(value.isfinite().all() for value in experts.state_dict().values())
    assert accuracy(experts) > 0.9


def test_statistics_are_of_time_and_not_of_frames() -> None:
    """The same sound at a half and at a quarter of the hop has the same statistics."""
    torch.manual_seed(0)
    finest = torch.randn(4, 16, 400)
    measured = [
        ExpertEnsemble(16, 2, frame_seconds=FRAME_SECONDS / frames, memory=1).measured(
            torch.nn.functional.avg_pool1d(finest, 4 // frames)
        )
        for frames in (1, 2, 4)
    ]
    torch.testing.assert_close(measured[1], measured[0])
    torch.testing.assert_close(measured[2], measured[0])


@pytest.mark.parametrize("frame_seconds", [0.01, 0.234])
def test_a_network_of_any_frames_takes_the_shortest_window(frame_seconds: float) -> None:
    model = build_model("ensemble_cnn", n_mels=16, genres=3, frames=16, frame_seconds=frame_seconds, width=4).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 16, 16)).shape == (2, 3)


def clip(number: int, genre: str, **columns: str) -> Clip:
    return Clip(
        path=Path(f"{number}.au"),
        genre=genre,
        name=str(number),
        content=f"content {number}",
        rate=22_050,
        channels=1,
        format="AU",
        duration_s=30.0,
        columns=columns,
    )


def test_inner_folds_keep_artists_and_albums_together_and_genres_even() -> None:
    clips = [clip(i, "reggae" if i % 2 else "pop", artist=f"artist {i // 4}") for i in range(60)]
    clips += [clip(60, "pop", artist="new", album="one"), clip(61, "pop", artist="other", album="one")]
    folds = inner_folds(clips)
    assert set(folds.tolist()) == set(range(INNER_FOLDS))
    assert all(len(set(folds[i : i + 4].tolist())) == 1 for i in range(0, 60, 4))
    assert folds[60] == folds[61]
    for genre in ("reggae", "pop"):
        counts = torch.bincount(folds[[i for i, one in enumerate(clips) if one.genre == genre]])
        assert counts.max() - counts.min() <= 4


def test_clips_of_one_artist_are_one_fold() -> None:
    assert set(inner_folds([clip(i, "pop", artist="same") for i in range(6)]).tolist()) == {0}
