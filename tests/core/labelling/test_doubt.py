"""Wrong labels stand out, whichever they are, and neighbours share a genre."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

from core.dataset.clip import Clip
from core.dataset.synthetic import STYLES, _clip
from core.labelling.doubt import Doubt, doubt_of, groups_of, out_of_fold
from core.labelling.embedding import Floats, embed_dataset
from core.labelling.expert import Labels
from core.labelling.similar import nearest
from core.util.errors import UserError
from tests.support.embeddings import CLIPS, GENRES, collection

STYLES_USED = ("plucks-quick", "arpeggio-bells")


def with_wrong(labels_N: Labels, share: float = 0.1) -> Labels:
    rng = np.random.default_rng(1)
    wrong = rng.choice(len(labels_N), round(share * len(labels_N)), replace=False)
    noisy_N = labels_N.copy()
    noisy_N[wrong] = (noisy_N[wrong] + rng.integers(1, GENRES, len(wrong))) % GENRES
    return noisy_N


def doubts(embeddings_NWF: Floats, labels_N: Labels, groups_N: list[int], genres: int) -> Doubt:
    return doubt_of(out_of_fold(embeddings_NWF, labels_N, groups_N, genres), labels_N, groups_N)


def test_wrong_labels_come_first_with_the_right_suggestion() -> None:
    embeddings_NWF, truth_N, artists = collection()
    labels_N = with_wrong(truth_N)
    wrong_N = labels_N != truth_N
    doubt = doubts(embeddings_NWF, labels_N, artists, GENRES)
    assert roc_auc_score(wrong_N, doubt.doubt_N) > 0.97
    first = doubt.order[: wrong_N.sum()]
    assert wrong_N[first].mean() > 0.8
    found = [i for i in first if wrong_N[i]]
    assert np.mean(doubt.suggested_N[found] == truth_N[found]) > 0.9
    assert np.allclose(doubt.probabilities_NC.sum(1), 1)


def test_the_other_labels_of_an_artist_are_evidence() -> None:
    embeddings_NWF, truth_N, artists = collection(scale=0.3)
    labels_N = with_wrong(truth_N)
    wrong_N = labels_N != truth_N
    probabilities_NC = out_of_fold(embeddings_NWF, labels_N, artists, GENRES)
    alone = doubt_of(probabilities_NC, labels_N, list(range(len(artists)))).doubt_N
    together = doubt_of(probabilities_NC, labels_N, artists).doubt_N
    assert roc_auc_score(wrong_N, together) > roc_auc_score(wrong_N, alone) + 0.03


def test_a_wrong_label_does_not_speak_for_itself() -> None:
    """An artist whose clips are all labelled wrongly is held out as a whole, and found."""
    embeddings_NWF, labels_N, artists = collection()
    labels_N[: 2 * CLIPS] = 1
    doubt = doubts(embeddings_NWF, labels_N, artists, GENRES)
    assert out_of_fold(embeddings_NWF, labels_N, artists, GENRES)[: 2 * CLIPS, 0].mean() > 0.7
    assert doubt.doubt_N[: 2 * CLIPS].mean() > 0.15
    assert doubt.doubt_N[2 * CLIPS :].mean() < 0.1


def test_too_few_groups_or_genres_are_refused() -> None:
    embeddings_NWF, labels_N, artists = collection()
    with pytest.raises(UserError, match="two groups"):
        doubts(embeddings_NWF, labels_N, [0] * len(artists), GENRES)
    with pytest.raises(UserError, match="two genres"):
        doubts(embeddings_NWF, np.zeros_like(labels_N), artists, GENRES)


def test_a_genre_of_a_single_artist_is_not_fatal() -> None:
    embeddings_NWF, labels_N, artists = collection()
    labels_N[:CLIPS] = GENRES
    doubt = doubts(embeddings_NWF, labels_N, artists, GENRES + 1)
    assert np.isfinite(doubt.doubt_N).all()


def test_neighbours_share_the_genre_and_the_own_artist_comes_last() -> None:
    embeddings_NWF, labels_N, artists = collection()
    right = 0
    for i in range(0, len(labels_N), 7):
        found = nearest(embeddings_NWF[i], embeddings_NWF, labels_N, artists, group=artists[i], top=len(labels_N))
        assert [one.same_group for one in found] == [False] * (len(found) - CLIPS) + [True] * CLIPS
        assert found[-CLIPS].clip == i  # the clip itself is the nearest of its own artist
        right += labels_N[found[0].clip] == labels_N[i]
    assert right / len(range(0, len(labels_N), 7)) > 0.9


def test_data_without_labels_has_neighbours_too() -> None:
    embeddings_NWF, labels_N, artists = collection(spread=0.5)
    found = nearest(embeddings_NWF[0], embeddings_NWF, np.zeros_like(labels_N), artists, group=artists[0], top=5)
    assert {int(labels_N[one.clip]) for one in found} == {0}


def test_groups_are_artists_where_there_are_any_and_copies_always() -> None:
    def clip(name: str, content: str, **columns: str) -> Clip:
        return Clip(Path(name), "rock", name, content, 22_050, 1, "AU", 30.0, columns)

    known = [clip("a", "1", artist="X"), clip("b", "2", artist="X"), clip("c", "1"), clip("d", "3")]
    numbers = groups_of(known, None)
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]
    with pytest.raises(UserError, match="no column 'album'"):
        groups_of(known, "album")


def test_without_artists_cuts_of_one_recording_are_a_group(tmp_path: Path) -> None:
    """Each recording gives two cuts of 25 s that begin 3.3 s apart, the second much quieter."""
    for genre in STYLES_USED:
        (tmp_path / genre).mkdir()
        for number in range(2):
            y = _clip(STYLES[genre], 30, np.random.default_rng(number))
            soundfile.write(tmp_path / genre / f"{number}a.wav", y[:551_250], 22_050)
            soundfile.write(tmp_path / genre / f"{number}b.wav", 0.05 * y[72_765:624_015], 22_050)
    clips = embed_dataset(tmp_path).clips
    group_of = {str(clip.path.relative_to(tmp_path)): n for clip, n in zip(clips, groups_of(clips, None), strict=True)}
    assert len(set(group_of.values())) == 4
    assert all(
        group_of[f"{genre}/{n}a.wav"] == group_of[f"{genre}/{n}b.wav"] for genre in STYLES_USED for n in range(2)
    )
