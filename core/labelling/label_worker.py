"""``python -m core.labelling.label_worker``: the process of a labelling session.

The Label screen starts it. The protocol is that of `core.util.jsonl_process`; `Progress` is an event.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.inference.types import Prediction
from core.util.errors import UserError
from core.util.jsonl_process import WorkerChannel, path_from_json
from core.util.parallel import tune_process, without_collecting

if TYPE_CHECKING:
    from core.labelling.session import LabelSession, Ranking

NEIGHBOURS = 12


class Open(msgspec.Struct, frozen=True, tag_field="kind", tag="open"):
    """Open a dataset and its overlay; paths are encoded by `path_to_json`."""

    data: str
    labels: str


class Ask(msgspec.Struct, frozen=True, tag_field="kind", tag="ask"):
    """Assess the labels by a model (a path as `path_to_json` gives it) or an encoder as well, or again by neither."""

    model: str | None = None
    encoder: str | None = None


class Examples(msgspec.Struct, frozen=True, tag_field="kind", tag="examples"):
    """Add the labelled clips of another dataset as examples."""

    data: str


class Decide(msgspec.Struct, frozen=True, tag_field="kind", tag="decide"):
    """Give clips a label; ``who`` as in `core.dataset.labels.decisions`. In teaching, then rank ``towards`` a genre."""

    indices: list[int]
    label: str
    who: str = "key"
    towards: str | None = None


class Undo(msgspec.Struct, frozen=True, tag_field="kind", tag="undo"):
    """Undo the last step of this session."""

    towards: str | None = None


class Rank(msgspec.Struct, frozen=True, tag_field="kind", tag="rank"):
    """Rank the clips again: the most helpful first, or with ``towards`` those that are most likely of that genre."""

    towards: str | None = None


class Assess(msgspec.Struct, frozen=True, tag_field="kind", tag="assess"):
    """Ask for the out-of-fold accuracy of the labels so far."""


class Look(msgspec.Struct, frozen=True, tag_field="kind", tag="look"):
    """Ask for the prediction, the neighbours and the spectrogram of a clip."""

    index: int


class Play(msgspec.Struct, frozen=True, tag_field="kind", tag="play"):
    """Play a clip on this machine's loudspeaker from ``start_s`` on; None stops. Positions and the end are events."""

    index: int | None
    start_s: float = 0.0


class Seek(msgspec.Struct, frozen=True, tag_field="kind", tag="seek"):
    """Continue playing ``by`` seconds from here."""

    by: float


class Make(msgspec.Struct, frozen=True, tag_field="kind", tag="make"):
    """Make a model of the present labels, as a run in this folder."""

    runs_dir: str


Request = Open | Ask | Examples | Decide | Undo | Rank | Assess | Look | Play | Seek | Make


