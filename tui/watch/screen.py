"""One run, live: status, curves, epochs, per-genre results, log and, at the end, the test report."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from time import monotonic as now
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from core.runs import actions
from core.runs.actions import total_epochs
from core.runs.control import Kind
from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState, Validation
from core.util.errors import UserError
from core.util.text import counted
from tui.charts.curves import CurveKeys, Curves, curve_bindings
from tui.charts.data import View
from tui.dialogs.questions import ConfirmScreen, PromptScreen, stop_question
from tui.formatting import shown
from tui.shell.mode_screen import ModeScreen
from tui.shell.panels import key_of
from tui.shell.settings import WatchView, load_view, run_view_file, save_view
from tui.watch.lines import CONSEQUENCES, PendingRequest
from tui.watch.panes import Panes
from tui.watch.row_panes import EpochRows, Mistakes
from tui.widgets.row_list import RowList
from tui.widgets.run_header import run_header
from tui.widgets.text import TextLines

POLL_SECONDS = 0.5
"""Seconds between two reads of the journal; nothing is drawn more often, except after a key."""
LOOK_SECONDS = 1.0
"""Most seconds that a first look at a long journal has for itself: reading the rest would slow down its drawing."""
EPOCH_SECONDS = 1.0
"""Seconds between two drawings of new epochs, which change most of the screen: a slow link must keep up."""


class WatchScreen(ModeScreen, CurveKeys):
    MODE = "watch"
    HELP = (
        "One run, live. The trainer is a separate process: quitting the app or losing the terminal does not affect it. "
        "Left and right move a cursor that reads the charts; with shift they select a range to zoom into."
    )
    CSS_PATH = "../styles/watch.tcss"
    BINDINGS: ClassVar = [
        Binding("p", "pause", "pause", id="watch.pause", tooltip="Pause at the next batch, or resume what is paused"),
        Binding("r", "resume", "resume", id="watch.resume", tooltip="Resume a run that is paused or has ended"),
        Binding("s", "stop", "stop", id="watch.stop", tooltip="Stop at the next batch; keep and test the best model"),
        Binding("e", "extend", "extend", id="watch.extend", tooltip="Train for more epochs"),
        Binding("K", "signal", "kill", id="watch.kill", tooltip="Send a signal to a trainer that does not answer"),
        *curve_bindings("watch"),
        Binding(
            "escape",
            "back",
            "back",
            show=False,
            id="watch.back",
            tooltip="Clear the selection, then the zoom, then the cursor",
        ),
        Binding("tab", "pane(1)", "pane", id="watch.next_pane", tooltip="Next panel or tab"),
        Binding("shift+tab", "pane(-1)", "previous panel or tab", show=False, id="watch.previous_pane"),
        Binding(
            "w", "write", "write", id="watch.write", tooltip="Write the history (CSV, JSON) and charts (SVG) to files"
        ),
    ]

    class Read(Message):
        """The journal was read. A slow screen skips all but the newest message."""

        def __init__(self, tail: RunReader, state: RunState, error: str = "", *, whole: bool = True) -> None:
            super().__init__()
            self.tail = tail
            self.state = state
            self.error = error
            """Why the journal could not be read this time."""
            self.whole = whole
            """Whether the reading is over; a first look at a long journal comes before that."""
            self.shown = threading.Event()

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, WatchScreen.Read) and message.tail is self.tail

    class EpochRead(Message):
        """The validation of the epoch under the cursor was read."""

        def __init__(self, tail: RunReader, epoch: int, validation: Validation | None) -> None:
            super().__init__()
            self.tail = tail
            self.epoch = epoch
            self.validation = validation

    class Gone(Message):
        """The run folder is gone."""

        def __init__(self, tail: RunReader) -> None:
            super().__init__()
            self.tail = tail

    def __init__(self) -> None:
        super().__init__()
        self._tail: RunReader | None = None
        self._request: PendingRequest | None = None
        self._reading = False
        self._state = RunState.empty()
        self._can_do: list[bool | None] = []
        self._epochs_drawn = (0, 0.0)
        """How many epochs were drawn last, and when (monotonic clock)."""

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="header")
        yield Panes(id="panes")

    def on_mount(self) -> None:
        self.poll(POLL_SECONDS, self._poll_journal)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())
        self._show_none("No run is selected.")

    def on_unmount(self) -> None:
        self._leave_run()  # the process ends when its threads do

    def _leave_run(self) -> None:
        if self._tail is not None:
            self._tail.cancel()

    def _show_none(self, why: str) -> None:
        self._leave_run()
        self._tail, self._request, self._state = None, None, RunState.empty()
        self.query_one(Panes).display = False
        runs = self.app.key_for("mode.runs")
        self.query_one("#header", TextLines).show([Content(f"{why} Choose one on the Runs screen ({runs}).")])
        self.refresh_bindings()

    # Reading and showing

    def watch_run(self, run: Path) -> None:
        """Watch the run in folder ``run``."""
        folder = RunFolder(run)
        self._leave_run()
        self._tail, self._reading = RunReader(folder), False
        self._request = PendingRequest(folder)
        self._state = RunState.empty()
        self.query_one("#header", TextLines).show([Content(f"Reading the journal of {folder.name} …")])
        kept, settings = load_view(run_view_file(run), WatchView()), self.app.settings
        view = View(
            smoothing=settings.smoothing if kept.smoothing is None else kept.smoothing,
            logarithmic=settings.log_loss if kept.log_loss is None else kept.log_loss,
        )
        panes = self.query_one(Panes)
        panes.query_one(Curves).begin(view, steps=kept.steps)
        panes.begin(kept.pane)
        panes.display = True
        self._poll_journal()

    def _poll_journal(self) -> None:
        if self._tail is not None and not self._reading:
            self._reading = True
            self._read(self._tail)

    @work(thread=True, group="journal")
    def _read(self, tail: RunReader) -> None:
        """In a thread: a long journal takes seconds to read, and a network disk may take longer."""
        if not tail.run.exists():
            self.post_message(self.Gone(tail))
            return
        try:
            if (state := tail.first_look()) is not None:
                look = self.Read(tail, state, whole=False)
                self.post_message(look)
                look.shown.wait(LOOK_SECONDS)
            tail.poll()
        except OSError as error:
            self.post_message(self.Read(tail, tail.state, f"The journal cannot be read: {error.strerror}"))
        else:
            self.post_message(self.Read(tail, tail.state))

    @on(Read)
    def show_new(self, message: Read) -> None:
        self.call_after_refresh(message.shown.set)
        if message.tail is not self._tail:
            return
        before, self._state, self._reading = self._state, message.state, not message.whole
        if message.error and self._request is not None:
            self._request.say(Content.styled(f"! {message.error}", "$warn"))
        if self._is_due(before):
            self._show()
        if not before.name:
            self.call_after_refresh(self._focus_first)

    def _focus_first(self) -> None:
        """Nothing could take the focus while the panes were hidden."""
        if self.focused is None and self.focus_chain:
            self.set_focus(self.focus_chain[0], scroll_visible=False)

    @on(Gone)
    def show_gone(self, message: Gone) -> None:
        if message.tail is self._tail:
            self._show_none(f"{message.tail.run.name} was deleted, renamed or moved.")

    def _is_due(self, before: RunState) -> bool:
        """Whether there is something new to draw and enough time has passed."""
        state, (epochs, drawn_at) = self._state, self._epochs_drawn
        if len(state.history) != epochs:
            return monotonic() - drawn_at >= EPOCH_SECONDS
        waiting = self._request is not None and self._request.is_open
        return state is not before or state.status == "running" or waiting  # the time left and the silence change

    def _show(self) -> None:
        if not self._state.name:
            return
        if len(self._state.history) != self._epochs_drawn[0]:
            self._epochs_drawn = len(self._state.history), monotonic()
        short = self.app.height_class == "tiny"
        header = run_header(self._state, now(), self.size.width - 2, short=short)
        self.query_one("#header", TextLines).show(header)
        notice = self._request.notice(self._state, key_of(self, "watch.kill")) if self._request else None
        self.query_one(Panes).show(self._state, notice)
        can_do = [self.check_action(action, ()) for action in ("pause", "resume", "stop", "signal")]
        if can_do != self._can_do:
            self._can_do = can_do
            self.refresh_bindings()

    def on_resize(self) -> None:
        super().on_resize()
        self._show()

    # Requests to the trainer

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        state, watching = self._state, bool(self._state.name)
        alive = bool(state.alive)
        match action:
            case "pause":
                return watching and alive
            case "resume":
                return watching and (state.paused if alive else state.status != "finished")
            case "stop":
                return watching and alive and not state.stopping
            case "signal":
                return self._request is not None and self._request.next_signal() is not None
            case _:
                return watching or action not in _NEED_A_RUN

    def action_pause(self) -> None:
        self._ask("resume" if self._state.paused else "pause")

    @work
    async def action_stop(self) -> None:
        if await self.app.push_screen_wait(stop_question(self._state.name)):
            self._ask("stop")

    def action_resume(self) -> None:
        if self._state.alive:
            self._ask("resume")
        elif self._tail is not None:
            self._launch(partial(actions.resume, self._tail.run))

    @work
    async def action_extend(self) -> None:
        assert self._tail is not None
        run, asked = self._tail.run, self._state.epochs
        done = f"{self._state.epochs_done} of {counted(asked, 'epoch')} done."
        question = f"{done} Train for how many in total? (+20 for 20 more)"
        prompt = PromptScreen(question, "+10", check=partial(total_epochs, current=asked))
        answer = await self.app.push_screen_wait(prompt)
        if answer is None:
            return
        epochs = total_epochs(answer, asked)
        if self._state.alive:
            self._ask("extend", epochs=epochs)
        else:
            self._launch(partial(actions.extend, run, epochs))

    def _ask(self, kind: Kind, *, epochs: int | None = None) -> None:
        assert self._request is not None
        try:
            self._request.ask(kind, self._state, epochs=epochs)
        except UserError as error:
            self.app.notify(str(error), severity="error")
        self._show()

    @work(thread=True)
    def _launch(self, begin: Callable[[], object]) -> None:
        """Start the trainer of a run that has ended; it may wait for a lock or a disk."""
        try:
            begin()
        except (UserError, OSError) as error:
            self.app.call_from_thread(self.app.notify, str(error), severity="error")

    @work
    async def action_signal(self) -> None:
        assert self._request is not None
        chosen = self._request.next_signal()
        if chosen is None:
            return
        question = f"Send {chosen.name} to the trainer of {self._state.name}?"
        yes = await self.app.push_screen_wait(ConfirmScreen(question, CONSEQUENCES[chosen], yes=f"send {chosen.name}"))
        if not yes:
            return
        try:
            self._request.send(chosen)
        except UserError as error:
            self.app.notify(str(error), severity="error")
        self._show()

    # Keys of the charts and the panes

    def action_back(self) -> None:
        if not self.query_one(Panes).back():
            self.query_one(Curves).back()

    def action_pane(self, by: int) -> None:
        self.query_one(Panes).next(by)

    @on(Curves.ViewChanged)
    @on(Panes.ViewChanged)
    def keep_view(self) -> None:
        if self._tail is None:
            return
        panes, curves = self.query_one(Panes), self.query_one(Curves)
        view = curves.view
        kept = WatchView(smoothing=view.smoothing, log_loss=view.logarithmic, steps=curves.steps, pane=panes.chosen)
        save_view(run_view_file(self._tail.run.path), kept)

    @on(Curves.Moved)
    def follow_cursor(self) -> None:
        """The epochs, the genres and the confusion matrix show what the charts' cursor is on."""
        index, rows = self._index_at_cursor, self.query_one(EpochRows)
        rows.move_to(len(rows.history) - 1 if index is None else index)
        if index is None:
            self.query_one(Panes).show_epoch(None, None)
        elif self._tail is not None:
            self._read_epoch(self._tail, rows.history[index].epoch, self._state.genres)

    @property
    def _index_at_cursor(self) -> int | None:
        curves = self.query_one(Curves)
        x, history = curves.view.cursor, self.query_one(EpochRows).history
        return None if x is None or not history else history.nearest("step" if curves.steps else "epoch", x)

    @work(thread=True, exclusive=True, group="epoch")
    def _read_epoch(self, tail: RunReader, epoch: int, genres: list[str]) -> None:
        self.post_message(self.EpochRead(tail, epoch, tail.run.validation(epoch, genres)))

    @on(EpochRead)
    def show_epoch(self, message: EpochRead) -> None:
        index, history = self._index_at_cursor, self.query_one(EpochRows).history
        if message.tail is self._tail and index is not None and history[index].epoch == message.epoch:
            self.query_one(Panes).show_epoch(message.epoch, message.validation)

    @on(RowList.Chosen, "#epoch-rows")
    def point_to_epoch(self, event: RowList.Chosen) -> None:
        row, curves = self._state.history[event.index], self.query_one(Curves)
        curves.point_to(row.step if curves.steps else row.epoch)

    @on(RowList.Chosen, "#mistakes")
    async def classify(self, event: RowList.Chosen) -> None:
        """Open a misclassified clip in Classify, with the model that misclassified it."""
        assert self._tail is not None
        clip = Path(self.query_one(Mistakes).clips[event.index].path)
        path = Path(str(self._state.recipe.get("data", ""))) / clip  # an absolute path stays as it is
        if path.is_file():
            await self.app.classify_paths([path], self._tail.run.best_model_path)
        else:
            self.app.notify(f"There is no file {path}: the dataset has moved, or has no audio.", severity="error")

    def action_write(self) -> None:
        from tui.watch.export import export

        assert self._tail is not None
        curves = self.query_one(Curves)
        folder = Path.cwd() / "exports" / self._state.name
        try:
            written = export(self._state, curves.view, steps=curves.steps, folder=folder)
        except OSError as error:
            self.app.notify(f"The export could not be written: {error}", severity="error")
        else:
            names = ", ".join(path.name for path in written)
            self.app.notify(f"{names}\nin {shown(folder)}", title="Written", timeout=10)


_NEED_A_RUN = frozenset({"extend", "log_scale", "options", "turn", "zoom", "pane", "write"})
"""Actions that require a run in view."""
