"""Actions on the run under the cursor of the Runs screen, as far as its state allows."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual import work

from core.runs import actions, notes
from core.runs.actions import total_epochs
from core.runs.folder import TRASH, RunFolder, checked_name
from core.runs.queue import move
from core.runs.summary import LIVING, Summary
from core.util.errors import UserError
from core.util.text import counted
from tui.dialogs.questions import ConfirmScreen, PromptScreen, stop_question
from tui.formatting import shown
from tui.runs.columns import STATES
from tui.shell.mode_screen import ModeScreen
from tui.shell.panels import key_of

POSSIBLE = {
    "stop": {"queued", "running", "paused"},
    "pause": {"running", "paused"},
    "resume": {"paused", "stopped", "failed", "lost", "created"},
    "extend": {"queued", "running", "paused", "stopped", "failed", "lost", "finished"},
    "delete": set(STATES),
    "rename": {"finished", "stopped", "failed", "lost", "created"},
    "earlier": {"queued"},
    "later": {"queued"},
    "pin": set(STATES),
    "tags": set(STATES),
    "note": set(STATES),
    "copy": set(STATES),
}
"""Action → states of a run in which it makes sense."""


def _check_tags(text: str) -> None:
    """
    Raises:
        UserError: one of the words cannot be a tag.
    """
    for tag in text.split():
        notes.check_tag(tag)


class RunCommands(ModeScreen):
    """A screen with a run under its cursor; the subclass defines the keys."""

    @property
    def current(self) -> Summary | None:
        raise NotImplementedError

    def refresh_runs(self) -> None:
        """Read the runs again: one was acted on."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An action that makes no sense for the run under the cursor is not offered, but help still lists it (None)."""
        if action not in POSSIBLE or not self.is_mounted:
            return True
        return (self.current is not None and self.current.state in POSSIBLE[action]) or None

    def action_pause(self) -> None:
        row = self._current()
        if row.state == "paused":
            self._do(lambda run: actions.resume(run).message, row)
        else:
            self._do(lambda run: actions.ask(run, "pause").message, row)

    def action_resume(self) -> None:
        self._do(lambda run: actions.resume(run).message, self._current())

    @work
    async def action_stop(self) -> None:
        row = self._current()
        if await self.app.push_screen_wait(stop_question(row.name)):
            self._do(lambda run: actions.ask(run, "stop").message, row)

    @work
    async def action_extend(self) -> None:
        row = self._current()
        question = (
            f"{row.epochs_done} of {counted(row.epochs, 'epoch')} done. Train for how many in total? (+20 for 20 more)"
        )
        answer = await self.app.push_screen_wait(
            PromptScreen(question, "+10", check=partial(total_epochs, current=row.epochs))
        )
        if answer is not None:
            epochs = total_epochs(answer, row.epochs)
            self._do(lambda run: actions.extend(run, epochs).message, row)

    @work
    async def action_rename(self) -> None:
        row = self._current()
        name = await self.app.push_screen_wait(PromptScreen("New name of the run", row.name, check=checked_name))
        if name is not None and name != row.name:
            self._do(lambda run: f"renamed to {actions.rename(run, name).name}", row)

    @work
    async def action_delete(self) -> None:
        row = self._current()
        if row.state in LIVING:
            stop = key_of(self, "runs.stop")
            self.notify(f"{row.name} is {row.state}: stop it first ({stop}).", severity="warning")
            return
        detail = f"The folder is moved to {shown(self.app.runs_dir / TRASH)}; no file is erased."
        if await self.app.push_screen_wait(ConfirmScreen(f"Delete {row.name}?", detail, yes="move to trash")):
            self._do(lambda run: f"moved to {run.trash()}", row)

    def action_earlier(self) -> None:
        row = self._current()
        self._do(lambda run: f"place {move(run, max(1, row.place - 1)).number} in the queue", row)

    def action_later(self) -> None:
        row = self._current()
        self._do(lambda run: f"place {move(run, row.place + 1).number} in the queue", row)

    def action_pin(self) -> None:
        """Make the run the baseline of its folder, or undo that."""
        row = self._current()

        def change(run: RunFolder) -> str:
            if row.pinned:
                notes.unpin(run)
                return "no longer the baseline"
            notes.pin(run)
            return "the baseline of its folder"

        self._do(change, row)

    @work
    async def action_tags(self) -> None:
        row = self._current()
        answer = await self.app.push_screen_wait(
            PromptScreen("Tags, separated by spaces", " ".join(row.tags), check=_check_tags)
        )
        if answer is not None:
            tags = answer.split()
            gone = [tag for tag in row.tags if tag not in tags]
            self._do(lambda run: f"tags: {', '.join(notes.change_tags(run, tags, gone)) or 'none'}", row)

    @work
    async def action_note(self) -> None:
        row = self._current()
        answer = await self.app.push_screen_wait(PromptScreen("Note", row.note))
        if answer is None:
            return

        def write(run: RunFolder) -> str:
            notes.set_note(run, answer)
            return "the note is written"

        self._do(write, row)

    def action_copy(self) -> None:
        """Terminals do not report whether they accepted the text, so the path is shown as well."""
        row = self._current()
        self.app.copy_to_clipboard(row.path)
        self.notify(row.path, title="Copied, if your terminal allows it", timeout=10)

    def _current(self) -> Summary:
        row = self.current
        assert row is not None, "check_action disables these actions without a run"
        return row

    @work(thread=True)
    def _do(self, act: Callable[[RunFolder], str], row: Summary) -> None:
        """Act on a run, which may take a while, and notify of the result."""
        run = RunFolder(Path(row.path))
        try:
            self.call_later(self.app.notify, act(run), title=run.name)
        except UserError as error:
            self.call_later(self.app.notify, str(error), severity="error", timeout=10)
        except OSError as error:
            self.call_later(self.app.notify, f"{run.name}: {error.strerror}", severity="error", timeout=10)
        self.call_later(self.refresh_runs)
