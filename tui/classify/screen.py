"""The Classify mode: files chosen in a tree and classified one by one in a worker process."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from core.inference.batch.find_files import find_files
from core.inference.find_model import caveats_of, find_model
from core.inference.types import Unreadable
from core.inference.workers.file_worker import Answer, Classified, Classify, Load, Loaded, Play, Playing, Request, Seek
from core.runs.folder import RunFolder
from core.tags.write import undo_journal
from core.util.errors import UserError
from core.util.jsonl_process import Refused, path_to_json
from core.util.text import counted
from tui.classify.detail import SoundDetail
from tui.classify.export import ExportScreen
from tui.classify.places import GoToScreen, read_places
from tui.classify.queue import Sounds, classifier_process
from tui.classify.results import STALE, ResultHeader, ResultList, Totals
from tui.dialogs.pickers import pick_model
from tui.dialogs.questions import ConfirmScreen
from tui.formatting import clock, shortened
from tui.shell.panels import frame, key_of
from tui.widgets.file_tree import AudioTree
from tui.widgets.pane_tabs import PaneScreen, PaneTabs
from tui.widgets.row_list import RowList
from tui.widgets.text import FilterInput, TextLines

MANY = 10_000
"""Files that are not classified without a question."""
FRAMES = {
    "files": {"mark": "mark", "take": "classify", "go_to": "go to"},
    "results": {"sort": "sort", "again": "again", "write": "write"},
    "sound": {"play": "play"},
    "totals": {"totals": "totals"},
}
"""Panel → the keys in its border."""
FEWEST_MODEL = 12
"""Cells of the model's name at least."""
REDRAW_SECONDS = 0.1
"""Seconds between two redraws while predictions arrive."""
BEGINNING = (
    "Choose an audio file on the left; enter classifies it.\n"
    "a classifies the folder, or the files and folders that are marked."
)

TEST_DIFFERS = "The test averaged training crops; Classify averages windows, so probabilities can differ."
"""Shown when misclassified clips of a run's test are opened."""


