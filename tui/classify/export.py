"""The dialog that writes predictions to files: JSON, CSV, playlists, or genres in tags, which it tries first."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.inference.batch.export import LabelRules, Playlists, TagReport, tag_files, write_csv, write_json
from core.inference.types import Prediction, Result
from core.tags.write import Action
from core.util.errors import UserError, reason
from core.util.files import typed_path
from core.util.text import counted, printable
from tui.classify.results import Sound
from tui.dialogs.questions import key_hints
from tui.formatting import shown
from tui.shell.base import BaseApp
from tui.shell.panels import Dialog
from tui.widgets.fields import CompletingInput, OptionSpinner, PathInput

KINDS = {
    "csv": "one row per file, with the probability of every genre",
    "json": "one object per line, with the windows along the file",
    "playlists": "one .m3u8 per genre, in a folder",
    "tags": "the genre in the file's own tags; existing genres stay",
    "tags, replacing": "the genre in the file's own tags, replacing an existing one",
}
NAMES = {"csv": "genres.csv", "json": "genres.jsonl", "playlists": "playlists"}


class ExportScreen(Dialog[str | None]):
    """Returns a sentence about what was written, or None."""

    app: BaseApp
    BINDINGS: ClassVar = [Binding("escape", "dismiss", "cancel")]

    def __init__(self, sounds: Sequence[Sound], genres: Sequence[str], folder: Path) -> None:
        """
        Args:
            genres: the model's, for the columns of a table.
            folder: where files are written unless the path is changed.
        """
        super().__init__()
        self.sounds = [sound for sound in sounds if sound.state != "waiting"]
        self.genres = genres
        self.folder = folder
        self._shown = "csv"
        """The kind whose path or dry run is asked for or shown."""
        self._tried = ""
        """The kind whose dry run is shown, until it is written."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(f"Write the predictions of {counted(len(self.sounds), 'file')}", "bold"))
            yield OptionSpinner(KINDS, "csv", id="kind")
            yield PathInput(shown(self.folder / NAMES["csv"]), files=True, id="path")
            yield Static("", classes="error")
            yield key_hints({"← →": "what", "tab": "field", "enter": "write", "esc": "cancel"})

    def on_mount(self) -> None:
        self.query_one(PathInput).focus()

    @property
    def kind(self) -> str:
        return self.query_one(OptionSpinner).value

    @property
    def _predictions(self) -> list[tuple[Path, Prediction]]:
        return [(sound.path, sound.prediction) for sound in self.sounds if sound.prediction is not None]

    def _say(self, text: str, style: str = "$text-muted") -> None:
        self.query_one(".error", Static).update(Content.styled(text, style))

    @on(OptionSpinner.Changed)
    def kind_changed(self) -> None:
        if self.kind == self._shown:  # with quick key presses, the first message may already find the last choice
            return
        self._shown = self.kind
        path = self.query_one(PathInput)
        path.display = self.kind in NAMES
        self._tried = ""
        self._say("")
        if self.kind in NAMES:
            path.value = shown(self.folder / NAMES[self.kind])
        else:
            self._say("Reading the tags …")
            self._tag(self.kind, write=False)

    @on(CompletingInput.Candidates)
    def list_candidates(self, event: CompletingInput.Candidates) -> None:
        self._say("  ".join(event.names))

    # Tags

    @work(thread=True)
    def _tag(self, kind: str, *, write: bool) -> None:
        """Plan or write the tags, in a thread, because every file is read or rewritten."""
        try:
            report = tag_files(self._predictions, force=kind == "tags, replacing", write=write)
        except UserError as error:
            self.call_later(self._say, str(error), "$bad")
        else:
            self.call_later(self._tagged if write else self._show_dry_run, kind, report)

    def _show_dry_run(self, kind: str, report: TagReport) -> None:
        if kind == self.kind:
            self._tried = kind
            self._say(f"{_counted(report)}. enter writes; nothing has been written yet.", "$warn")

    def _tagged(self, kind: str, report: TagReport) -> None:
        undo = f" u undoes it ({shown(report.journal)})." if report.journal is not None else ""
        self.dismiss(f"Tags: {_counted(report)}.{undo}")

    # Files

    def key_enter(self) -> None:
        """On the kind of file; in the path field enter is `Input.Submitted`."""
        self._write()

    @on(Input.Submitted)
    def submitted(self) -> None:
        self._write()

    def _write(self) -> None:
        if self.kind not in NAMES:
            if self._tried == self.kind:
                self._tried = ""
                self._say("Writing tags …")
                self._tag(self.kind, write=True)
            return
        try:
            out = typed_path(self.query_one(PathInput).value.strip())
            self.dismiss(self._written(out))
        except (OSError, ValueError) as error:
            why = reason(error)
            self._say(f"Writing failed: {why.lower()}.", "$bad")
        except UserError as error:
            self._say(str(error), "$bad")

    def _written(self, out: Path) -> str:
        """
        Raises:
            OSError, UserError: the file or the folder cannot be written.
        """
        results: list[Result] = [one for sound in self.sounds if (one := sound.prediction or sound.unreadable)]
        match self.kind:
            case "csv":
                write_csv(out, results, self.genres)
            case "json":
                write_json(out, results)
            case _:
                label_rules, playlists = LabelRules(), Playlists(out)
                left = [
                    problem
                    for path, one in self._predictions
                    if (problem := playlists.add(path, label_rules.labels_of(one), one.duration_s))
                ]
                written = playlists.save()
                tail = f"; {counted(len(left), 'file')} in no playlist" if left else ""
                return f"Wrote {counted(len(written), 'playlist')} to {shown(out)}{tail}."
        return f"Wrote {counted(len(results), 'file')} to {shown(out)}."


def _counted(report: TagReport) -> str:
    """``12 would be written, 3 keep their genre, …``, in the order of what matters."""
    parts = [
        f"{counted(report.actions.get(Action.WRITE, 0), 'file')} {'got' if report.journal else 'would get'} a genre"
    ]
    if kept := report.actions.get(Action.KEEP, 0):
        parts.append(f"{kept:,} with another genre, which stays")
    if same := report.actions.get(Action.SAME, 0):
        parts.append(f"{same:,} have it already")
    if report.unlabelled:
        parts.append(f"{report.unlabelled:,} uncertain")
    if report.failed:
        parts.append(f"{len(report.failed):,} failed, first: {printable(report.failed[0])}")
    return ", ".join(parts)
