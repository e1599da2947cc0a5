"""The Label screen: one decision about a label per key, kept in ``labels.csv``; no audio file is touched."""

import string
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

from core.labelling.label_worker import (
    Answer,
    Decide,
    Decided,
    Look,
    Looked,
    Open,
    Opened,
    Play,
    Playing,
    Progress,
    Request,
    Row,
    Undo,
)
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from tui.label.table import ClipTable, columns
from tui.shell.mode_screen import ModeScreen
from tui.text.cells import shown
from tui.text.formatting import count
from tui.widgets.probability_bars import probability_bars
from tui.widgets.row_list import LinesView
from tui.widgets.spectrogram_view import Image, shading_of, spectrogram_lines
from tui.widgets.text_lines import TextLines

LABELS = Path("labels.csv")
EXCLUDED = "(excluded)"
LETTERS = [letter for letter in string.ascii_lowercase if letter not in "gjknpqux"]
"""Keys of the genres; the others have a meaning of their own."""
LOOK_SECONDS = 0.15
"""The cursor rests for so long before neighbours are asked for."""
MOST_BARS, NEIGHBOURS, LEAST_SPECTROGRAM = 6, 8, 4
WELCOME = (
    "Press O and choose a labelled dataset: a folder with a folder of",
    "clips per genre, or a feature pack.",
    "Labels that are probably wrong come first. Each decision goes to",
    "labels.csv in the current folder; no audio file is changed.",
)


