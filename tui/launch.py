"""Runs the app in a terminal or browser, then says which runs are still training."""

import os
import shlex
from pathlib import Path

import msgspec
from rich.console import Console

from core.runs.directory import elsewhere, find, list_runs, live_runs, newest_first
from core.util.errors import UserError
from tui.app import GenreApp
from tui.shell.printing import print_line, print_note
from tui.shell.settings import Settings, SettingsError, default_runs_dir, read_settings, settings_file
from tui.shell.terminal import check_terminal, drawing_on_a_duplicate, leave_with_the_terminal, log_path, wants_ascii


def run_app(runs_dir: Path, attach: str | None = None, *, ascii: bool = False, theme: str | None = None) -> int:
    """Run the app until it is closed, then print which runs are still training.

    Args:
        runs_dir: folder of the runs.
        attach: a run to watch (folder, name, unique beginning; ``""`` is the newest), or None for the Runs screen.
        ascii: draw with ASCII only.
        theme: instead of the settings' theme.

    Returns:
        The exit status.

    Raises:
        UserError: there is no terminal to draw on, or no such run.
    """
    # textual-serve connects the app to pipes instead of a terminal, with a driver of Textual for them.
    in_browser = "TEXTUAL_DRIVER" in os.environ
    if not in_browser:
        check_terminal()
    watch = None if attach is None else find(runs_dir, attach or None).path
    if watch is not None and watch.parent.resolve() != runs_dir.resolve():
        runs_dir = watch.parent  # so that Runs lists it
    try:
        settings, mistakes = read_settings(settings_file())
    except SettingsError as error:
        settings, mistakes = Settings(), [str(error)]
    if theme is not None:
        settings = msgspec.structs.replace(settings, theme=theme)
    log = log_path()
    with drawing_on_a_duplicate(log) as screen, os.fdopen(os.dup(2), "w") as errors:
        app = GenreApp(
            runs_dir, settings=settings, watch=watch, ascii=ascii or wants_ascii(), warning="\n".join(mistakes)
        )
        app.error_console = Console(file=errors, width=120)
        if not in_browser:
            leave_with_the_terminal(screen, app.leave_soon)
        app.run(mouse=settings.mouse)
        app.terminal_status.close(lambda text: os.write(screen, text.encode()))
    if app.return_code == 1:
        print_note(f"genre-tui: the app ended with an internal error; see {log}")
    if not in_browser:
        for line in goodbye(runs_dir):
            print_line(line)
    return app.return_code or 0


def goodbye(runs_dir: Path) -> list[str]:
    """A line for each run that is still training, here or in another folder, with the command that attaches to it."""
    place = [] if runs_dir == default_runs_dir() else ["--runs", str(runs_dir)]
    try:
        here = [run for run in list_runs(runs_dir) if run.is_alive()]
    except UserError:
        here = []
    others = newest_first(elsewhere(live_runs(), runs_dir))
    commands = [(run.name, ["genre-tui", *place, "attach", run.name]) for run in here]
    commands += [(run.name, ["genre-tui", "attach", str(run.path)]) for run in others]
    return [f"Training continues: {name} ({shlex.join(command)})" for name, command in commands]
