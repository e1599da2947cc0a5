"""A few labels in active order teach the genres."""

import numpy as np

from core.labelling.teach import Teacher
from tests.support.embeddings import collection


def test_answers_in_active_order_teach_the_genres() -> None:
    embeddings_NWF, truth_N, _ = collection(scale=0.8)
    teacher = Teacher(embeddings_NWF)
    assert sorted(teacher.order()) == list(range(len(truth_N)))
    labels = {int(np.flatnonzero(truth_N == genre)[0]): f"genre {genre}" for genre in range(4)}
    for _ in range(20):
        teacher.fit(labels)
        order = teacher.order()
        assert len(order) == len(truth_N) - len(labels) and not set(order) & set(labels)
        labels[order[0]] = f"genre {truth_N[order[0]]}"
    teacher.fit(labels)
    assert np.mean(teacher.logits().argmax(1) == truth_N) > 0.9
    first = teacher.order("genre 2")[:5]
    assert all(truth_N[index] == 2 for index in first)


def test_a_label_that_is_taken_back_is_forgotten() -> None:
    embeddings_NWF, truth_N, _ = collection()
    teacher = Teacher(embeddings_NWF)
    teacher.fit({0: "a", 60: "b"})
    before = teacher.order()
    teacher.fit({0: "a", 60: "b", 120: "c"})
    teacher.fit({0: "a", 60: "b"})
    assert teacher.order() == before
    teacher.fit({0: "a"})
    assert teacher.genres == ["a"] and len(teacher.order()) == len(truth_N) - 1
    teacher.fit({})
    assert len(teacher.order()) == len(truth_N)


def test_clips_unlike_those_with_a_label_come_first() -> None:
    embeddings_NWF, truth_N, _ = collection(scale=0.8)
    indices = {genre: np.flatnonzero(truth_N == genre) for genre in range(3)}
    teacher = Teacher(embeddings_NWF)
    teacher.fit({int(indices[0][0]): "a", int(indices[1][0]): "b"})
    assert truth_N[teacher.order()[0]] > 1, "of a genre that has no label yet"


def test_windows_are_classified_like_their_clip() -> None:
    embeddings_NWF, truth_N, _ = collection(scale=0.8)
    teacher = Teacher(embeddings_NWF[:, :1].repeat(3, axis=1), embeddings_NWF[:4], ["a", "b", "a", "b"])
    teacher.fit({index: f"genre {truth_N[index]}" for index in range(0, len(truth_N), 9)})
    whole_NC = teacher.probabilities()
    for index in (0, 50, 100):
        assert np.allclose(teacher.windows(index), whole_NC[index], atol=1e-4), "equal windows"
