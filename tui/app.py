"""The app: four modes on one terminal. It holds no fact about a run; screens read journals and show what they fold to.

What a screen may rely on
-------------------------
**Being made.** A mode's screen is a subclass of ``tui.shell.mode_screen.ModeScreen``: no constructor arguments, its
widgets from ``compose_body()``, ``MODE`` and ``HELP`` (a sentence or two, shown above its keys). Its module is
imported when the mode is first shown; it imports no torch, and anything slow (plotext, core.inference, sounddevice)
where it is used. Other screens (New run, Compare, dialogs) are pushed on top of a mode with ``app.push_screen``.

**Being told.** The app switches to the mode, then calls the screen, mounted, with what to show:

- ``await app.watch_run(path)`` → ``WatchScreen.watch_run(path)``: the run's folder. Called for the run in view too:
  begin anew. Without a run the Watch mode shows what to do (choose one on Runs).
- ``await app.compare_runs(paths)`` → pushes ``CompareScreen(paths)`` on the mode in view: two to eight run folders.
- ``await app.classify_paths(paths, model=None)`` → ``ClassifyScreen.classify_paths(paths, model)``: files or folders,
  and a model file or run folder to classify them with.
- ``await app.show_mode("runs" | "watch" | "classify" | "listen")``.

**Looking again.** ``self.poll(seconds, callback)`` of ModeScreen calls back only while the screen is in view: nothing
is drawn, and nothing read, for a screen that nobody sees. At rest not a byte goes to the terminal, so: no clocks, no
spinners, no blinking cursor (use ``tui.widgets.text_input.TextInput``), ``update`` only what has changed. Work that
takes more than 20 ms goes to ``self.run_worker(..., thread=True)`` or to a process; a thread answers with
``self.call_later(callback, ...)``, which is dropped where the widget is gone by then (``call_from_thread`` is not).

**Size.** ``app.width_class`` is ``narrow`` (below 100 columns: tabs instead of columns), ``normal`` or ``wide`` (from
160); ``app.height_class`` is ``tiny`` (below 14 rows), ``short`` or ``tall`` (from 32). A ModeScreen carries both as
CSS classes (``-narrow`` …, ``-tiny`` …); ``on_resize`` comes after they are set. 20×5 must not fail.

**Looks.** Colours with a meaning come from ``app.palette`` (``tui.shell.themes.Palette``; in tcss ``$train``, ``$val``,
``$good``, ``$warn``, ``$bad``, ``$faint``), the rest from Textual's theme variables. ``theme_changed_signal`` says when
to draw charts anew. ``app.no_color`` is true where NO_COLOR is set; every state must be readable without colour.
Marks and names of a run's states: ``tui.text.marks``. A screen's styles stand in ``tui/styles/<screen>.tcss`` (its
``CSS_PATH``), on top of ``app.tcss``.

**ASCII.** ``app.ascii``: everything that is drawn passes ``tui.shell.ascii.AsciiFilter``, so a widget may draw Unicode;
where the translation is poor (charts, heat maps) ask ``app.ascii`` and draw otherwise.

**Keys.** A binding has an ``id`` ``"<mode>.<action>"`` so that the key map can change it, and a description of one or
two words; ``show=True`` puts it in the bottom line while there is room, in the order of definition, and help lists all
of them (``tooltip`` gives it a longer text). Taken everywhere: 1 2 3 4 (modes), ?, q, ctrl+p, ctrl+z, ctrl+q, ctrl+c.
Avoid ctrl+a, ctrl+b, ctrl+s, ctrl+j, ctrl+o: multiplexers take them. Keys take effect in the order in which they were
pressed (``tui.shell.ordered_keys``).

**Settings.** ``app.settings`` (``tui.shell.settings.Settings``: add fields there, documented). What a user changes on a
run's view is kept with ``tui.shell.view_state.load(run, Struct)`` and ``save(run, struct)``.

**Errors.** A ``core.util.errors.UserError`` is shown with ``app.notify(str(error), severity="error")``, which takes
plain text, or in place as ``Content(str(error))``: a string given to a ``Static`` is markup, and paths may hold
brackets.
Standard output and error lead into the viewer's log while the app runs.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.filter import Monochrome, NoColor
from textual.screen import Screen
from textual.widgets import Input

from tui.shell.ascii import AsciiFilter
from tui.shell.base import BaseApp
from tui.shell.keymap import check_keys
from tui.shell.mode_bar import TITLES
from tui.shell.settings import Settings, SettingsError
from tui.shell.themes import THEMES, choose_theme

if TYPE_CHECKING:
    from tui.classify.screen import ClassifyScreen
    from tui.shell.mode_screen import ModeScreen
    from tui.watch.screen import WatchScreen


SCREENS = {
    "runs": ("tui.runs.screen", "RunsScreen"),
    "watch": ("tui.watch.screen", "WatchScreen"),
    "classify": ("tui.classify.screen", "ClassifyScreen"),
    "listen": ("tui.listen.screen", "ListenScreen"),
}


class GenreApp(BaseApp):
    """Runs, Watch, Classify and Listen."""

    TITLE = "genre-tui"
    CSS_PATH = "styles/app.tcss"
    BINDINGS: ClassVar = [
        *(
            Binding(str(key), f"app.show_mode('{mode}')", title, show=False, id=f"mode.{mode}", tooltip=f"Show {title}")
            for key, (mode, title) in enumerate(TITLES.items(), start=1)
        ),
        Binding("question_mark", "app.help", "help", key_display="?", id="app.help", tooltip="This help"),
        Binding("q", "app.leave", "leave", id="app.leave", tooltip="Leave the app. Training goes on."),
        Binding(
            "ctrl+z",
            "app.suspend_process",
            "suspend",
            show=False,
            id="app.suspend",
            tooltip="To the shell; fg comes back",
        ),
    ]

    def __init__(
        self,
        runs_dir: Path,
        *,
        settings: Settings | None = None,
        watch: Path | None = None,
        ascii: bool = False,
        complaint: str = "",
    ) -> None:
        """
        Args:
            runs_dir: where the runs live; need not exist yet.
            watch: folder of a run to begin with, on the Watch mode.
            ascii: draw with ASCII only, whatever the settings say.
            complaint: what was wrong with the settings, shown once.
        """
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._mode_screens: dict[str, ModeScreen] = {}
        self._first_watch = watch
        self._complaint = complaint
        settings = settings or Settings()
        super().__init__(runs_dir, settings=settings, ascii=ascii or settings.ascii)
        for mode in SCREENS:
            self.add_mode(mode, partial(self.make_mode_screen, mode))
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._chosen_theme()
        # Textual turns colours to grey where NO_COLOR is set; we send none, but the terminal's own.
        filters = [NoColor() if isinstance(line_filter, Monochrome) else line_filter for line_filter in self._filters]
        self._filters = [*filters, AsciiFilter()] if self.ascii else filters

    def _chosen_theme(self) -> str:
        if self.no_color:
            return "16-colour"
        color_system = self.console.color_system
        wanted = choose_theme(self.settings.theme, os.environ, color_system)
        if wanted in self.available_themes:
            return wanted
        self._complaint = f"There is no theme {wanted!r}; the command palette (ctrl+p) lists them."
        return choose_theme("auto", os.environ, color_system)

    async def on_mount(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        # Continued after a suspension, Textual opens its screen again and leaves it empty.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        try:
            check_keys(self.settings.keys)
        except SettingsError as mistake:
            self._complaint = str(mistake)
        else:
            self.set_keymap(self.settings.keys)
        if self._first_watch is None:
            await self.show_mode("runs")
        else:
            await self.watch_run(self._first_watch)
        if self._complaint:
            self.notify(self._complaint, severity="warning", timeout=15)

    # What screens ask for

    async def show_mode(self, mode: str) -> "ModeScreen":
        """Switch to a mode; its screen is mounted when this returns."""
        await self.switch_mode(mode)
        return self._mode_screens[mode]

    def make_mode_screen(self, mode: str) -> "ModeScreen":
        """A mode's screen, when the mode is first shown. This is where its module is imported."""
        module, name = SCREENS[mode]
        screen: ModeScreen = getattr(import_module(module), name)()
        self._mode_screens[mode] = screen
        return screen

    async def watch_run(self, run: Path) -> None:
        screen = cast("WatchScreen", await self.show_mode("watch"))
        screen.watch_run(run)

    async def compare_runs(self, runs: Sequence[Path]) -> None:
        from tui.compare.screen import CompareScreen

        await self.push_screen(CompareScreen(runs))

    async def classify_paths(self, paths: Sequence[Path], model: Path | None = None) -> None:
        screen = cast("ClassifyScreen", await self.show_mode("classify"))
        screen.classify_paths(paths, model)

    # Keys and commands

    async def action_show_mode(self, mode: str) -> None:
        await self.show_mode(mode)

    def action_help(self) -> None:
        from tui.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_leave(self) -> None:
        self.exit()

    def leave_soon(self, status: int) -> None:
        """Leave with an exit status, asked from a signal handler."""
        if self._running_loop is not None:
            self._running_loop.call_soon_threadsafe(partial(self.exit, return_code=status))

    def action_help_quit(self) -> None:
        self.notify("q leaves; training goes on.")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the keys of the screen do, the modes, and what has no key."""
        commands: dict[str, tuple[Binding, DOMNode]] = {}
        for node, binding, enabled, _ in screen.active_bindings.values():
            if enabled and binding.id and binding.description:
                commands.setdefault(binding.id, (binding, node))
        for binding, node in commands.values():
            act = partial(self.run_action, binding.action, node)
            yield SystemCommand(binding.tooltip or binding.description, f"key {self.get_key_display(binding)}", act)
        yield SystemCommand("Theme", "Dark, light, colour-blind, 16-colour and others", self.action_change_theme)
        yield SystemCommand("Picture", "Save the screen as an SVG file", self.deliver_screenshot)

    def on_command_palette_opened(self) -> None:
        for field in self.screen.query(Input):
            field.cursor_blink = False
