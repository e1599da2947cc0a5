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
from textual.timer import Timer
from textual.widgets import Input

from core.dataset.labels.decisions import EXCLUDED
from core.labelling.label_worker import Answer, Request
from core.util.errors import UserError
from core.util.jsonl_process import Refused
from core.util.paths import name_fault
from tui.classify.detail import SoundDetail
from tui.classify.results import Sound
from tui.label.panels import ClipsPane, ClipTable, Neighbours, head, legend
from tui.label.session import Session, pick_opinion
from tui.shell.panels import frame, key_of
from tui.widgets.pane_tabs import PaneScreen, PaneTabs
from tui.widgets.row_list import LinesView, RowList
from tui.widgets.spectrogram_view import Image
from tui.widgets.text import TextLines

LABELS = Path("labels.csv")
LOOK_SECONDS = 0.15
"""Seconds that the cursor rests on a clip before its sound is read."""
FRAMES = {
    "clips": ("clips", {"exclude": "exclude", "mark": "mark", "undo": "undo"}),
    "sound": ("sound", {"play": "play"}),
    "alike": ("sounds like", {}),
}
"""Panel → its title, and the keys in its border."""
WELCOME = (
    "O opens a dataset.",
    "",
    "With labels: those that are probably wrong come first.",
    "Without: label some clips, and the others are ordered by what helps most to learn your genres.",
    "",
    "Each decision goes to labels.csv in the current folder; no audio file and no tag is changed.",
)
LOADING = (
    "Every clip is analysed first, once for each dataset; then the clips are listed here.",
    *WELCOME[1:],
)
"""Below the progress."""
OF_CLIPS = frozenset(
    {"keep", "exclude", "new", "undo", "play", "mark", "filter", "likely", "second", "examples", "model", "train"}
    | {"sort", "reverse"}
)
"""Actions that need clips."""


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
        Binding("M", "second", "second opinion", id="label.second", tooltip="A model or encoder, or none"),
        Binding("A", "examples", "examples", id="label.examples", tooltip="Teaching: learn from another dataset too"),
        Binding("m", "model", "make model", id="label.model", tooltip="Make a model of the present labels"),
        Binding("t", "train", "train", id="label.train", tooltip="Train a run with the present labels"),
        Binding(
            "greater_than_sign", "sort", "sort", key_display=">", id="label.sort", tooltip="Sort by another column"
        ),
        Binding("R", "reverse", "reverse", show=False, id="label.reverse", tooltip="Reverse the sort order"),
        Binding("tab", "pane(1)", "pane", show=False, id="label.next_pane", tooltip="Next panel"),
        Binding("shift+tab", "pane(-1)", "previous panel", show=False, id="label.previous_pane"),
        Binding("escape", "back", "back", show=False, id="label.back", tooltip="Clear the filter, then the marks"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.session = self._session_of(None)
        self._timer: Timer | None = None

    def _session_of(self, data: Path | None) -> Session:
        session = Session(data, LABELS, lambda *said: self.call_later(self.take_answer, session, *said))
        return session

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="head")
        yield TextLines(id="legend")
        yield PaneTabs(id="tabs")
        yield LinesView(id="hint")
        with Horizontal(id="body"):
            yield ClipsPane(id="clips-pane", classes="panel")
            with Vertical(id="beside"):
                with Vertical(id="sound-pane", classes="panel"):
                    yield SoundDetail(id="sound")
                with Vertical(id="alike-pane", classes="panel"):
                    yield Neighbours(id="alike")

    @property
    def _pane(self) -> ClipsPane:
        return self.query_one(ClipsPane)

    @property
    def _table(self) -> ClipTable:
        return self.query_one(ClipTable)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.query_one(SoundDetail).draw())
        for pane, (title, keys) in FRAMES.items():
            hints = [(key_of(self, f"label.{name}"), what) for name, what in keys.items()]
            frame(self.query_one(f"#{pane}-pane"), title, hints or [("enter", "jump there")])
        self.show_pane("clips")
        self._show_head()

    def on_unmount(self) -> None:
        self.session.close()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_head)

    def open_dataset(self, data: Path) -> None:
        """Show the clips of a dataset with the decisions in ``labels.csv`` of the current folder."""
        self.session.close()
        self.session = self._session_of(data)
        self._show_clips(to_top=True)

    def take_answer(self, session: Session, answer: Answer | Refused, request: Request | None) -> None:
        if session is not self.session:
            return  # of an earlier dataset
        change = session.take(answer, request)
        if change.rows:
            self._show_clips(to_top=change.to_top and not session.clips.sorted_by)
        if change.go_to is not None:
            self._table.go_to(change.go_to)
        if change.sound:
            self._show_clip()
        self._show_playing()
        if change.note:
            self.app.notify(change.note, severity="error" if change.is_error else "information", timeout=10)
        self._show_head()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in OF_CLIPS and self.session.is_empty:
            return False
        return super().check_action(action, parameters)

    # Deciding

    def _decide(self, label: str, who: str = "key") -> None:
        """For the marks, or the clip under the cursor."""
        chosen, marked = self._pane.chosen, self.session.clips.marked
        if not chosen or not label:
            return
        self.session.decide([clip.index for clip in chosen], label, who)
        self._table.rows_changed()
        if marked:
            marked.clear()
        else:
            self._table.action_move(1)
        self._show_head()

    def on_key(self, event: events.Key) -> None:
        genre = self.session.keys[event.character or ""]
        if genre is None or isinstance(self.focused, Input) or self.session.is_empty:
            return
        event.stop()
        if self.session.choosing:
            self.session.rank(genre)
            self._show_head()
        else:
            self._decide(genre)

    @on(RowList.Chosen, "#clips")
    def accept(self) -> None:
        suggestions = {clip.suggested for clip in self._pane.chosen}
        if len(suggestions) > 1:
            self.app.notify("The marked clips have different suggestions: give them one genre, or go one by one.")
        elif suggestions:
            self._decide(suggestions.pop(), "suggestion")

    def action_keep(self) -> None:
        labels = {clip.label for clip in self._pane.chosen}
        if len(labels) > 1:
            self.app.notify("The marked clips have different labels: keep them one by one.")
        elif not all(labels):
            self.app.notify("This clip has no label to keep: give it a genre by its key, or n.")
        elif labels:
            self._decide(labels.pop())

    def action_exclude(self) -> None:
        self._decide(EXCLUDED)

    def action_undo(self) -> None:
        if not self.session.is_empty:
            self.session.undo()

    @work
    async def action_new(self) -> None:
        from tui.dialogs.questions import PromptScreen

        if not self._pane.chosen:
            return
        question = "Genre of the marked clips" if self.session.clips.marked else "Genre of this clip"
        name = await self.app.push_screen_wait(PromptScreen(question, "", check=_check_genre))
        if name:
            self._decide(name.strip())

    def action_mark(self, by: int) -> None:
        if (clip := self._table.current) is not None:
            self.session.clips.marked ^= {clip.index}
            self._table.rows_changed()
            self._table.action_move(by)
            self._show_head()

    # Playing

    def action_play(self) -> None:
        clip = self._table.current
        if self.session.playing is not None:
            self.session.play(None)
        elif clip is not None and not self.session.has_audio:
            self.app.notify("A feature pack holds no audio to play: open the folder of audio instead.")
        elif clip is not None:
            self.session.play(clip.index, self.query_one(SoundDetail).window_start_s)

    def action_window(self, by: int) -> None:
        self.query_one(SoundDetail).action_window(by)

    @on(SoundDetail.Sought)
    def seek(self, event: SoundDetail.Sought) -> None:
        self.session.seek(event.by_s)

    # Datasets and models

    async def _ask_folder(self, question: str) -> Path | None:
        from tui.dialogs.pickers import FolderPicker

        folder: Path | None = await self.app.push_screen_wait(FolderPicker(self.session.data or Path.cwd(), question))
        return folder

    @work
    async def action_open(self) -> None:
        question = "Choose a dataset, or a folder of audio files without labels"
        if (folder := await self._ask_folder(question)) is not None:
            self.open_dataset(folder)

    @work
    async def action_examples(self) -> None:
        if not self.session.clips.teaches:
            self.app.notify("Examples help to teach a folder without labels.")
        elif (folder := await self._ask_folder("Choose a dataset with labels to learn from")) is not None:
            self.session.add_examples(folder)
            self._show_head()

    @work
    async def action_second(self) -> None:
        """The one in use, chosen again, is not asked any more."""
        session = self.session
        if session.is_empty:
            self.app.notify("Open a dataset first (O).")
            return
        teaches = session.clips.teaches
        opinion = await pick_opinion(self.app, session.second_opinion, encoders_only=teaches)
        if opinion is not None and session is self.session:
            session.ask_opinion(None if opinion == session.second_opinion else opinion)
            self._show_head()

    def action_sort(self) -> None:
        self._pane.sort_by_next()

    def action_reverse(self) -> None:
        self._pane.reverse()

    def action_likely(self) -> None:
        session = self.session
        if not session.clips.teaches:
            self.app.notify("Doubtful labels have an order of their own: / filters for a genre.")
        elif session.towards is not None:
            session.rank(None)
        else:
            session.choosing = not session.choosing
        self._show_head()

    def action_model(self) -> None:
        if not self.session.is_empty:
            self.session.make_model(self.app.runs_dir)
            self._show_head()

    def action_train(self) -> None:
        from tui.new_run.screen import NewRunScreen

        if self.session.data is not None:
            self.app.push_screen(NewRunScreen(self.session.data, labels=LABELS if LABELS.exists() else None))

    # Showing

    @on(ClipTable.Moved)
    def moved(self) -> None:
        self._show_clip()
        self._show_playing()
        if self._timer is not None:
            self._timer.stop()
        if (clip := self._table.current) is not None:
            self._timer = self.set_timer(LOOK_SECONDS, partial(self.session.look, clip.index))

    @on(RowList.Chosen, "#alike")
    def jump(self, event: RowList.Chosen) -> None:
        self.show_pane("clips")
        self._pane.go_to(self.query_one(Neighbours).clips[event.index].index)

    def _show_clips(self, *, to_top: bool = False) -> None:
        self._pane.show(self.session.clips, to_top=to_top)
        self._show_head()
        if to_top:
            self.moved()

    def _show_head(self) -> None:
        session, width = self.session, max(20, self.size.width - 6)
        self.query_one("#head", TextLines).show(head(session, len(self._table.clips), max(20, self.size.width - 2)))
        self.query_one("#legend", TextLines).show(legend(session, self.size.width - 2))
        if session.is_empty != self.has_class("-empty"):
            self.set_class(session.is_empty, "-empty")
            self.refresh_bindings()
        said = LOADING if session.status else WELCOME
        hint = [Content(part) for line in said for part in wrap(line, width) or [""]]
        if session.error:
            hint = [*(Content.styled(line, "$bad") for line in wrap(f"✗ {session.error}", width)), Content(""), *hint]
        self.query_one("#hint", LinesView).show(hint if session.is_empty else [])

    def _show_playing(self) -> None:
        session, clip = self.session, self._table.current
        position_s = None if session.playing is None else session.position_s
        is_this = clip is not None and clip.index == session.playing
        self.query_one(SoundDetail).show_playing(position_s, is_this=is_this)

    def _show_clip(self) -> None:
        clip, looked = self._table.current, self.session.looked
        if clip is None or looked is None or looked.index != clip.index:
            return  # the previous clip is shown until the answer about this one arrives
        detail = self.query_one(SoundDetail)
        if looked.prediction.probabilities:
            image = Image(looked.bands, looked.image, looked.hz, looked.seconds) if looked.image else None
            detail.show_sound(Sound(Path(clip.name), "classified", looked.prediction, image=image))
        else:
            warning = looked.prediction.warning or "There is no prediction before the first label."
            detail.show_sound(None, f"{clip.name}\n{warning}")
        self.query_one(Neighbours).show([self.session.clips.by_index[index] for index in looked.neighbours])

    def action_filter(self) -> None:
        self.show_pane("clips")
        self._pane.open_filter()

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        self.session.clips.filter = event.value
        self._show_clips()

    def action_back(self) -> None:
        if self._pane.clear_filter():
            self._show_head()
        elif self.session.choosing or self.session.towards is not None:
            self.action_likely()
        else:
            self.session.clips.marked.clear()
            self._table.rows_changed()
            self._show_head()


def _check_genre(text: str) -> None:
    """
    Raises:
        UserError: it cannot be the name of a genre.
    """
    name = text.strip()
    if fault := "stands for excluded clips" if name == EXCLUDED else name and name_fault(name):
        raise UserError(f"This name {fault}; choose another.")