class ClassifyScreen(PaneScreen):
    MODE = "classify"
    PANES = ("files", "results", "sound", "totals")
    HELP = "Classifies files and folders: a prediction for each file, and for each window along it."
    CSS_PATH = "../styles/classify.tcss"
    BINDINGS: ClassVar = [
        Binding("space", "mark", "mark", id="classify.mark", tooltip="Mark a file or a folder"),
        Binding(
            "a",
            "take",
            "classify",
            id="classify.take",
            tooltip="Classify the marked files, or this folder",
        ),
        Binding("slash", "filter", "filter", key_display="/", id="classify.filter", tooltip="Filter files by name"),
        Binding("m", "model", "model", id="classify.model", tooltip="Choose the model"),
        Binding("p", "play", "play", id="classify.play", tooltip="Play from the window under the cursor, or stop"),
        Binding("r", "again", "again", id="classify.again", tooltip="Classify again what another model classified"),
        Binding("E", "wrong", "mistakes", id="classify.wrong", tooltip="Test clips that the model's run misclassified"),
        Binding("w", "write", "write", id="classify.write", tooltip="Write the predictions to files, or to tags"),
        Binding("colon", "go_to", "go to", key_display=":", id="classify.go_to", tooltip="Go to a folder or a file"),
        Binding(
            "t", "totals", "totals", id="classify.totals", tooltip="Show totals per genre and accuracy, or the sound"
        ),
        Binding("u", "undo_tags", "undo tags", show=False, id="classify.undo", tooltip="Undo the last writing of tags"),
        Binding("y", "copy_path", "copy path", show=False, id="classify.copy", tooltip="Copy the path of the file"),
        Binding("N", "names", "names", show=False, id="classify.names", tooltip="Show names, folders or full paths"),
        Binding("tab", "pane(1)", "pane", id="classify.next_pane", tooltip="Next panel"),
        Binding("shift+tab", "pane(-1)", "previous panel", show=False, id="classify.previous_pane"),
        Binding("f", "all_files", "all files", id="classify.all_files", tooltip="Show all files, or audio only"),
        Binding("X", "clear", "clear", id="classify.clear", tooltip="Cancel the waiting files, then clear the results"),
        Binding(
            "greater_than_sign", "sort", "sort", key_display=">", id="classify.sort", tooltip="Sort by another column"
        ),
        Binding("R", "reverse", "reverse", show=False, id="classify.reverse", tooltip="Reverse the sort order"),
        Binding("f5", "look_again", "reread", show=False, id="classify.reread", tooltip="Read the folders again"),
        Binding("escape", "back", "back", show=False, id="classify.back", tooltip="Clear the filter, then the marks"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._process = classifier_process(lambda *said: self.call_later(self.take_answer, *said))
        self._process.start()  # it loads its libraries while the screen is drawn
        self._sounds = Sounds(self._process)
        self._model: Path | None = None
        self._picked: Path | None = None
        """The model chosen for this screen; None for the one in use."""
        self._caveats: tuple[str, ...] = ()
        self._loaded: Loaded | None = None
        self._trouble = ""
        self._playing = ""
        """The path of what plays, as `path_to_json` gives it."""
        self._position_s = 0.0
        self._soon: Timer | None = None

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="header")
        yield PaneTabs(id="tabs")
        with Horizontal(id="body"):
            with Vertical(id="files-pane", classes="panel"):
                with Horizontal(id="filter"):
                    yield Static("/")
                    yield FilterInput(compact=True, placeholder="part of a name")
                yield AudioTree(Path.cwd(), id="files")
            with Vertical(id="predictions"):
                with Vertical(id="results-pane", classes="panel"):
                    yield ResultHeader(id="results-head")
                    yield ResultList(id="results")
                with Horizontal(id="below"):
                    with Vertical(id="sound-pane", classes="panel"):
                        yield SoundDetail(id="sound")
                    with Vertical(id="totals-pane", classes="panel"):
                        yield Totals(id="totals")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.query_one(SoundDetail).draw())
        for pane, keys in FRAMES.items():
            hints = [(key_of(self, f"classify.{name}"), what) for name, what in keys.items()]
            frame(self.query_one(f"#{pane}-pane"), pane, hints)
        self.show_pane("files")
        self._show()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if self._picked is None:
            self._take_model(None)  # another may be in use by now

    def on_unmount(self) -> None:
        self._process.close()

    # Called by other screens

    def classify_paths(self, paths: Sequence[Path], model: Path | None = None) -> None:
        """Classify these files and folders, with ``model`` (a model file or a run's folder) where one is named."""
        if model is not None:
            self._take_model(model)
        if model is not None and paths:
            self.app.notify(TEST_DIFFERS)
        if paths:
            self.query_one(AudioTree).reveal(paths[0])
        self._give(paths)
        self.show_pane("sound")

    # The model

    def _take_model(self, model: Path | None) -> None:
        """Classify with ``model`` from here on; without one, with the model in use."""
        self._picked = model
        try:
            found = find_model(None if model is None else str(model), self.app.runs_dir)
        except UserError as error:
            self._trouble = str(error)
            self._show()
            return
        if found == self._model and not self._trouble:
            return
        self._model, self._loaded, self._trouble, self._caveats = found, None, "", ()
        self.query_one(Totals).use(None)
        self._read_caveats(found)
        load = Load(path_to_json(found))
        self._process.withdraw(lambda request: not isinstance(request, Load))
        self._process.ask(load, first=True)
        self._sounds.use(load)
        self._show()

    @work(thread=True, group="caveats", exclusive=True)
    def _read_caveats(self, model: Path) -> None:
        """Read what the run's journal says about the model, in a thread."""
        caveats = caveats_of(model)
        if caveats:
            self.app.call_from_thread(self._show_caveats, model, caveats)

    def _show_caveats(self, model: Path, caveats: tuple[str, ...]) -> None:
        if model == self._model:
            self._caveats = caveats
            self._show()

    @work
    async def action_model(self) -> None:
        model = await pick_model(self.app, self._model)
        if model is not None:
            self._take_model(model)

    # Files to classify

    @on(RowList.Chosen, "#files")
    def chosen(self) -> None:
        node = self.query_one(AudioTree).current
        if node is not None:
            self._give([node.path])
            if self.has_class("-one-pane"):
                self.show_pane("sound")

    def action_mark(self) -> None:
        self.query_one(AudioTree).toggle_mark()

    def action_take(self) -> None:
        tree = self.query_one(AudioTree)
        here = tree.current
        folder = [] if here is None else [here.path if here.is_folder else here.path.parent]
        paths = list(tree.marked) or folder
        tree.clear_marks()
        self._give(paths)

    def action_again(self) -> None:
        """Classify the stale predictions again or, without any, the file under the cursor."""
        current = self.query_one(ResultList).current
        again = self._sounds.stale or ([current] if current is not None else [])
        self._sounds.give([sound.path for sound in again])
        self._show()

    def action_wrong(self) -> None:
        run = None if self._model is None else RunFolder(self._model.parent)
        if run is None or not run.exists():
            self.app.notify("This model does not belong to a run, so its test is unknown.", severity="warning")
            return
        self._mistakes_of(run)

    @work(thread=True)
    def _mistakes_of(self, run: RunFolder) -> None:
        state = run.state()
        wrong = state.test.misclassified if state.test is not None else []
        data = Path(str(state.recipe.get("data", "")))
        paths = [data / clip.path for clip in wrong]
        missing = f"The test of {run.name} found no mistakes" if state.test else f"{run.name} has not been tested yet"
        if paths:
            self.app.call_from_thread(self._give, paths)
            self.app.call_from_thread(self.app.notify, TEST_DIFFERS)
        else:
            self.app.call_from_thread(self.app.notify, f"{missing}.")

    @work(thread=True, group="collecting")
    def _give(self, paths: Iterable[Path]) -> None:
        paths = list(paths)
        found = list(find_files(paths))
        folders = [path for path in paths if path.is_dir()]
        self.app.call_from_thread(self._ask_and_give, found, folders)

    @work
    async def _ask_and_give(self, found: Sequence[Path | Unreadable], folders: Sequence[Path]) -> None:
        if len(found) > MANY and not await self.app.push_screen_wait(
            ConfirmScreen(f"Classify {len(found):,} files?", "X cancels the waiting files.", yes="classify")
        ):
            return
        self._given(found)
        self.query_one(Totals).add_folders(folders)

    def _given(self, found: Sequence[Path | Unreadable]) -> None:
        first = self._sounds.give(found)
        if self._model is None:
            self._take_model(None)
        self._show()
        if first is not None:
            self.query_one(ResultList).go_to(first)

    def take_answer(self, answer: Answer | Refused, request: Request | None) -> None:
        match answer, request:
            case Loaded() as loaded, Load(model):
                if self._model is not None and model == path_to_json(self._model):  # another may be wanted by now
                    self._loaded, self._trouble = loaded, ""
                    self.query_one(Totals).use(loaded)
            case (Classified() | Refused()) as classified, Classify() as classify:
                self._sounds.classified(classify, classified)
                if self._soon is None:
                    self._soon = self.set_timer(REDRAW_SECONDS, self._show)
                return
            case Playing(path, position_s), _:
                self._playing, self._position_s = path, position_s
                self._show_playing()
            case Refused(error), Load():
                self._trouble = error
            case Refused(error), _:
                self.app.notify(error, severity="warning")
        self._show()

    @on(ResultList.Dropped)
    def drop(self, event: ResultList.Dropped) -> None:
        self._sounds.drop(event.sound.path)
        self._show()

    def action_clear(self) -> None:
        self._sounds.clear()
        self._show()

    # Display

    def _show(self) -> None:
        if self._soon is not None:
            self._soon.stop()
            self._soon = None
        self._show_header()
        sounds = list(self._sounds)
        self.query_one(ResultList).show(sounds)
        self.query_one(Totals).show_sounds(sounds)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_header)

    def _show_header(self) -> None:
        header = self.query_one("#header", TextLines)
        trouble = wrap(f"✗ {self._trouble}", max(20, header.size.width)) if self._trouble else []
        said = [Content.styled(line, "$bad") for line in trouble]
        header.show(said or self._header().wrap(max(20, header.size.width)))

    def _header(self) -> Content:
        if self._loaded is None:
            return Content.styled("no model yet" if self._model is None else "loading the model …", "$text-muted")
        loaded, done = self._loaded, len(self._sounds) - self._sounds.waiting
        line = Content(f" · {counted(len(loaded.genres), 'genre')} · {loaded.device}")
        if self._caveats:
            line = Content.assemble(line, (f" · ! {', '.join(self._caveats)}", "$warn"))
        if self._sounds:
            line = Content.assemble(line, f" · {done} of {counted(len(self._sounds), 'file')} classified")
        if stale := len(self._sounds.stale):
            line = Content.assemble(line, (f" · {STALE} {stale} by another model: r classifies again", "$warn"))
        line = Content.assemble(line, f" · ▶ {clock(self._position_s)}" if self._playing else "")
        room = max(FEWEST_MODEL, self.query_one("#header").size.width - len("model ") - line.cell_length)
        return Content.assemble("model ", (shortened(loaded.model, room), "bold"), line)

    @on(ResultList.Resized)
    def _show_titles(self) -> None:
        self.query_one(ResultHeader).update(self.query_one(ResultList).header())

    @on(ResultHeader.Clicked)
    def sort_by_title(self, event: ResultHeader.Clicked) -> None:
        """A click on a title sorts by it, another one in reverse."""
        self.query_one(ResultList).sort_by_title(event.x)

    @on(ResultList.Moved)
    def _show_sound(self) -> None:
        model = "" if self._loaded is None else self._loaded.model
        self.query_one(SoundDetail).show_sound(self.query_one(ResultList).current, BEGINNING, model)
        self._show_playing()

    def _show_playing(self) -> None:
        sound = self.query_one(ResultList).current
        is_this = sound is not None and path_to_json(sound.path) == self._playing
        self.query_one(SoundDetail).show_playing(self._position_s if self._playing else None, is_this=is_this)

    def show_pane(self, pane: str) -> None:
        super().show_pane(pane)
        self.set_class(self.app.width_class == "wide", "-totals-beside")
        self.call_after_refresh(self.query_one(Totals).fill)

    def action_sort(self) -> None:
        self.query_one(ResultList).sort_by_next()

    def action_reverse(self) -> None:
        self.query_one(ResultList).reverse()

    def action_names(self) -> None:
        self.query_one(ResultList).turn_names()

    def action_totals(self) -> None:
        self.show_pane("sound" if self.pane == "totals" else "totals")

    @work
    async def action_write(self) -> None:
        if not any(sound.state != "waiting" for sound in self._sounds):
            self.app.notify("Nothing is classified yet.", severity="warning")
            return
        genres = [] if self._loaded is None else self._loaded.genres
        said = await self.app.push_screen_wait(ExportScreen(list(self._sounds), genres, Path.cwd()))
        if said is not None:
            self.app.notify(said, timeout=10)

    @work(thread=True, group="tags")
    def action_undo_tags(self) -> None:
        """Undo the last writing of tags, in a thread, because every file is rewritten."""
        try:
            report = undo_journal()
        except UserError as error:
            self.app.call_from_thread(self.app.notify, str(error), severity="warning")
            return
        failed = f"; {len(report.failed)} could not be undone: {report.failed[0]}" if report.failed else ""
        said = f"Undid the tags of {counted(len(report.changes), 'file')}{failed}."
        self.app.call_from_thread(self.app.notify, said)

    def action_copy_path(self) -> None:
        if (sound := self.query_one(ResultList).current) is not None:
            self.app.copy_to_clipboard(str(sound.path))
            self.app.notify(str(sound.path), title="Copied")

    @work
    async def action_go_to(self) -> None:
        tree = self.query_one(AudioTree)
        path = await self.app.push_screen_wait(GoToScreen(tree.root))
        if path is None:
            return
        read_places().visit(path if path.is_dir() else path.parent)
        if path.is_dir():
            tree.show_root(path)
            self.show_pane("files")
        else:
            self.classify_paths([path])

    def action_play(self) -> None:
        sound = self.query_one(ResultList).current
        node = self.query_one(AudioTree).current
        on_files = self.query_one(AudioTree).has_focus and node is not None and not node.is_folder
        path = node.path if on_files and node is not None else sound.path if sound is not None else None
        if self._playing:
            self._process.ask(Play(""), first=True)
        elif path is not None:
            shown = sound is not None and sound.path == path
            start_s = self.query_one(SoundDetail).window_start_s if shown else 0.0
            self._process.ask(Play(path_to_json(path), start_s), first=True)

    @on(SoundDetail.Sought)
    def seek(self, event: SoundDetail.Sought) -> None:
        self._process.ask(Seek(event.by_s), first=True)

    # The tree

    def action_filter(self) -> None:
        self.set_class(True, "-filtering")
        self.show_pane("files")
        self.query_one(FilterInput).focus()

    @on(Input.Changed)
    def narrow(self, event: Input.Changed) -> None:
        self.query_one(AudioTree).narrow(event.value)

    @on(Input.Submitted)
    def to_the_list(self) -> None:
        self.show_pane("files")

    async def action_back(self) -> None:
        tree = self.query_one(AudioTree)
        if self.has_class("-filtering"):
            self.query_one(FilterInput).value = ""
            self.set_class(False, "-filtering")
            tree.focus()
        elif tree.marked or not await self.app.leave_opened():
            tree.clear_marks()

    def action_all_files(self) -> None:
        self.query_one(AudioTree).toggle_audio_only()

    def action_look_again(self) -> None:
        self.query_one(AudioTree).look_again()
