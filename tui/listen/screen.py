"""The Listen mode: live sound, its level and spectrum, and the predicted genre.

A worker process captures and classifies the sound; the screen polls its state a few times per second.
"""

import time
from pathlib import Path
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content

from core.audio.live.microphone import Device
from core.audio.live.unix_socket import default_socket
from core.inference.find_model import caveats_of, find_model
from core.inference.workers.live_worker import (
    Answer,
    ChangeModel,
    Close,
    Failed,
    FindDevices,
    OpenDevice,
    OpenFeed,
    Pause,
    Request,
    Save,
)
from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused
from tui.dialogs.pickers import pick_model
from tui.formatting import clock
from tui.listen.audio_forwarding import routes
from tui.listen.drawing import (
    MOST_ROWS,
    ScrollView,
    figures_line,
    history_lines,
    level_line,
    prediction_lines,
    source_line,
    strip_chart,
    times_below,
)
from tui.listen.sources import RoutesPanel, SourcePicker
from tui.listen.state import HistoryEntry, ListenState
from tui.shell.mode_screen import ModeScreen
from tui.shell.panels import frame, key_of
from tui.widgets.row_list import LinesView, RowList
from tui.widgets.spectrogram_view import hz_labels
from tui.widgets.text import TextLines, probability_bars

FRAMES = {
    "live": ("sound", {"pause": "listen or pause", "start": "stop", "save": "save"}),
    "routes": ("sound from another machine", {"copy": "copy command"}),
    "now": ("prediction", {"model": "model"}),
    "history": ("history", {"clear": "clear"}),
}
"""Panel → its title, and the keys in its border."""
LOOK_SECONDS = 0.1
SPECTRUM_SECONDS = 0.4
GRACE_SECONDS = 1.0
"""Seconds for the process to exit by itself."""
RETRY_SECONDS = 3.0
"""Seconds between attempts to take over a feed socket that another process holds."""


