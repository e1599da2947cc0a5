"""The app's side of a labelling session: what the process has said, and decisions that it has not written yet."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from core.dataset.labels.decisions import EXCLUDED
from core.inference.find_model import ModelChoice, list_models
from core.labelling.label_worker import (
    Answer,
    Ask,
    Assess,
    Assessed,
    Decide,
    Decided,
    Examples,
    Look,
    Looked,
    Made,
    Make,
    Open,
    Opened,
    Play,
    Playing,
    Progress,
    Rank,
    Ranked,
    Request,
    Seek,
    Undo,
)
from core.models.encoders.load import GET
from core.models.encoders.registry import encoder_folder, encoder_names, is_installed
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from core.util.text import counted
from tui.dialogs.pickers import ModelPicker
from tui.formatting import percent
from tui.label.state import Clips, GenreKeys
from tui.shell.base import BaseApp


class Opinion(NamedTuple):
    """``source`` is a model file or the folder of an encoder."""

    name: str
    source: Path
    is_encoder: bool = False


async def pick_opinion(app: BaseApp, current: Opinion | None, *, encoders_only: bool) -> Opinion | None:
    """Ask for a model or an encoder; None if cancelled. Call from a worker only."""
    models = [] if encoders_only else await asyncio.to_thread(list_models, app.runs_dir)
    encoders = [_choice(name) for name in encoder_names()]
    title = "Choose an encoder to learn by" if encoders_only else "Choose a second opinion: a model or an encoder"
    source = None if current is None else current.source
    picked: tuple[ModelChoice, bool] | None = await app.push_screen_wait(
        ModelPicker([*models, *encoders], source, title=title, for_now_only=True)
    )
    return None if picked is None else Opinion(picked[0].name, picked[0].path, picked[0] in encoders)


def _choice(name: str) -> ModelChoice:
    caveats = () if is_installed(name) else (f"not installed: {GET} {name}",)
    return ModelChoice(name=name, path=encoder_folder(name), network="encoder", caveats=caveats)


class Change(NamedTuple):
    """What an answer changes on the screen, beside the lines above the table."""

    rows: bool = False
    to_top: bool = False
    go_to: int | None = None
    """The index of the clip that gets the cursor."""
    sound: bool = False
    """The answer about a clip has arrived."""
    note: str = ""
    is_error: bool = False


class Session:
    """One dataset and its decisions. Decisions are shown at once, while the process writes them down."""

    def __init__(
        self, data: Path | None, labels: Path, answered: Callable[[Answer | Refused, Request | None], object]
    ) -> None:
        """
        Args:
            data: None while nothing is open.
            labels: the file of decisions.
            answered: gets what the process says, in a thread; `take` is to be called with it in the app's.
        """
        self.data = data
        self.clips, self.keys = Clips(), GenreKeys()
        self.looked: Looked | None = None
        self.playing: int | None = None
        self.position_s = 0.0
        """Of what plays."""
        self.towards: str | None = None
        """The genre whose likeliest clips come first."""
        self.choosing = False
        """Whether the next genre's key says what to list, instead of deciding."""
        self.accuracies: list[float] = []
        self.assessed: Assessed | None = None
        self.has_audio = True
        self.second_opinion: Opinion | None = None
        """The model or encoder that assesses the labels too."""
        self._asked: dict[Ask, Opinion | None] = {}
        self.status = self.error = self.reason = ""
        self._unconfirmed: list[dict[int, str]] = []
        """The decisions before those that the process has not written yet."""
        self._process: JsonlProcess[Request, Answer] = JsonlProcess(
            "core.labelling.label_worker",
            Answer,
            answered,
            crashed="the labelling process has ended unexpectedly; open the dataset again: decisions are kept",
        )
        if data is not None:
            self.status = "loading PyTorch, which takes some seconds …"
            self._process.ask(Open(path_to_json(data), path_to_json(labels)))

    @property
    def is_empty(self) -> bool:
        return not self.clips.by_index

    def close(self) -> None:
        self._process.close()

    # Requests

    def decide(self, indices: Sequence[int], label: str, who: str) -> None:
        if label != EXCLUDED:
            self.keys.add([label])
        self._unconfirmed.append(self.clips.decide(dict.fromkeys(indices, label)))
        self.status = ""
        self._process.withdraw(lambda request: not isinstance(request, Look | Assess))
        self._process.ask(Decide(list(indices), label, who, self.towards))

    def undo(self) -> None:
        self._process.withdraw(lambda request: not isinstance(request, Look | Assess))
        self._process.ask(Undo(self.towards))

    def rank(self, towards: str | None) -> None:
        self.choosing, self.towards = False, towards
        self._process.ask(Rank(towards))

    def look(self, index: int) -> None:
        self._process.withdraw(lambda request: not isinstance(request, Look))
        self._process.ask(Look(index))

    def play(self, index: int | None, start_s: float = 0.0) -> None:
        self._process.ask(Play(index, start_s), first=True)

    def seek(self, by_s: float) -> None:
        self._process.ask(Seek(by_s), first=True)

    def ask_opinion(self, opinion: Opinion | None) -> None:
        self.status = f"asking {opinion.name} …" if opinion else "ordering without a second opinion …"
        if opinion is None:
            request = Ask()
        elif opinion.is_encoder:
            request = Ask(encoder=opinion.name)
        else:
            request = Ask(path_to_json(opinion.source))
        self._asked[request] = opinion
        self._process.ask(request)

    def add_examples(self, data: Path) -> None:
        self.status = "reading the examples …"
        self._process.ask(Examples(path_to_json(data)))

    def make_model(self, runs_dir: Path) -> None:
        self.status = "making a model …"
        self._process.ask(Make(path_to_json(runs_dir)))

    # Answers

    def take(self, answer: Answer | Refused, request: Request | None) -> Change:
        match answer:
            case Progress(what, done, total):
                self.status = f"{done:,} of {total:,} {what}"
            case Opened():
                if isinstance(request, Ask):
                    self.second_opinion = self._asked[request]
                return self._opened(answer)
            case Ranked():
                self.status = ""
                self.clips.rank(answer)
                self.keys.add(answer.genres)
                return Change(rows=True, to_top=True)
            case Decided():
                return self._decided(answer)
            case Assessed():
                self.assessed = answer
                self.accuracies += [] if answer.accuracy is None else [answer.accuracy]
            case Looked():
                self.looked = answer
                return Change(sound=True)
            case Playing(index, position_s):
                self.playing, self.position_s = index, position_s
            case Made(run, clips, accuracy, seconds):
                right = "" if accuracy is None else f", {percent(accuracy)} right out of fold"
                labels = counted(clips, "label")
                self.status = f"{run} made of {labels} in {seconds:.1f} s{right}; m on Classify chooses it"
            case Refused(error):
                return self._refused(error, request)
        return Change()

    def _opened(self, opened: Opened) -> Change:
        self.status, self.reason, self.has_audio = opened.note, opened.reason, opened.has_audio
        self.clips.open(opened)
        self.keys.add(opened.genres)
        if self.clips.teaches:
            self._process.ask(Assess())
        return Change(rows=True, to_top=True)

    def _decided(self, decided: Decided) -> Change:
        if not decided.undone:
            self._unconfirmed.pop(0)
            later = {index for before in self._unconfirmed for index in before}
            self.clips.decide({index: label for index, label in decided.decisions.items() if index not in later})
        elif not decided.decisions:
            return Change(note="There is no decision of this session to take back.")
        else:
            self.clips.decide(decided.decisions)
        if decided.ranked is None:
            return Change(rows=True, go_to=next(iter(decided.decisions))) if decided.undone else Change()
        self._process.withdraw(lambda request: not isinstance(request, Assess))
        self._process.ask(Assess())
        if self._unconfirmed:
            return Change()  # an order that later keys have overtaken would jump
        self.clips.rank(decided.ranked)
        return Change(rows=True, to_top=True)

    def _refused(self, error: str, request: Request | None) -> Change:
        self.status = ""
        wrote_nothing = isinstance(request, Decide)
        if wrote_nothing:
            self.clips.decide(self._unconfirmed.pop(0))
        if self.is_empty and not isinstance(request, Play | Seek):
            self.error = error
            return Change(rows=wrote_nothing)
        return Change(rows=wrote_nothing, note=error, is_error=True)
