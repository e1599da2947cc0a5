"""The app: five modes on one terminal. It stores nothing about a run; screens show the state reduced from its journal.

Guide for writing a screen
--------------------------
**Construction.** A mode's screen subclasses ``tui.shell.mode_screen.ModeScreen``: no constructor arguments, widgets
from ``compose_body()``, and ``MODE`` and ``HELP`` (a sentence or two above its keys in help). Its module is
imported when the mode is first shown; it imports no torch, and anything slow (core.inference, sounddevice) is imported
where it is used. Other screens (New run, Compare, dialogs) are pushed on top with ``app.push_screen``.

**Navigation.** The app switches to the mode and then calls the mounted screen:

- ``await app.watch_run(path)`` → ``WatchScreen.watch_run(path)``. Called again for the run in view, it starts over.
- ``await app.compare_runs(paths)`` pushes ``CompareScreen(paths)``: two to eight run folders.
- ``await app.classify_paths(paths, model=None)`` → ``ClassifyScreen.classify_paths(paths, model)``: files or folders,
  and a model file or run folder.
- ``await app.show_mode("runs" | "watch" | "classify" | "listen" | "label")``.

**Polling.** ``self.poll(seconds, callback)`` of LiveScreen calls back only while the screen is in view. An idle app
sends nothing to the terminal: no clocks, no spinners, no blinking cursor (use ``tui.widgets.text.TextInput``),
and ``update`` only for what has changed. Work that takes more than 20 ms goes to ``self.run_worker(..., thread=True)``
or to a process; a thread answers with ``self.call_later(callback, ...)``, which is dropped if the widget has gone by
then (``call_from_thread`` is not).

**Size.** ``app.width_class`` is ``narrow`` (below 100 columns: tabs instead of columns), ``normal`` or ``wide`` (from
160); ``app.height_class`` is ``tiny`` (below 14 rows), ``short`` or ``tall`` (from 32). A ModeScreen has both as CSS
classes (``-narrow`` …, ``-tiny`` …), set before ``on_resize``. Screens must survive 20×5.

**Colours.** Colours with a meaning come from ``app.palette`` (``tui.shell.themes.Palette``; in tcss ``$accent``,
``$train``, ``$val``, ``$running``, ``$good``, ``$warn``, ``$bad``, ``$faint``), all others from Textual's theme
variables. Redraw charts on ``theme_changed_signal``. ``app.no_color`` is true if NO_COLOR is set; every state must be
readable without colour. Symbols of a run's states: ``tui.widgets.text``. A screen's styles are in
``tui/styles/<screen>.tcss`` (its ``CSS_PATH``), on top of ``app.tcss``.

**Text.** Everything drawn passes ``tui.shell.line_filters``: unsafe characters are dropped, and with ``app.ascii`` the
rest is translated to ASCII. Where the translation is poor (charts, heat maps) ask ``app.ascii`` and draw differently.

**Keys.** A letter means the same on every screen: see ``tui.shell.keymap``. A binding has an ``id``
``"<mode>.<action>"`` for the key map and a description of one or two words; ``show=True`` puts it in the bottom line
while there is room, in the order of definition. Help lists all bindings (``tooltip`` is the longer text) under the
title of their ``group`` or panel. A class with such bindings is listed in ``all_bindings``. Taken everywhere: 1 to 5
(modes), ?, q, ctrl+p, ctrl+z, ctrl+q, ctrl+c. Avoid ctrl+a, ctrl+b, ctrl+s, ctrl+j, ctrl+o: multiplexers use them.
Keys take effect in the order in which they were pressed (``tui.shell.keymap``).

**Settings.** ``app.settings`` (``tui.shell.settings.Settings``: add documented fields there). A user's changes to
the view of one run are kept by ``tui.shell.settings``.

**Errors.** Show a ``core.util.errors.UserError`` with ``app.notify(str(error), severity="error")``, which takes plain
text, or in place as ``Content(str(error))``: a plain string given to a ``Static`` is markup, and paths may contain
brackets. Standard output and error go to the viewer's log while the app runs.
"""

