"""The Label screen: one decision about a label per key, kept in ``labels.csv``; no audio file is touched."""

from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static

from core.labelling.label_worker import (
    Answer,
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
from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from core.util.text import printable
from tui.classify.detail import SoundDetail
from tui.classify.results import Sound
from tui.label import lines as told_lines
from tui.label.state import EXCLUDED, Clips, GenreKeys
from tui.label.table import ClipTable, Neighbours
from tui.text.cells import shown
from tui.text.formatting import count, percent
from tui.widgets.pane_tabs import PaneScreen, PaneTabs
from tui.widgets.row_list import LinesView, RowList
from tui.widgets.spectrogram_view import Image
from tui.widgets.text_input import FilterInput
from tui.widgets.text_lines import TextLines

LABELS = Path("labels.csv")
LONGEST_GENRE = 100
LOOK_SECONDS = 0.15
"""The cursor rests for so long before a clip is looked at."""
SEEK_SECONDS = 5.0
WELCOME = (
    "O opens a dataset.",
    "",
    "With labels: those that are probably wrong come first.",
    "Without: label some clips, and the others are ordered by what helps most to learn your genres.",
    "",
    "Each decision goes to labels.csv in the current folder; no audio file and no tag is changed.",
)


class LabelScreen(PaneScreen):
    MODE = "label"
    PANES = ("clips", "sound", "alike")
    HELP = (
        "Clips whose labels are probably wrong come first; without labels, the clips that help most to learn. A key of "
        "the legend gives a genre, enter accepts the suggestion, space keeps the label, V marks several. Decisions go "
        "to labels.csv; no audio file is changed."
    )
    CSS_PATH = "../styles/label.tcss"
    BINDINGS: ClassVar = [
        Binding("O", "open", "open", id="label.open", tooltip="Choose a dataset"),
        Binding("space", "keep", "keep", id="label.keep", tooltip="Keep the given label"),
        Binding("x", "exclude", "exclude", id="label.exclude", tooltip="Leave the clip out of the dataset"),
        Binding("n", "new", "new genre", id="label.new", tooltip="Give the clip a genre by typing its name"),
        Binding("u", "undo", "undo", id="label.undo", tooltip="Take back the last decision, any number of times"),
        Binding("p", "play", "play", id="label.play", tooltip="Play from the window under the cursor, or stop"),
        Binding("V,insert", "mark(1)", "mark", id="label.mark", tooltip="Mark; decisions then act on all marks"),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="label.filter",
            tooltip="Show the rows that contain these words",
        ),
        Binding("s", "likely", "most likely", id="label.likely", tooltip="Teaching: what is most likely of a genre"),
        Binding("A", "examples", "examples", id="label.examples", tooltip="Teaching: learn from another dataset too"),
        Binding("m", "model", "make model", id="label.model", tooltip="Make a model of the present labels"),
        Binding("t", "train", "train", id="label.train", tooltip="Train a run with the present labels"),
        Binding("tab", "pane(1)", "pane", show=False, id="label.next_pane", tooltip="The next pane"),
        Binding("shift+tab", "pane(-1)", "pane before", show=False, id="label.previous_pane"),
        Binding("escape", "back", "back", show=False, id="label.back", tooltip="Clear the filter, then the marks"),
    ]

    class Answered(Message):
        def __init__(self, answer: Answer | Refused, request: Request | None) -> None:
            super().__init__()
            self.answer, self.request = answer, request

    def __init__(self) -> None:
        super().__init__()
        self._clips = Clips()
        self._keys = GenreKeys()
        self._genres: list[str] = []
        self._looked: Looked | None = None
        self._playing: int | None = None
        self._towards: str | None = None
        self._choosing = False
        """Whether the next genre's key says what to list, instead of deciding."""
        self._accuracies: list[float] = []
        self._assessed: Assessed | None = None
        self._unconfirmed: list[dict[int, str]] = []
        """The decisions before those that the process has not written yet."""
        self._timer: Timer | None = None
        self._data: Path | None = None
        self._has_audio = True
        self._status = self._error = self._reason = ""
        self._process = self._new_process()

    def _new_process(self) -> JsonlProcess[Request, Answer]:
        return JsonlProcess(
            "core.labelling.label_worker",
            Answer,
            lambda answer, request: self.post_message(self.Answered(answer, request)),
            crashed="the labelling process has ended unexpectedly; open the dataset again: decisions are kept",
        )

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="head")
        yield TextLines(id="legend")
        yield PaneTabs(id="tabs")
        yield LinesView(id="hint")
        with Horizontal(id="body"):
            with Vertical(id="clips-pane"):
                with Horizontal(id="filter"):
                    yield Static("/")
                    yield FilterInput(compact=True, placeholder="words of file, label, suggestion or artist")
                yield TextLines(id="columns")
                yield ClipTable(id="clips")
            with Vertical(id="beside"):
                with Vertical(id="sound-pane"):
                    yield SoundDetail(id="sound")
                with Vertical(id="alike-pane"):
                    yield TextLines(id="alike-head")
                    yield Neighbours(id="alike")

    @property
    def _table(self) -> ClipTable:
        return self.query_one(ClipTable)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.query_one(SoundDetail).draw())
        self.query_one("#alike-head", TextLines).show([Content.styled("sounds like", "$text-muted")])
        self.show_pane("clips")
        self._show_head()

    def on_unmount(self) -> None:
        self._process.close()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_head)

    def open_dataset(self, data: Path) -> None:
        """Show the clips of a dataset with the decisions in ``labels.csv`` of the current folder."""
        self._data, self._error, self._looked, self._playing = data, "", None, None
        self._clips, self._accuracies, self._assessed, self._towards = Clips(), [], None, None
        self._unconfirmed, self._choosing, self._genres = [], False, []
        self._keys.clear()
        self._status = "loading PyTorch, which takes some seconds …"
        self._process.close()
        self._process = self._new_process()
        self._process.ask(Open(path_to_json(data), path_to_json(LABELS)))
        self._show_clips(to_top=True)

    # What the process says

    @on(Answered)
    def take_answer(self, message: Answered) -> None:
        match message.answer, message.request:
            case Progress(what, done, total), _:
                self._status = f"{done:,} of {total:,} {what}"
            case Opened() as opened, _:
                self._opened(opened)
            case Ranked() as ranked, request:
                self._status = ""
                self._clips.rank(ranked)
                if isinstance(request, Examples):
                    self._add_genres(sorted({genre for genre in ranked.suggested if genre}))
                self._show_clips(to_top=True)
            case Decided() as decided, _:
                self._decided(decided)
            case Assessed() as assessed, _:
                self._assessed = assessed
                self._accuracies += [] if assessed.accuracy is None else [assessed.accuracy]
            case Looked() as looked, _:
                self._looked = looked
                self._show_clip()
            case Playing(place), _:
                self._playing = place
            case Made(run, clips, accuracy, seconds), _:
                right = "" if accuracy is None else f", {percent(accuracy)} right out of fold"
                labels = count(clips, "label")
                self._status = f"{run} made of {labels} in {seconds:.1f} s{right}; m on Classify chooses it"
            case Refused(error), request:
                self._refused(error, request)
        self._show_head()

    def _opened(self, opened: Opened) -> None:
        self._status, self._reason, self._has_audio = "", opened.reason, opened.has_audio
        self._clips.open(opened)
        self._add_genres(opened.genres)
        self._show_clips(to_top=True)
        if self._clips.teaches:
            self._process.ask(Assess())

    def _decided(self, decided: Decided) -> None:
        if not decided.undone:
            self._unconfirmed.pop(0)
        elif not decided.decisions:
            self.app.notify("There is no decision of this session to take back.")
        else:
            self._clips.decide(decided.decisions)
        if decided.ranked is not None:
            # An order that later keys have overtaken would jump.
            if not self._unconfirmed:
                self._clips.rank(decided.ranked)
                self._show_clips(to_top=True)
            self._process.withdraw(lambda request: not isinstance(request, Assess))
            self._process.ask(Assess())
        elif decided.undone:
            self._show_clips()
            self._table.go_to(next(iter(decided.decisions), -1))

    def _refused(self, error: str, request: Request | None) -> None:
        self._status = ""
        if isinstance(request, Decide):
            self._clips.decide(self._unconfirmed.pop(0))
            self._show_clips()
        if not self._clips.by_place and not isinstance(request, Play | Seek):
            self._error = error
        else:
            self.app.notify(error, severity="error", timeout=10)

    def _add_genres(self, genres: list[str]) -> None:
        self._genres += [genre for genre in genres if genre not in self._genres]
        self._keys.add(self._genres)

    # Deciding

    def _decide(self, label: str, who: str = "key") -> None:
        """For the marks, or the clip under the cursor: shown at once, while the process writes it down."""
        current, marked = self._table.current, self._clips.marked
        places = sorted(marked) if marked else [current.place] if current is not None else []
        if not places or not label:
            return
        if label != EXCLUDED:
            self._add_genres([label])
        self._unconfirmed.append(self._clips.decide(dict.fromkeys(places, label)))
        self._status = ""
        self._process.withdraw(lambda request: not isinstance(request, Look | Assess))
        self._process.ask(Decide(places, label, who, self._towards))
        self._clips.marked.clear()
        self._table.rows_changed()
        if not marked:
            self._table.action_move(1)
        self._show_head()

    def on_key(self, event: events.Key) -> None:
        genre = self._keys[event.character or ""]
        if genre is None or isinstance(self.focused, Input) or not self._clips.by_place:
            return
        event.stop()
        if self._choosing:
            self._choosing, self._towards = False, genre
            self._process.ask(Rank(genre))
            self._show_head()
        else:
            self._decide(genre)

    @on(RowList.Chosen, "#clips")
    def accept(self) -> None:
        marked = [self._clips.by_place[place] for place in sorted(self._clips.marked)]
        if len({clip.suggested for clip in marked}) > 1:
            self.app.notify("The marked clips have different suggestions: give them one genre, or go one by one.")
        elif (clip := marked[0] if marked else self._table.current) is not None:
            self._decide(clip.suggested, "suggestion")

    def action_keep(self) -> None:
        marked = [self._clips.by_place[place] for place in sorted(self._clips.marked)]
        labels = {clip.label for clip in marked} or {clip.label for clip in [self._table.current] if clip}
        if len(labels) > 1:
            self.app.notify("The marked clips have different labels: keep them one by one.")
        elif not all(labels):
            self.app.notify("This clip has no label to keep: give it a genre by its key, or n.")
        else:
            self._decide(labels.pop() if labels else "")

    def action_exclude(self) -> None:
        self._decide(EXCLUDED)

    def action_undo(self) -> None:
        if self._clips.by_place:
            self._process.withdraw(lambda request: not isinstance(request, Look | Assess))
            self._process.ask(Undo(self._towards))

    @work
    async def action_new(self) -> None:
        from tui.dialogs.questions import PromptScreen

        if self._table.current is None:
            return
        question = "Genre of the marked clips" if self._clips.marked else "Genre of this clip"
        name = await self.app.push_screen_wait(PromptScreen(question, "", check=_check_genre))
        if name:
            self._decide(name.strip())

    def action_mark(self, by: int) -> None:
        if (clip := self._table.current) is not None:
            self._clips.marked ^= {clip.place}
            self._table.rows_changed()
            self._table.action_move(by)
            self._show_head()

    # Playing

    def action_play(self) -> None:
        clip = self._table.current
        if self._playing is not None:
            self._process.ask(Play(None), first=True)
        elif clip is not None and not self._has_audio:
            self.app.notify("A feature pack holds no audio to play: open the folder of audio instead.")
        elif clip is not None:
            self._process.ask(Play(clip.place, self.query_one(SoundDetail).window_start_s), first=True)

    def action_seek(self, by: int) -> None:
        """Through the sound while it plays, otherwise along its windows."""
        if self._playing is not None:
            self._process.ask(Seek(by * SEEK_SECONDS), first=True)
        else:
            self.query_one(SoundDetail).action_window(by)

    # Datasets and models

    @work
    async def action_open(self) -> None:
        from tui.dialogs.folder_picker import FolderPicker

        folder = await self.app.push_screen_wait(FolderPicker(self._data or Path.cwd()))
        if folder is not None:
            self.open_dataset(folder)

    @work
    async def action_examples(self) -> None:
        from tui.dialogs.folder_picker import FolderPicker

        if not self._clips.teaches:
            self.app.notify("Examples help to teach a folder without labels.")
            return
        folder = await self.app.push_screen_wait(FolderPicker(self._data or Path.cwd()))
        if folder is not None:
            self._status = "reading the examples …"
            self._process.ask(Examples(path_to_json(folder)))
            self._show_head()

    def action_likely(self) -> None:
        if not self._clips.teaches:
            self.app.notify("Doubtful labels have an order of their own: / filters for a genre.")
        elif self._towards is not None or self._choosing:
            self._choosing = False
            if self._towards is not None:
                self._towards = None
                self._process.ask(Rank())
        else:
            self._choosing = True
        self._show_head()

    def action_model(self) -> None:
        if self._clips.by_place:
            self._status = "making a model …"
            self._process.ask(Make(path_to_json(self.app.runs_dir)))
            self._show_head()

    def action_train(self) -> None:
        from tui.new_run.screen import NewRunScreen

        if self._data is not None:
            self.app.push_screen(NewRunScreen(self._data, labels=LABELS if LABELS.exists() else None))

    # Showing

    @on(ClipTable.Moved)
    def moved(self) -> None:
        self._show_clip()
        if self._timer is not None:
            self._timer.stop()
        if (clip := self._table.current) is not None:
            self._timer = self.set_timer(LOOK_SECONDS, partial(self._look, clip.place))

    def _look(self, place: int) -> None:
        self._process.withdraw(lambda request: not isinstance(request, Look))
        self._process.ask(Look(place))

    @on(RowList.Chosen, "#alike")
    def jump(self, event: RowList.Chosen) -> None:
        place = self.query_one(Neighbours).clips[event.index].place
        if self._clips.filter:
            self.query_one(FilterInput).value = ""
            self.set_class(False, "-filtering")
            self._clips.filter = ""
            self._show_clips()
        self.show_pane("clips")
        self._table.go_to(place)

    def _show_clips(self, *, to_top: bool = False) -> None:
        table = self._table
        table.marked, table.teaches = self._clips.marked, self._clips.teaches
        table.show(self._clips.listed(), to_top=to_top)
        self._show_titles()
        self._show_head()
        if to_top:
            self.moved()

    @on(ClipTable.Resized)
    def _show_titles(self) -> None:
        table = self._table
        lines = [Content.styled(table.titles(), "$text-muted")] if table.clips else []
        self.query_one("#columns", TextLines).show(lines)

    def _show_head(self) -> None:
        name = shown(self._data, 30) if self._data else "no dataset"
        told = self._status or told_lines.told(
            self._clips,
            len(self._table.clips),
            towards=self._towards,
            choosing=self._choosing,
            playing=self._playing is not None,
        )
        lines = [Content(f"{name} · {told}" if self._data or self._status else name)]
        if self._clips.teaches:
            lines.append(told_lines.taught(self._assessed, self._accuracies, self._reason))
        self.query_one("#head", TextLines).show(lines)
        self.query_one("#legend", TextLines).show(told_lines.legend(self._clips, self._keys, self.size.width - 2))
        empty = not self._clips.by_place
        self.set_class(empty, "-empty")
        width = max(20, self.size.width - 6)
        hint = [Content(part) for line in WELCOME for part in wrap(line, width) or [""]]
        if self._error:
            hint = [Content.styled(line, "$bad") for line in wrap(f"✗ {self._error}", width)] + [Content(""), *hint]
        self.query_one("#hint", LinesView).show([] if self._status or not empty else hint)

    def _show_clip(self) -> None:
        clip, looked = self._table.current, self._looked
        detail, near = self.query_one(SoundDetail), self.query_one(Neighbours)
        if clip is None or looked is None or looked.place != clip.place:
            return  # what was looked at stays until the next is there
        if looked.prediction.probabilities:
            image = Image(looked.bands, looked.image, looked.hz, looked.seconds) if looked.image else None
            detail.show_sound(Sound(Path(clip.name), "classified", looked.prediction, image=image))
        else:
            warning = looked.prediction.warning or "Nothing is known before the first label."
            detail.show_sound(None, f"{clip.name}\n{warning}")
        near.show([self._clips.by_place[place] for place in looked.neighbours])

    # The filter

    def action_filter(self) -> None:
        self.set_class(True, "-filtering")
        self.show_pane("clips")
        self.query_one(FilterInput).focus()

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        self._clips.filter = event.value
        self._show_clips()

    @on(Input.Submitted)
    def to_the_list(self) -> None:
        self._table.focus()

    def action_back(self) -> None:
        if self.has_class("-filtering"):
            self.query_one(FilterInput).value = ""
            self.set_class(False, "-filtering")
            self._table.focus()
        elif self._choosing or self._towards is not None:
            self.action_likely()
        else:
            self._clips.marked.clear()
            self._table.rows_changed()
            self._show_head()


def _check_genre(text: str) -> None:
    """
    Raises:
        UserError: it cannot be the name of a genre.
    """
    name = text.strip()
    if name == EXCLUDED or printable(name) != name or len(name) > LONGEST_GENRE:
        raise UserError(
            f"A genre's name must have at most {LONGEST_GENRE} printable characters and must not be {EXCLUDED!r}."
        )