class LabelScreen(ModeScreen):
    MODE = "label"
    HELP = (
        "Clips whose labels are probably wrong come first. A letter of the legend gives a clip another genre, enter "
        "accepts the suggestion, space keeps the label. Decisions go to labels.csv; no audio file is changed."
    )
    CSS_PATH = "../styles/label.tcss"
    BINDINGS: ClassVar = [
        Binding("O", "open", "open", id="label.open", tooltip="Choose a dataset"),
        Binding("space", "keep", "keep", id="label.keep", tooltip="Keep the given label"),
        Binding("x", "exclude", "exclude", id="label.exclude", tooltip="Leave the clip out of the dataset"),
        Binding("n", "new", "new genre", id="label.new", tooltip="Give the clip a genre by typing its name"),
        Binding("u", "undo", "undo", id="label.undo", tooltip="Take back the last decision, any number of times"),
        Binding("p", "play", "play", id="label.play", tooltip="Play the clip, or stop"),
    ]

    class Answered(Message):
        def __init__(self, answer: Answer | Refused) -> None:
            super().__init__()
            self.answer = answer

    def __init__(self) -> None:
        super().__init__()
        self._genres: list[str] = []
        self._by_place: dict[int, Row] = {}
        self._looked: Looked | None = None
        self._playing: int | None = None
        self._timer: Timer | None = None
        self._data: Path | None = None
        self._status = ""
        self._error = ""
        self._process = self._new_process()

    def _new_process(self) -> JsonlProcess[Request, Answer]:
        return JsonlProcess(
            "core.labelling.label_worker",
            Answer,
            lambda answer, request: self.post_message(self.Answered(answer)),
            crashed="the labelling process has ended unexpectedly; open the dataset again",
        )

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="head")
        yield TextLines(id="legend")
        with Horizontal(id="body"):
            with Vertical(id="clips-pane"):
                yield TextLines(id="columns")
                yield LinesView(id="hint")
                yield ClipTable(id="clips")
            yield LinesView(id="clip")

    @property
    def _table(self) -> ClipTable:
        return self.query_one(ClipTable)

    def on_mount(self) -> None:
        self._table.focus()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_clip())
        self._show_head()

    def on_unmount(self) -> None:
        self._process.close()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._show_clip)

    def open_dataset(self, data: Path) -> None:
        """Show the clips of a dataset with the decisions in ``labels.csv`` of the current folder."""
        self._data, self._error = data, ""
        self._by_place, self._looked = {}, None
        self._table.decisions = {}
        self._table.show([])
        self._status = "loading PyTorch, which takes some seconds …"
        self._show_head()
        self._process.close()
        self._process = self._new_process()
        self._process.ask(Open(path_to_json(data), path_to_json(LABELS)))

    # What the process says

    @on(Answered)
    def show_answer(self, message: Answered) -> None:
        match message.answer:
            case Progress(what, done, total):
                self._status = f"{done:,} of {total:,} {what}"
            case Opened(genres, rows):
                self._status, self._genres = "", genres
                self._by_place = {row.place: row for row in rows}
                self._table.decisions = {row.place: row.decision for row in rows if row.decision}
                self._table.show(rows)
            case Decided(place, decision):
                self._take_back(place, decision)
            case Looked():
                self._looked = message.answer
                self._show_clip()
            case Playing(place):
                self._playing = place
            case Refused(error):
                self._status = ""
                if self._by_place:
                    self.app.notify(error, severity="error")
                else:
                    self._error = error
        self._show_head()

    def _take_back(self, place: int | None, decision: str) -> None:
        """Also confirms a decision, which is shown already."""
        if place is None:
            self.app.notify("There is no decision of this session to take back.")
            return
        if decision:
            self._table.decisions[place] = decision
        else:
            self._table.decisions.pop(place, None)
        self._table.rows_changed()

    # Deciding

    def _decide(self, label: str, who: str = "key") -> None:
        """Shows the decision at once and moves on; the process writes it down."""
        row = self._table.current
        if row is None:
            return
        if label not in (*self._genres, EXCLUDED):
            self._genres.append(label)
        self._table.decisions[row.place] = label
        self._process.ask(Decide(row.place, label, who), first=True)
        self._table.rows_changed()
        self._table.action_move(1)
        self._show_head()

    def on_key(self, event: events.Key) -> None:
        for letter, genre in zip(LETTERS, self._genres, strict=False):
            if event.key == letter:
                event.stop()
                self._decide(genre)

    @on(ClipTable.Chosen)
    def accept(self) -> None:
        if (row := self._table.current) is not None:
            self._decide(row.suggested, "suggestion")

    def action_keep(self) -> None:
        if (row := self._table.current) is not None:
            self._decide(row.label)

    def action_exclude(self) -> None:
        self._decide(EXCLUDED)

    def action_undo(self) -> None:
        if self._data is not None:
            self._process.ask(Undo())

    @work
    async def action_new(self) -> None:
        from tui.dialogs.questions import PromptScreen

        if self._table.current is None:
            return
        name = await self.app.push_screen_wait(PromptScreen("Genre of this clip", ""))
        if name and name.strip():
            self._decide(name.strip())

    def action_play(self) -> None:
        if (row := self._table.current) is not None:
            self._process.ask(Play(None if self._playing == row.place else row.place), first=True)

    @work
    async def action_open(self) -> None:
        from tui.dialogs.folder_picker import FolderPicker

        folder = await self.app.push_screen_wait(FolderPicker(self._data or Path.cwd()))
        if folder is not None:
            self.open_dataset(folder)

    # Showing

    @on(ClipTable.Moved)
    def look(self) -> None:
        self._show_clip()
        if self._timer is not None:
            self._timer.stop()
        if (row := self._table.current) is not None:
            self._timer = self.set_timer(LOOK_SECONDS, partial(self._ask_about, row.place))

    def _ask_about(self, place: int) -> None:
        self._process.withdraw(lambda request: not isinstance(request, Look))
        self._process.ask(Look(place))

    def _show_head(self) -> None:
        rows, decisions = self._table.rows, self._table.decisions
        differ = sum(row.suggested != row.label for row in rows)
        told = f"{count(len(rows), 'clip')}, {differ:,} with another suggestion, {count(len(decisions), 'decision')}"
        name = shown(self._data, 30) if self._data else "no dataset"
        self.query_one("#head", TextLines).show([Content(f"{name} · {self._status or told}")])
        legend = [
            part
            for letter, genre in zip(LETTERS, self._genres, strict=False)
            for part in ((letter, "bold $footer-key-foreground"), f" {genre}  ")
        ]
        self.query_one("#legend", TextLines).show([Content.assemble(*legend)])
        self.set_class(not rows, "-empty")
        self.query_one("#columns", TextLines).show([Content(columns(self._table.row_width))] if rows else [])
        hint = [Content(line) for line in WELCOME]
        if self._error:
            hint = [Content.styled(line, "$bad") for line in wrap(f"✗ {self._error}", 60)] + [Content(""), *hint]
        self.query_one("#hint", LinesView).show([] if self._status else hint)

    def _show_clip(self) -> None:
        row, view = self._table.current, self.query_one("#clip", LinesView)
        if row is None:
            return
        width = view.row_width
        lines = [Content.styled(row.name, "bold"), Content.styled(row.artist, "$text-muted")]
        lines += probability_bars(row.probabilities, width, MOST_BARS)
        looked = self._looked
        if looked is not None and looked.place == row.place:
            lines += [Content(""), Content.styled("sounds like", "$text-muted")]
            near = [self._by_place[place] for place in looked.neighbours if place in self._by_place]
            lines += [
                Content.assemble((f"{one.label:<12.12} ", ""), (f"{one.artist:<18.18} ", "$text-muted"), one.name)
                for one in near[:NEIGHBOURS]
            ]
            room = view.size.height - len(lines) - 1
            if looked.image and room >= LEAST_SPECTROGRAM:
                image = Image(looked.bands, looked.image)
                lines += [Content(""), *spectrogram_lines(image, width, room, self.app.palette, shading_of(self.app))]
        view.show(lines)