class ListenScreen(ModeScreen):
    MODE = "listen"
    HELP = (
        "Classifies live sound from a microphone of this machine or, over SSH, of your local machine; "
        "h shows the commands for that."
    )
    CSS_PATH = "../styles/listen.tcss"
    BINDINGS: ClassVar = [
        Binding("p,space", "play", "listen", key_display="p", id="listen.pause", tooltip="Listen, pause, or resume"),
        Binding("s", "stop", "stop", id="listen.start", tooltip="Stop listening"),
        Binding("D", "source", "source", id="listen.source", tooltip="Choose the device, or the feed over SSH"),
        Binding("m", "model", "model", id="listen.model", tooltip="Choose the model"),
        Binding("w", "save", "save", id="listen.save", tooltip="Write the last minute to a WAV file"),
        Binding("h", "routes", "how", id="listen.routes", tooltip="How to send sound from another machine"),
        Binding("y", "copy", "copy", id="listen.copy", tooltip="Copy the marked command"),
        Binding("X", "clear", "clear", id="listen.clear", tooltip="Clear the history"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.state = ListenState()
        self._process: JsonlProcess[Request, Answer] = JsonlProcess(
            "core.inference.workers.live_worker",
            Answer,
            self._forward,
            crashed="the listening process has ended unexpectedly; see the viewer's log",
        )
        self._socket = default_socket()
        self._device: Device | None = None
        self._model: Path | None = None
        self._picked: Path | None = None
        """The model chosen for this screen; None for the one in use."""
        self._caveats: tuple[str, ...] = ()
        self._listening = self._paused = False
        self._asked_routes = False
        self._drawn: tuple[object, ...] = ()
        self._drawn_history: tuple[int, HistoryEntry | None, int] = (0, None, 0)
        self._drawn_at = self._tried_at = 0.0

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="header")
        with Vertical(id="body"):
            with Vertical(id="sound"):
                with Vertical(id="live", classes="panel"):
                    with Horizontal(id="spectrum-row"):
                        yield TextLines(id="hz")
                        yield ScrollView(id="spectrum")
                    yield TextLines(id="times")
                    yield TextLines(id="level")
                yield RoutesPanel(routes(), id="routes", classes="panel")
            with Vertical(id="predictions"):
                with Vertical(id="now", classes="panel"):
                    yield TextLines(id="prediction")
                    yield TextLines(id="bars")
                yield LinesView(id="history", classes="panel")

    def on_mount(self) -> None:
        self.poll(LOOK_SECONDS, self._look)
        for panel, (title, keys) in FRAMES.items():
            hints = [(key_of(self, f"listen.{name}"), what) for name, what in keys.items()]
            frame(self.query_one(f"#{panel}"), title, hints)
        self._process.ask(FindDevices())
        self._show_routes()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if self._picked is None:
            self._use(None)  # another may be in use by now

    def on_unmount(self) -> None:
        self._process.close(GRACE_SECONDS)

    def _forward(self, message: Answer | Refused, request: Request | None) -> None:
        """A refused request ends listening, unless it is independent of it. Called in the reading thread."""
        if isinstance(message, Refused) and not isinstance(request, Save | ChangeModel):
            message = Failed(message.error)
        self.call_later(self.take_answer, message)

    # Where the sound comes from

    def _use(self, model: Path | None) -> None:
        """Classify with ``model`` from here on; without one, with the model in use."""
        self._picked, before = model, self._model
        try:
            self._model = model or find_model(None, self.app.runs_dir)
        except UserError as error:
            self._model = None
            self.state.trouble = str(error)
            return
        if self._model == before:
            return
        self._caveats = ()
        self._read_caveats(self._model)
        if before is None:
            self.state.trouble = ""
        elif self._listening and self.state.opened is not None:
            self._process.ask(ChangeModel(str(self._model)))
        elif self._listening:
            self._open()

    @work(thread=True, group="caveats", exclusive=True)
    def _read_caveats(self, model: Path) -> None:
        """Read what the run's journal says about the model, in a thread."""
        caveats = caveats_of(model)
        if model == self._model:
            self._caveats = caveats

    def _wanted(self) -> str:
        if self._device is None:
            return "the feed over SSH"
        return f"{self._device.name} (device {self._device.number})"

    def _open(self) -> None:
        if self._model is None:
            self._use(self._picked)
        if self._model is None:
            return
        self.state.begin()
        self._listening, self._paused, self._asked_routes = True, False, False
        self._tried_at = time.monotonic()
        if self._device is None:
            self._process.ask(OpenFeed(str(self._model), str(self._socket)))
        else:
            self._process.ask(OpenDevice(str(self._model), name=self._device.name, number=self._device.number))
        self._look()

    def action_play(self) -> None:
        """Listen; while listening, pause or resume."""
        if not self._listening or self.state.trouble:
            self._open()
        elif self.state.opened is not None:
            self._paused = not self._paused
            self._process.ask(Pause(self._paused))
            self._look()

    def action_stop(self) -> None:
        if self._listening:
            self._process.ask(Close())
            self._listening = self._paused = False
            self.state.begin()
            self._look()

    @work
    async def action_source(self) -> None:
        found = self.state.devices
        devices, note = (found.devices, found.error) if found else ([], "Looking for devices …")
        chosen = await self.app.push_screen_wait(SourcePicker(devices, self._device, note))
        if chosen is not None:
            (self._device,) = chosen
            self._open()

    @work
    async def action_model(self) -> None:
        model = await pick_model(self.app, self._model)
        if model is not None:
            self._use(model)

    def take_answer(self, answer: Answer | Refused) -> None:
        first = self.state.devices is None
        self.state.take(answer, time.time())
        if isinstance(answer, Failed):
            self._tried_at = time.monotonic()
        if first and self.state.devices is not None:
            self._choose_first()

    def _choose_first(self) -> None:
        """The default device, which waits to be started; without one, the feed, which waits for a sender."""
        found = self.state.devices
        devices = found.devices if found else []
        self._device = next((device for device in devices if device.is_default), devices[0] if devices else None)
        if self._device is None and not self._listening:
            self._open()

    # What arrives

    def _look(self) -> None:
        """Draw the changes since the last poll."""
        state, now = self.state, time.monotonic()
        while state.news:
            self._tell(state.news.popleft())
        held = self._listening and bool(state.trouble) and self._device is None
        if held and now - self._tried_at > RETRY_SECONDS:
            self._open()
        header = self.query_one("#header", TextLines)
        width = header.size.width
        line = source_line(state, self._wanted(), width, listening=self._listening, paused=self._paused)
        lines = line.wrap(max(10, width))
        header.show(lines if len(lines) > 1 else [line, figures_line(state, width, self._caveats)])
        self._draw_prediction()
        self._show_routes()
        if not self.is_drawn and now - self._drawn_at >= SPECTRUM_SECONDS:
            self._drawn, self._drawn_at = self._drawing(), now
            self._draw_level()
            self._draw_spectrum()

    @property
    def is_drawn(self) -> bool:
        """Whether level and spectrum are up to date on the screen."""
        return self._drawn == self._drawing()

    def _drawing(self) -> tuple[object, ...]:
        """The values that the drawing of level and spectrum depends on."""
        place = self.query_one(ScrollView)
        sizes = place.columns, place.size.height, self.query_one("#level").size.width
        return self.state.columns_seen, *sizes, self.app.theme

    def _draw_level(self) -> None:
        level, place = self.state.level, self.query_one("#level", TextLines)
        if level is None:
            place.show([])
        else:
            width = place.size.width
            place.show([level_line(level.level_db, self.state.peak_db, self.state.clipping, width)])

    def _draw_prediction(self) -> None:
        prediction = self.state.prediction
        place, width = self.query_one("#bars", TextLines), self.query_one("#now").size.width - 1
        self.query_one("#prediction", TextLines).show(prediction_lines(self.state, width))
        rows = max(0, self.query_one("#now").size.height - 2)
        bars = (
            probability_bars(prediction.smoothed, width, rows, sure=prediction.smoothed_genre is not None)
            if prediction
            else []
        )
        place.show(bars)
        history = self.state.history
        lines = self.query_one("#history", LinesView)
        newest = (len(history), history[-1] if history else None, lines.row_width)
        if newest != self._drawn_history:
            self._drawn_history = newest
            lines.show(list(history_lines(history, lines.row_width)))

    def _draw_spectrum(self) -> None:
        place = self.query_one(ScrollView)
        seen, width = self.state.columns_seen, max(8, place.columns)
        place.show(strip_chart(self.state.columns, seen, width))
        labels = hz_labels(self.state.hz, min(place.size.height, MOST_ROWS)) if self.state.hz else []
        self.query_one("#hz", TextLines).show([Content.styled(f"{label:>3}", "$text-muted") for label in labels])
        times = [Content.styled(f" Hz {times_below(seen, width)}", "$text-muted")] if labels else []
        self.query_one("#times", TextLines).show(times)

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._look)

    def _tell(self, news: object) -> None:
        if isinstance(news, Refused):
            self.app.notify(news.error, severity="warning")
        else:
            self.app.notify(f"Saved {clock(news.seconds)} to {news.path}")  # type: ignore[attr-defined]

    def action_save(self) -> None:
        self._process.ask(Save(str(Path.cwd() / time.strftime("recording_%Y-%m-%d_%H-%M-%S.wav"))))

    def action_clear(self) -> None:
        self.state.history.clear()
        self._look()

    # The three routes

    def _show_routes(self) -> None:
        silent = not self.state.columns
        shown = self._asked_routes or silent or not (self.state.is_receiving or self._paused)
        if silent != self.has_class("-silent"):
            self.set_class(silent, "-silent")
        self.set_class(shown, "-routes")
        self.query_one(RoutesPanel).show(self.state)

    def action_routes(self) -> None:
        self._asked_routes = not self._asked_routes
        self._show_routes()
        if self._asked_routes:
            self.query_one(RoutesPanel).take_keys()

    def action_copy(self) -> None:
        command = self.query_one(RoutesPanel).command
        self.app.copy_to_clipboard(command)
        self.app.notify(f"Copied, where the terminal allows it:\n{command}")

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        self.action_copy()
