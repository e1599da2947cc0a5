"""A labelling session: a dataset, the decisions about it, and the order of its clips that follows from them.

A labelled dataset is ordered by doubt. For one without labels, each label refits a `Teacher`, which chooses what to
label next. Shapes: N clips, W windows of each, C genres.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.dataset.clip import Clip
from core.dataset.labels.decisions import EXCLUDED, Decision, decided, path_in
from core.dataset.store.extract import OnFeatures
from core.features.settings import EncoderSettings
from core.inference.types import MergedSegment, Prediction, Segment, rounded
from core.labelling.doubt import ARTIST, Suspect, find_suspects, groups_of
from core.labelling.embedding import WINDOW_SECONDS, WINDOWS, EmbeddedSet, encode
from core.labelling.make_model import MadeModel, make_model
from core.labelling.overlay import Overlay
from core.labelling.similar import nearest
from core.labelling.teach import Accuracy, Teacher
from core.models.encoders.load import encoder_settings
from core.util.errors import UserError


class Ranking(NamedTuple):
    """Clips without a decision, the most helpful first, and the likeliest genre of every clip of the dataset."""

    order: list[int]
    suggested: list[str]
    confidence: list[float]


class LabelSession:
    """One dataset and one overlay. Clips are named by their index in ``found.clips``."""

    def __init__(self, found: EmbeddedSet, overlay: Path) -> None:
        """
        Raises:
            UserError: the overlay cannot be opened, or is another kind of file.
        """
        self.found = found
        self.groups = groups_of(found.clips, None)
        self._overlay = Overlay(overlay)
        self._steps: list[dict[int, str]] = []
        """For each step its clips and their previous decisions; an empty one means none."""
        self.decisions = {
            index: decision.label
            for index, decision in enumerate(decided(found.clips, found.root, self._overlay.current()))
            if decision is not None and not _is_undone(decision, found.clips[index])
        }
        self.suspects: list[Suspect] = []
        self.reason = "the files have no labels"
        """Why clips cannot be ordered by doubt."""
        if all(clip.genre for clip in found.clips):
            try:
                self.suspects = find_suspects(found)
            except UserError as error:
                self.reason = str(error)
        self.notes: list[str] = []
        """What the user should know about the last `ask`."""
        self._examples: EmbeddedSet | None = None
        self._encoder: EncoderSettings | None = None
        self._embeddings_NWF = found.embeddings_NWF
        """What clips are compared by: their statistics, or what an encoder makes of them."""
        self.teacher = Teacher(found.embeddings_NWF)

    def ask(self, model: Path | None = None, encoder: str | None = None, on_features: OnFeatures | None = None) -> None:
        """Assess the labels by a trained model or an encoder as well; with neither, by the closed-form expert alone.

        With an encoder, its embeddings are also used to compare clips and to teach.

        Raises:
            UserError: the model or encoder cannot be used on this dataset; nothing has changed.
        """
        if model is not None and self.teaches:
            raise UserError("A model is asked about labels, and these files have none: choose an encoder to learn by.")
        notes: list[str] = []
        settings = encoder_settings(encoder) if encoder is not None else None
        encoded_NWD = None if settings is None else encode(self.found, settings, on_features=on_features)
        if not self.teaches:
            self.suspects = find_suspects(
                self.found, model=model, encoded_NWD=encoded_NWD, on_features=on_features, on_note=notes.append
            )
        self.notes, self._encoder = notes, settings
        self._embeddings_NWF = self.found.embeddings_NWF if encoded_NWD is None else encoded_NWD
        self.teacher = self._new_teacher(self._examples)

    @property
    def teaches(self) -> bool:
        return not self.suspects

    @property
    def genres(self) -> list[str]:
        """The genres of the dataset, the examples and the decisions, in alphabetical order."""
        examples = self._examples.clips if self._examples else []
        given = {clip.genre for clip in [*self.found.clips, *examples]}
        return sorted((given | set(self.decisions.values())) - {"", EXCLUDED})

    def labels(self) -> dict[int, str]:
        """Index → current label, for clips that have one and are not excluded."""
        present = {index: clip.genre for index, clip in enumerate(self.found.clips)} | self.decisions
        return {index: label for index, label in present.items() if label and label != EXCLUDED}

    def close(self) -> None:
        self._overlay.close()

    # Deciding

    def decide(self, indices: Sequence[int], label: str, who: str = "key") -> None:
        """Give clips a label, or exclude them, in one step.

        Raises:
            UserError: it cannot be written.
        """
        clips = [self.found.clips[index] for index in indices]
        before = [self.decisions.get(index, clip.genre) for index, clip in zip(indices, clips, strict=True)]
        rows = [(clip, path_in(self.found.root, clip), old) for clip, old in zip(clips, before, strict=True)]
        self._overlay.decide_all(rows, label, who)
        self._steps.append({index: self.decisions.get(index, "") for index in indices})
        self.decisions |= dict.fromkeys(indices, label)

    def undo(self) -> dict[int, str]:
        """Undo the last step of this session; returns its clips and their restored decisions.

        Raises:
            UserError: it cannot be written.
        """
        if not self._steps:
            return {}
        self._overlay.undo()
        step = self._steps.pop()
        for index, decision in step.items():
            if decision:
                self.decisions[index] = decision
            else:
                del self.decisions[index]
        return step

    def make_model(self, runs_dir: Path) -> MadeModel:
        """Make a model of the current labels and the examples; see `core.labelling.make_model.make_model`.

        It is fitted to the embeddings with which clips are compared.
        """
        found, labels = replace(self.found, embeddings_NWF=self._embeddings_NWF), self.labels()
        if self._examples is not None:
            taught, own = self._encoded(self._examples), len(found.clips)
            labels |= {own + i: clip.genre for i, clip in enumerate(taught.clips)}
            embeddings_NWF = np.concatenate([found.embeddings_NWF, taught.embeddings_NWF])
            found = replace(found, clips=found.clips + taught.clips, embeddings_NWF=embeddings_NWF)
        return make_model(found, labels, runs_dir, self._encoder)

    # Teaching

    def add_examples(self, examples: EmbeddedSet) -> None:
        """Add the labelled clips of another dataset as examples.

        Raises:
            UserError: their spectrograms have another number of bands.
        """
        if examples.embeddings_NWF.shape[1:] != self.found.embeddings_NWF.shape[1:]:
            raise UserError(f"{examples.root} has spectrograms of another size: choose a dataset with audio.")
        self.teacher = self._new_teacher(examples)
        self._examples = examples

    def _new_teacher(self, examples: EmbeddedSet | None) -> Teacher:
        if examples is None:
            return Teacher(self._embeddings_NWF)
        examples = self._encoded(examples)
        return Teacher(self._embeddings_NWF, examples.embeddings_NWF, [clip.genre for clip in examples.clips])

    def _encoded(self, examples: EmbeddedSet) -> EmbeddedSet:
        """The examples with the stored embeddings of the encoder in use, if there is one."""
        if self._encoder is None:
            return examples
        return replace(examples, embeddings_NWF=encode(examples, self._encoder))

    def rank(self, towards: str | None = None) -> Ranking:
        """Refit to the current labels; with ``towards`` the clips that are most likely of that genre come first."""
        self.teacher.fit(self.labels())
        probabilities_NC = self.teacher.probabilities()
        order = [index for index in self.teacher.order(towards, probabilities_NC) if index not in self.decisions]
        if not probabilities_NC.shape[1]:
            return Ranking(order, [""] * len(self.found.clips), [0.0] * len(self.found.clips))
        best_N = probabilities_NC.argmax(1)
        names = np.array(self.teacher.genres, dtype=object)[best_N].tolist()
        return Ranking(order, names, probabilities_NC.max(1).round(3).tolist())

    def accuracy(self) -> Accuracy | None:
        """The accuracy for the labels given so far, out of fold."""
        return self.teacher.accuracy(self.labels(), self.groups)

    # One clip

    def neighbours(self, index: int, top: int) -> list[int]:
        """The ``top`` most similar clips, those of other artists first; copies of the clip are left out."""
        clips, embeddings_NWF = self.found.clips, self._embeddings_NWF
        present = self.labels()
        labels_N = np.unique([present.get(i, "") for i in range(len(clips))], return_inverse=True)[1]
        near = nearest(
            embeddings_NWF[index], embeddings_NWF, labels_N, self.groups, group=self.groups[index], top=top + 10
        )
        others = [one.clip for one in near if clips[one.clip].content != clips[index].content]
        return others[:top]

    def prediction(self, index: int) -> Prediction:
        """The prediction for a clip from the labels of the others, with a segment for each of its windows."""
        clip = self.found.clips[index]
        suspect = next((one for one in self.suspects if one.index == index), None)
        teacher = self.teacher
        if suspect is not None:
            group = self.groups[index]
            teacher.fit({i: label for i, label in self.labels().items() if self.groups[i] != group})
        windows_WC = teacher.windows(index)
        if not windows_WC.shape[1]:
            return Prediction(
                path=clip.name, genre="", probability=0, probabilities={}, duration_s=clip.duration_s, uncertain=True
            )
        mean_C = windows_WC.mean(0)
        own = dict(zip(teacher.genres, mean_C.tolist(), strict=True))
        probabilities = rounded(suspect.probabilities if suspect else own)
        best = suspect.suggested if suspect else max(own, key=lambda genre: own[genre])
        segments = _segments(windows_WC.tolist(), teacher.genres, min(clip.duration_s, self.found.settings.seconds))
        return Prediction(
            path=clip.name,
            genre=best,
            probability=probabilities[best],
            probabilities=probabilities,
            duration_s=clip.duration_s,
            segments=segments,
            stretches=_stretches(segments),
        )

    def artist(self, index: int) -> str:
        return self.found.clips[index].columns.get(ARTIST, "")


def _is_undone(decision: Decision, clip: Clip) -> bool:
    return decision.who == "undo" and decision.label == clip.genre


def _segments(windows: list[list[float]], genres: list[str], seconds: float) -> list[Segment]:
    length = min(seconds, WINDOW_SECONDS)
    segments = []
    for number, probabilities in enumerate(windows):
        start = (seconds - length) * number / max(1, WINDOWS - 1)
        named = rounded(dict(zip(genres, probabilities, strict=True)))
        genre = max(named, key=lambda one: named[one])
        segments.append(Segment(start_s=start, end_s=start + length, genre=genre, probabilities=named))
    return segments


def _stretches(segments: list[Segment]) -> list[MergedSegment]:
    """Merge consecutive segments of one genre; each begins in the middle of its overlap with the one before."""
    merged: list[MergedSegment] = []
    for number, segment in enumerate(segments):
        start = segment.start_s if number == 0 else (segments[number - 1].end_s + segment.start_s) / 2
        probability = segment.probabilities[segment.genre]
        if merged and merged[-1].genre == segment.genre:
            start, probability = merged[-1].start_s, max(merged[-1].probability, probability)
            merged.pop()
        elif merged:
            last = merged.pop()
            merged.append(
                MergedSegment(start_s=last.start_s, end_s=start, genre=last.genre, probability=last.probability)
            )
        merged.append(MergedSegment(start_s=start, end_s=segment.end_s, genre=segment.genre, probability=probability))
    return merged