class Progress(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    what: str
    done: int
    total: int


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A clip. Missing labels are empty; ``decision`` is its label in the overlay."""

    index: int
    name: str
    label: str
    suggested: str
    doubt: float | None
    artist: str
    decision: str


class Ranked(msgspec.Struct, frozen=True, tag_field="kind", tag="ranked"):
    """``order`` holds indices of clips; the next two lists have an entry for each clip."""

    order: list[int]
    suggested: list[str]
    confidence: list[float]
    genres: list[str] = []
    """All genres, where there may be new ones."""


class Opened(msgspec.Struct, frozen=True, tag_field="kind", tag="opened"):
    """``rows`` are sorted by doubt, the most doubtful first; in teaching they are not, and ``ranked`` has the order."""

    genres: list[str]
    rows: list[Row]
    ranked: Ranked | None
    reason: str
    """Why the clips are not sorted by doubt."""
    has_audio: bool
    note: str = ""


class Decided(msgspec.Struct, frozen=True, tag_field="kind", tag="decided"):
    """The clips of a step and their decisions, empty for none. Without clips there was nothing to undo."""

    decisions: dict[int, str]
    ranked: Ranked | None
    undone: bool = False


class Assessed(msgspec.Struct, frozen=True, tag_field="kind", tag="assessed"):
    """The accuracy; None for too few labels."""

    accuracy: float | None
    low: float = 0.0
    high: float = 0.0
    clips: int = 0


NOTHING: tuple[int, bytes, list[float], float] = (0, b"", [], 0.0)


class Looked(msgspec.Struct, frozen=True, tag_field="kind", tag="looked"):
    """``neighbours`` are indices, nearest first, the clip's own artist last; ``image`` is [bands, columns] bytes."""

    index: int
    prediction: Prediction
    neighbours: list[int]
    bands: int
    image: bytes
    hz: list[float] = []
    """The frequency of each band in Hz."""
    seconds: float = 0.0
    """The length of the image in seconds."""


class Playing(msgspec.Struct, frozen=True, tag_field="kind", tag="playing"):
    """Sent about twice a second with the position that is heard; without an index once at the end."""

    index: int | None
    position_s: float = 0.0


class Made(msgspec.Struct, frozen=True, tag_field="kind", tag="made"):
    """A run whose model is ready."""

    run: str
    clips: int
    accuracy: float | None
    seconds: float


Answer = Progress | Opened | Ranked | Decided | Assessed | Looked | Playing | Made


class LabelWorker:
    """Answers requests; imports a library only when a request needs it."""

    def __init__(self, channel: WorkerChannel) -> None:
        self._channel = channel
        self._session: LabelSession
        self._player: Any = None
        self._playing: int | None = None

    def answer(self, request: Request) -> Answer:
        match request:
            case Open():
                return self._open(path_from_json(request.data), path_from_json(request.labels))
            case Ask(model, encoder):
                on_features = self._progress("embeddings" if encoder else "spectrograms")["on_features"]
                self._session.ask(path_from_json(model) if model else None, encoder, on_features)
                return self._opened()
            case Examples(data):
                return self._examples(path_from_json(data))
            case Decide(indices, label, who, towards):
                self._session.decide(indices, label, who)
                return Decided(dict.fromkeys(indices, label), self._ranked(towards))
            case Undo(towards):
                step = self._session.undo()
                return Decided(step, self._ranked(towards) if step else None, undone=True)
            case Rank(towards):
                return _plain(self._session.rank(towards))
            case Assess():
                found = self._session.accuracy()
                return Assessed(None) if found is None else Assessed(*found)
            case Look(index):
                return self._look(index)
            case Play(index, start_s):
                return self._play(index, start_s)
            case Seek(by):
                start = self._player.position_s + by if self._player is not None else 0.0
                return self._play(self._playing, max(0.0, start))
            case Make(runs_dir):
                return self._make(path_from_json(runs_dir))

    def _open(self, data: Path, labels: Path) -> Opened:
        from core.dataset.clip import DatasetError
        from core.dataset.pack_manifest import is_pack

        with without_collecting():
            from core.labelling.embedding import embed_dataset, embed_unlabelled
            from core.labelling.session import LabelSession

        try:
            found = embed_dataset(data, **self._progress())
        except DatasetError:
            if is_pack(data):
                raise
            found = embed_unlabelled(data, **self._progress())
        self._session = LabelSession(found, labels)
        return self._opened()

    def _opened(self) -> Opened:
        session, found = self._session, self._session.found
        ranked = _plain(session.rank()) if session.teaches else None
        indices: list[int] = [suspect.index for suspect in session.suspects] or list(range(len(found.clips)))
        by_index = {suspect.index: suspect for suspect in session.suspects}
        rows = [
            Row(
                index=index,
                name=found.clips[index].name,
                label=found.clips[index].genre,
                suggested=by_index[index].suggested if by_index else "",
                doubt=by_index[index].doubt if by_index else None,
                artist=session.artist(index),
                decision=session.decisions.get(index, ""),
            )
            for index in indices
        ]
        reason, note = session.reason if session.teaches else "", " ".join(session.notes)
        return Opened(session.genres, rows, ranked, reason, not found.is_pack, note)

    def _progress(self, features: str = "spectrograms") -> dict[str, Any]:
        def report(what: str) -> Any:
            return lambda done, total, *_: self._channel.send(Progress(what, done, total)) if done % 20 == 0 else None

        return {
            "on_scanning": report("files scanned"),
            "on_features": report(features),
            "on_embedded": report("embeddings"),
        }

    def _examples(self, data: Path) -> Ranked:
        from core.labelling.embedding import embed_dataset

        self._session.add_examples(embed_dataset(data, **self._progress()))
        return msgspec.structs.replace(_plain(self._session.rank()), genres=self._session.genres)

    def _ranked(self, towards: str | None) -> Ranked | None:
        return _plain(self._session.rank(towards)) if self._session.teaches else None

    def _look(self, index: int) -> Looked:
        session = self._session
        prediction = session.prediction(index)
        neighbours = session.neighbours(index, NEIGHBOURS)
        try:
            looked = NOTHING if session.found.is_pack else self._picture(index)
        except UserError as error:
            looked = NOTHING
            prediction = msgspec.structs.replace(prediction, warning=str(error))
        return Looked(index, prediction, neighbours, *looked)

    def _picture(self, index: int) -> tuple[int, bytes, list[float], float]:
        from core.audio.files.decode import decode
        from core.features.display_spectrogram import Picture

        found = self._session.found
        y, rate = decode(found.clips[index].path, duration=found.settings.seconds)
        picture = Picture(rate)
        picture.push(y)
        image = picture.image()
        return len(image), image.tobytes(), picture.hz, len(y) / rate

    def _play(self, index: int | None, start_s: float) -> Playing:
        from core.audio.playback import Player

        if index is not None and self._session.found.is_pack:
            raise UserError("A feature pack holds no audio to play: open the folder of audio instead.")
        self._player = self._player or Player(self._at)
        self._player.stop()
        self._playing = None
        if index is None:
            return Playing(None)
        self._player.play(self._session.found.clips[index].path, start_s)
        self._playing = index
        return Playing(index, self._player.position_s)

    def _at(self, position_s: float | None) -> None:
        self._channel.send(Playing(None) if position_s is None else Playing(self._playing, position_s))

    def _make(self, runs_dir: Path) -> Made:
        made = self._session.make_model(runs_dir)
        return Made(made.run.name, made.clips, made.accuracy, made.seconds)


def _plain(ranking: "Ranking") -> Ranked:
    return Ranked(*ranking)


def main() -> None:
    tune_process()
    # A refit is too small for two threads: sharing it out takes longer than the arithmetic.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    channel = WorkerChannel()
    channel.serve(Request, LabelWorker(channel).answer)


if __name__ == "__main__":
    main()