import asyncio
import gc
import os
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import Monochrome, NoColor
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from core.runs.journal.state import RunState
from tui.shell.base import BaseApp
from tui.shell.graphics import AskingDriver, TerminalNamed, draws_pixels, tmux_clients
from tui.shell.keymap import bindings_of, usable_keys
from tui.shell.line_filters import AsciiFilter, SafeFilter
from tui.shell.mode_screen import TITLES, ModeScreen
from tui.shell.notifications import LiveRuns, RunNotice, TerminalStatus
from tui.shell.settings import Settings
from tui.shell.themes import THEMES, choose_theme

FIRST_LOOK = 0.5
"""Seconds until the live runs are first read; this must not delay the first screen."""
SWITCH_SECONDS = 0.002
"""Delay before a newly shown mode is drawn; Textual's own is 50 ms."""
LIVE_SECONDS = 2.0
"""Seconds between two reads of the live runs for notifications, progress and title."""


def all_bindings() -> dict[str, tuple[str, str]]:
    """Binding id → (default key, description). Imports every screen."""
    from tui.augmentation.screen import AugmentationScreen
    from tui.charts.confusion import ConfusionView
    from tui.classify.screen import ClassifyScreen
    from tui.compare.charts import Scatter
    from tui.compare.screen import CompareScreen
    from tui.label.panels import ClipTable
    from tui.label.screen import LabelScreen
    from tui.listen.screen import ListenScreen
    from tui.new_run.screen import NewRunScreen
    from tui.runs.screen import RunsScreen
    from tui.runs.table import RunTable
    from tui.shell.panels import PanelKeys
    from tui.watch.screen import WatchScreen
    from tui.widgets.file_tree import AudioTree
    from tui.widgets.row_list import RowList

    shared = (GenreApp, PanelKeys, RowList, AudioTree, ConfusionView, Scatter)
    screens = (RunsScreen, RunTable, NewRunScreen, AugmentationScreen, WatchScreen, CompareScreen, ClassifyScreen)
    return bindings_of([*shared, *screens, ListenScreen, LabelScreen, ClipTable])


