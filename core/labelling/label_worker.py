"""``python -m core.labelling.label_worker``: doubt, decisions and neighbours in a process of its own.

The Label screen starts it. The protocol is that of `core.util.jsonl_process`; `Progress` is an event.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.util.errors import UserError
from core.util.jsonl_process import WorkerChannel, path_from_json
from core.util.process import tune_process

if TYPE_CHECKING:
    from core.labelling.embedding import EmbeddedSet
    from core.labelling.overlay import Overlay

NEIGHBOURS = 12


class Open(msgspec.Struct, frozen=True, tag_field="kind", tag="open"):
    """Open a dataset and its overlay; paths as `path_to_json` gives them."""

    data: str
    labels: str


class Decide(msgspec.Struct, frozen=True, tag_field="kind", tag="decide"):
    """Give a clip a label; ``who`` as in `core.labelling.overlay`."""

    place: int
    label: str
    who: str = "key"


class Undo(msgspec.Struct, frozen=True, tag_field="kind", tag="undo"):
    """Take back the last decision of this session."""


class Look(msgspec.Struct, frozen=True, tag_field="kind", tag="look"):
    """Ask for the neighbours and the spectrogram of a clip."""

    place: int


class Play(msgspec.Struct, frozen=True, tag_field="kind", tag="play"):
    """Play a clip on this machine's loudspeaker; None stops."""

    place: int | None


Request = Open | Decide | Undo | Look | Play


class Progress(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    what: str
    done: int
    total: int


class Row(msgspec.Struct, frozen=True):
    """A clip. ``decision`` is the label that the overlay gives it; empty where there is none."""

    place: int
    name: str
    label: str
    suggested: str
    doubt: float
    artist: str
    decision: str
    probabilities: dict[str, float]


class Opened(msgspec.Struct, frozen=True, tag_field="kind", tag="opened"):
    """``rows`` are sorted by doubt, the most doubtful first."""

    genres: list[str]
    rows: list[Row]


class Decided(msgspec.Struct, frozen=True, tag_field="kind", tag="decided"):
    """``place`` is None where nothing was left to take back."""

    place: int | None
    decision: str


class Looked(msgspec.Struct, frozen=True, tag_field="kind", tag="looked"):
    """``neighbours`` are places, nearest first, other artists before the own; ``image`` is [bands, columns] bytes."""

    place: int
    neighbours: list[int]
    bands: int
    image: bytes


class Playing(msgspec.Struct, frozen=True, tag_field="kind", tag="playing"):
    place: int | None


Answer = Progress | Opened | Decided | Looked | Playing


class LabelWorker:
    """Loads a library when a request first needs it."""

    def __init__(self, channel: WorkerChannel) -> None:
        self._channel = channel
        self._found: EmbeddedSet
        self._overlay: Overlay
        self._groups: list[int] = []
        self._player: Any = None

    def answer(self, request: Request) -> Answer:
        match request:
            case Open():
                return self._open(path_from_json(request.data), path_from_json(request.labels))
            case Decide(place, label, who):
                return self._decide(place, label, who)
            case Undo():
                return self._undo()
            case Look(place):
                return self._look(place)
            case Play(place):
                return self._play(place)

    def _open(self, data: Path, labels: Path) -> Opened:
        from core.labelling.doubt import groups_of
        from core.labelling.embedding import embed_dataset
        from core.labelling.overlay import Overlay, decided
        from core.labelling.suspects import find_suspects

        def progress(what: str) -> Any:
            return lambda done, total, *_: self._channel.send(Progress(what, done, total)) if done % 20 == 0 else None

        self._found = embed_dataset(
            data,
            on_scanning=progress("files scanned"),
            on_features=progress("spectrograms"),
            on_embedded=progress("embeddings"),
        )
        clips = self._found.clips
        self._groups = groups_of(clips, None)
        suspects = find_suspects(self._found)
        self._overlay = Overlay(labels)
        decisions = decided(clips, self._found.root, self._overlay.current())
        rows = [
            Row(
                place=one.place,
                name=one.name,
                label=one.label,
                suggested=one.suggested,
                doubt=one.doubt,
                artist=clips[one.place].columns.get("artist", ""),
                decision=decision.label if (decision := decisions[one.place]) else "",
                probabilities=one.probabilities,
            )
            for one in suspects
        ]
        labelled = {decision.label for decision in decisions if decision}
        return Opened(sorted({row.label for row in rows} | labelled), rows)

    def _decide(self, place: int, label: str, who: str) -> Decided:
        from core.labelling.overlay import path_in

        clip = self._found.clips[place]
        path = path_in(self._found.root, clip)
        before = self._overlay.current().get((path, clip.content))
        self._overlay.decide(clip, path, label, before.label if before else clip.genre, who)
        return Decided(place, label)

    def _undo(self) -> Decided:
        from core.labelling.overlay import path_in

        back = self._overlay.undo()
        if back is None:
            return Decided(None, "")
        clips, root = self._found.clips, self._found.root
        place = next(i for i, clip in enumerate(clips) if (path_in(root, clip), clip.content) == back[:2])
        return Decided(place, "" if back.label == clips[place].genre else back.label)

    def _look(self, place: int) -> Looked:
        import numpy as np

        from core.labelling.similar import nearest

        clips, embeddings_NWF = self._found.clips, self._found.embeddings_NWF
        labels_N = np.unique([clip.genre for clip in clips], return_inverse=True)[1]
        near = nearest(
            embeddings_NWF[place], embeddings_NWF, labels_N, self._groups, group=self._groups[place], top=NEIGHBOURS + 1
        )
        others = [one.place for one in near if clips[one.place].content != clips[place].content]
        bands, image = (0, b"") if self._found.is_pack else self._picture(place)
        return Looked(place, others[:NEIGHBOURS], bands, image)

    def _picture(self, place: int) -> tuple[int, bytes]:
        from core.audio.errors import AudioError
        from core.audio.files.decode import decode
        from core.features.display_spectrogram import Picture

        try:
            y, rate = decode(self._found.clips[place].path, duration=self._found.settings.seconds)
        except AudioError as error:
            raise UserError(f"{self._found.clips[place].name} {error.reason}") from error
        picture = Picture(rate)
        picture.push(y)
        image = picture.image()
        return len(image), image.tobytes()

    def _play(self, place: int | None) -> Playing:
        from core.audio.playback import Player

        if place is not None and self._found.is_pack:
            raise UserError("A feature pack holds no audio, so there is nothing to hear.")
        self._player = self._player or Player()
        if place is None:
            self._player.stop()
        else:
            self._player.play(self._found.clips[place].path)
        return Playing(place)


def main() -> None:
    tune_process()
    channel = WorkerChannel()
    channel.serve(Request, LabelWorker(channel).answer)


if __name__ == "__main__":
    main()
