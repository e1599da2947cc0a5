"""What happens to a network before its first step, and how clips of one artist are evened out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.dataset.clip import Clip
from core.dataset.store.feature_set import ExcerptRows
from core.models.networks.lda_expert import FORGOTTEN, REMEMBERED, StatisticsExpert
from core.models.registry import build_model
from core.training.loop.init import augmentation, sampling_weights
from core.training.loop.loader import random_windows
from core.training.presets import PRESETS, preset
from core.training.recipe import from_dict, to_dict
from core.util.errors import UserError


def clip(number: int, genre: str, artist: str) -> Clip:
    return Clip(
        path=Path(f"{number}.au"),
        genre=genre,
        name=str(number),
        content=f"content {number}",
        rate=22_050,
        channels=1,
        format="AU",
        duration_s=30.0,
        columns={"artist": artist},
    )


CLIPS = [clip(i, "reggae", "Bob Marley") for i in range(9)] + [clip(9, "reggae", "Peter Tosh"), clip(10, "pop", "")]


def test_groups_are_evened_out_within_their_genre() -> None:
    weights = sampling_weights(CLIPS, torch.arange(11), "artist")
    assert weights is not None
    # Nine clips by one artist weigh three times as much as the one by another, and every genre as much as any.
    torch.testing.assert_close(weights[:9].sum() / weights[9], torch.tensor(3.0, dtype=torch.float64))
    torch.testing.assert_close(weights[:10].sum(), weights[10])


def test_clips_without_the_column_count_alike() -> None:
    """A preset asks for artists wherever there are any, and trains on folders without an index as well."""
    for columns in ({}, {"label": "Studio One"}):
        unknown = [replace(one, columns=columns) for one in CLIPS[:10]]
        weights = sampling_weights(unknown, torch.arange(10), "artist")
        assert weights is not None
        assert weights.unique().numel() == 1


def test_a_column_that_was_asked_for_and_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="no column 'label' to balance by: name one of artist"):
        sampling_weights(CLIPS, torch.arange(11), "label")
    with pytest.raises(UserError, match="no column 'label' to balance by: its labels come from no table"):
        sampling_weights([replace(one, columns={}) for one in CLIPS], torch.arange(11), "label")


def test_weights_are_of_the_training_clips_alone() -> None:
    weights = sampling_weights(CLIPS, torch.tensor([0, 9]), "artist")
    assert weights is not None
    assert weights[0] == weights[1]


def test_windows_are_drawn_by_weight() -> None:
    clips, frames = torch.tensor([3, 5]), torch.full((6,), 100)
    drawn = random_windows(
        clips, ExcerptRows(torch.ones(6, dtype=torch.int64)), frames, 40, 500, 0, 1, torch.tensor([3.0, 1.0])
    )
    assert len(drawn) == 1000
    assert set(drawn.row.tolist()) == {3, 5}
    assert 700 < (drawn.row == 3).sum() < 800
    assert drawn.start.min() >= 0
    assert drawn.start.max() <= 60


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_their_own_json_and_can_be_built(name: str) -> None:
    recipe = preset(name, "data")
    assert from_dict(to_dict(recipe)) == recipe
    if name != "seed":
        build_model(recipe.model, n_mels=128, genres=10, frames=recipe.input_frames, **recipe.model_options)
        assert (augmentation(recipe) is None) == (name == "quick")


def two_kinds(windows: int, level: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows that move fast and windows that move slowly, of the same average spectrum."""
    labels = torch.arange(windows) % 2
    fast = torch.randn(windows, 64, 60)
    slow = torch.nn.functional.avg_pool1d(torch.randn(windows, 64, 65), 6, 1) * 6**0.5
    return torch.where(labels[:, None, None] == 0, fast, slow) * 5 - 40 + level, labels


def test_expert_knows_fast_from_slow_at_any_level() -> None:
    torch.manual_seed(0)
    expert = StatisticsExpert(64, 2, shrinkage=0.2, bandwidth=3.0)
    mel, labels = two_kinds(40)
    assert expert(mel).std(1).max() < 1e-3
    expert.fit([(mel[:20, None], labels[:20]), (mel[20:, None], labels[20:])])
    new, truth = two_kinds(40, level=15.0)
    assert (expert(new).argmax(1) == truth).float().mean() > 0.9
    torch.testing.assert_close(expert(new), expert(new - 7), atol=1.0, rtol=2e-2)


def test_expert_remembers_clips_by_the_mean_of_their_windows_and_not_too_many() -> None:
    torch.manual_seed(0)
    expert = StatisticsExpert(64, 3, shrinkage=0.2, bandwidth=3.0)
    mel, labels = two_kinds(220)
    twice = mel[:, None] + torch.randn(220, 2, 64, 60)
    expert.fit([(twice, labels)])
    remembered_C = (expert.clip_bias > FORGOTTEN / 2).sum(1)
    assert remembered_C.tolist() == [REMEMBERED, REMEMBERED, 1]  # of the third nothing was heard
    assert (expert(mel).argmax(1) == labels).all()
    assert expert(mel).isfinite().all()


def test_expert_of_a_handful_of_clips_is_not_sure_of_everything() -> None:
    """Fewer windows than statistics: a covariance believed in would put thousands of nats between genres."""
    torch.manual_seed(0)
    expert = StatisticsExpert(64, 2, shrinkage=0.05, bandwidth=3.0)
    noise, labels = torch.randn(8, 4, 64, 60) * 5 - 40, torch.arange(8) % 2  # no difference to learn
    expert.fit([(noise, labels)])
    new = torch.randn(64, 64, 60) * 5 - 40
    assert expert(new).softmax(1).amax(1).mean() < 0.99


def test_a_genre_of_two_sounds_is_recognised_by_both() -> None:
    """The mean of the two is the other genre's mean: only remembered clips tell them apart."""
    torch.manual_seed(0)
    fast, slow = (two_kinds(60)[0][kind::2] for kind in (0, 1))
    between = (fast + slow) / 2
    mel = torch.cat([fast, slow, between])
    labels = torch.tensor([0] * 60 + [1] * 30)
    expert = StatisticsExpert(64, 2, shrinkage=0.2, bandwidth=3.0)
    expert.fit([(mel[:, None], labels)])
    assert (expert(mel).argmax(1) == labels).float().mean() > 0.95


def test_what_lies_far_out_decides_nothing() -> None:
    """One broken recording (nearly all of it still, with a click) must not hide what tells the genres apart."""
    torch.manual_seed(0)
    mel, labels = two_kinds(60)
    broken = torch.full((1, 64, 60), -80.0)
    broken[:, :, 30] = 0
    expert = StatisticsExpert(64, 2, shrinkage=0.1, bandwidth=3.0)
    expert.fit([(torch.cat([mel, broken])[:, None], torch.cat([labels, labels[:1]]))])
    new, truth = two_kinds(60)
    assert (expert(new).argmax(1) == truth).float().mean() > 0.9
    assert expert(broken).abs().max() < 10 * expert(new).abs().max()


def test_hybrid_is_the_network_alone_while_it_trains_and_both_afterwards() -> None:
    torch.manual_seed(0)
    model = build_model("hybrid_cnn", n_mels=64, genres=2, frames=60, width=8, dropout=0.0)
    mel, labels = two_kinds(16)
    expert = next(module for module in model.modules() if isinstance(module, StatisticsExpert))
    expert.fit([(mel[:, None], labels)])
    network = model.get_submodule("network")
    torch.testing.assert_close(model.train()(mel), network(mel))
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(mel), 0.2 * (network(mel) + expert(mel)))