class GenreApp(BaseApp):
    """Runs, Watch, Classify, Listen and Label."""

    TITLE = "genre-tui"
    CSS_PATH = "styles/app.tcss"
    BINDINGS: ClassVar = [
        *(
            Binding(str(key), f"app.show_mode('{mode}')", title, show=False, id=f"mode.{mode}", tooltip=f"Show {title}")
            for key, (mode, title) in enumerate(TITLES.items(), start=1)
        ),
        Binding("question_mark", "app.help", "help", key_display="?", id="app.help", tooltip="This help"),
        Binding("q", "app.leave", "quit", id="app.leave", tooltip="Quit the app; training continues"),
        Binding(
            "ctrl+z",
            "app.suspend_process",
            "suspend",
            show=False,
            priority=True,  # in dialogs, too
            id="app.suspend",
            tooltip="Suspend to the shell; fg resumes",
        ),
    ]

    class LiveRunsRead(Message):
        """Notices of the live runs, and the run whose progress the terminal shows."""

        def __init__(self, notices: Sequence[RunNotice], state: RunState | None) -> None:
            super().__init__()
            self.notices = notices
            self.state = state

    def __init__(
        self,
        runs_dir: Path,
        *,
        settings: Settings | None = None,
        watch: Path | None = None,
        ascii: bool = False,
        warning: str = "",
    ) -> None:
        """
        Args:
            runs_dir: folder of the runs; need not exist yet.
            watch: folder of a run to show first, in the Watch mode.
            ascii: draw with ASCII only, overriding the settings.
            warning: what was wrong with the settings, shown once.
        """
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._mode_screens: dict[str, ModeScreen] = {}
        self._first_watch = self._watched = watch
        self._opened_from = ""
        """The mode from which files were opened in Classify."""
        self._polling = threading.Lock()
        self._clients: tuple[tuple[str, ...], bool] = ((), False)
        """See `tmux_clients`."""
        self._warning = warning
        settings = settings or Settings()
        self._live_runs = LiveRuns(runs_dir, settings.notify)
        on_terminal = "TEXTUAL_DRIVER" not in os.environ  # in a browser, no terminal reads the sequences
        self.terminal_status = TerminalStatus(self.write_terminal, desktop=settings.desktop and on_terminal)
        super().__init__(runs_dir, settings=settings, ascii=ascii or settings.ascii)
        for mode in TITLES:
            self.add_mode(mode, partial(self.make_mode_screen, mode))
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._chosen_theme()
        # Under NO_COLOR Textual draws greys; the app sends no colour codes at all.
        filters = [NoColor() if isinstance(line_filter, Monochrome) else line_filter for line_filter in self._filters]
        self._filters = [*filters, SafeFilter(), *([AsciiFilter()] if self.ascii else [])]

    def _chosen_theme(self) -> str:
        if self.no_color:
            return "16-colour"
        color_system = self.console.color_system
        wanted = choose_theme(self.settings.theme, os.environ, color_system)
        if wanted in self.available_themes:
            return wanted
        self._warning = f"Unknown theme {wanted!r}; the command palette (ctrl+p) lists the themes."
        return choose_theme("auto", os.environ, color_system)

    async def on_mount(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        # After a suspension Textual reopens its screen but leaves it empty.
        self.set_interval(LIVE_SECONDS, self._poll_live_runs)
        self.set_timer(FIRST_LOOK, self._poll_live_runs)
        self.app_resume_signal.subscribe(self, lambda _: self.redraw())
        if self.settings.pixels and "TMUX_PANE" in os.environ and not self.is_headless:
            self.set_interval(LIVE_SECONDS, self._look_at_tmux)
        if self.settings.keys:
            keys, mistakes = usable_keys(self.settings.keys, all_bindings())
            self.settings = msgspec.structs.replace(self.settings, keys=keys)
            self.set_keymap(keys)
            self._warning = "\n".join([*filter(None, [self._warning]), *mistakes])
        if self._first_watch is None:
            await self.show_mode("runs")
        else:
            await self.watch_run(self._first_watch)
        if self._warning:
            self.notify(self._warning, severity="warning", timeout=15)

    # Notifications

    @work(thread=True, group="live runs")
    def _poll_live_runs(self) -> None:
        """Read the journals of the live runs, in a thread."""
        if not self._polling.acquire(blocking=False):
            return
        try:
            notices = self._live_runs.poll()
            state = self._live_runs.state_of(self._watched)
        finally:
            self._polling.release()
        self.post_message(self.LiveRunsRead(notices, state))

    @on(LiveRunsRead)
    def tell(self, message: LiveRunsRead) -> None:
        if message.state is None:
            self.terminal_status.close()
        else:
            self.terminal_status.show(message.state)
        for name, notice in message.notices:
            self.terminal_status.notify(name, notice)
            if self.settings.bell:
                self.bell()
            if self.current_mode in ("classify", "listen"):
                bad = notice.kind in ("failed", "lost", "nan")
                self.notify(f"{name} {notice.text}", severity="error" if bad else "information", timeout=10)

    # Pictures

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        return AskingDriver if found is LinuxDriver and self.settings.pixels else found

    @on(TerminalNamed)
    def take_name(self, message: TerminalNamed) -> None:
        self._allow_pictures(draws_pixels(message.name), true_colour=True)

    def on_unmount(self) -> None:
        self.pictures.close()

    def _allow_pictures(self, on: bool, true_colour: bool) -> None:
        """Start again with pictures, or draw without them.

        Args:
            true_colour: whether 24-bit colours reach the terminal.
        """
        colours = self.console.color_system
        on = on and colours in ("truecolor", "256")
        if on or self.pictures.on:
            self.pictures.allow(on, true_colour=true_colour and colours == "truecolor")
            self.pictures_changed.publish(None)

    @work(thread=True, group="tmux")
    def _look_at_tmux(self) -> None:
        """Check whether the terminals that show the tmux session draw pictures; others may be attached at any time."""
        clients = tmux_clients(os.environ["TMUX_PANE"])
        if clients != self._clients:
            self._clients = clients
            self.call_later(self._allow_pictures, bool(clients[0]), clients[1])

    # Navigation

    async def show_mode(self, mode: str) -> ModeScreen:
        """Switch to a mode; its screen is mounted when this returns."""
        await self.switch_mode(mode)
        return self._mode_screens[mode]

    def delay_update(self, delay: float = SWITCH_SECONDS) -> None:
        super().delay_update(delay)

    def make_mode_screen(self, mode: str) -> ModeScreen:
        """Make a mode's screen when the mode is first shown; only then is its module imported."""
        screen = self._mode_screens[mode] = _new_screen(mode)
        if not self.is_headless:
            screen.call_after_refresh(_collect_only_what_follows)
        return screen

    async def watch_run(self, run: Path) -> None:
        from tui.watch.screen import WatchScreen

        self._watched = run
        screen = await self.show_mode("watch")
        assert isinstance(screen, WatchScreen)
        screen.watch_run(run)

    async def compare_runs(self, runs: Sequence[Path]) -> None:
        from tui.compare.screen import CompareScreen

        await self.push_screen(CompareScreen(runs))

    async def classify_paths(self, paths: Sequence[Path], model: Path | None = None) -> None:
        from tui.classify.screen import ClassifyScreen

        self._opened_from = self.current_mode if self.current_mode in TITLES else ""
        screen = await self.show_mode("classify")
        assert isinstance(screen, ClassifyScreen)
        screen.classify_paths(paths, model)

    async def leave_opened(self) -> bool:
        mode, self._opened_from = self._opened_from, ""
        if mode in ("", "classify"):
            return False
        await self.show_mode(mode)
        return True

    # Keys and commands

    async def action_show_mode(self, mode: str) -> None:
        self._opened_from = ""
        if mode == "watch" and self._watched is None and (run := self._run_under_cursor()) is not None:
            await self.watch_run(run)
        else:
            await self.show_mode(mode)

    def _run_under_cursor(self) -> Path | None:
        """The run under the cursor of the Runs screen, which Watch shows until a run is chosen."""
        from tui.runs.screen import RunsScreen

        screen = self._mode_screens.get("runs")
        if not isinstance(screen, RunsScreen) or not screen.rows:
            return None
        return Path((screen.current or screen.rows[0]).path)  # the cursor may be on a group

    def action_help(self) -> None:
        from tui.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_leave(self) -> None:
        self.exit()

    def leave_soon(self, status: int) -> None:
        """Exit with a status; called from a signal handler."""
        if self._running_loop is not None:
            self._running_loop.call_soon_threadsafe(partial(self.exit, return_code=status))

    def action_help_quit(self) -> None:
        self.notify("q quits; training continues.")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The screen's key bindings, the modes, and commands without a key."""
        commands: dict[str, tuple[Binding, DOMNode]] = {}
        for node, binding, enabled, _ in screen.active_bindings.values():
            if enabled and binding.id and binding.description:
                commands.setdefault(binding.id, (binding, node))
        for binding, node in commands.values():
            act = partial(self.run_action, binding.action, node)
            yield SystemCommand(binding.tooltip or binding.description, f"key {self.get_key_display(binding)}", act)
        yield SystemCommand("Theme", "Dark, light, colour-blind, 16-colour and others", self.action_change_theme)
        yield SystemCommand("Redraw", "Send the whole screen to the terminal again", self.redraw)
        yield SystemCommand("Screenshot", "Save the screen as an SVG file", self.deliver_screenshot)

    def on_command_palette_opened(self) -> None:
        for field in self.screen.query(Input):
            field.cursor_blink = False


def _collect_only_what_follows() -> None:
    """Exclude what exists by now from garbage collection: visiting it takes up to 90 ms, which would delay a key."""
    gc.freeze()
    gc.enable()  # see `tui.cli`


def _new_screen(mode: str) -> ModeScreen:
    match mode:
        case "runs":
            from tui.runs.screen import RunsScreen

            return RunsScreen()
        case "watch":
            from tui.watch.screen import WatchScreen

            return WatchScreen()
        case "classify":
            from tui.classify.screen import ClassifyScreen

            return ClassifyScreen()
        case "listen":
            from tui.listen.screen import ListenScreen

            return ListenScreen()
        case _:
            from tui.label.screen import LabelScreen

            return LabelScreen()
