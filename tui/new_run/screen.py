"""The New run screen: choose a dataset and a recipe, see what the dataset holds, start training."""

import shlex
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Input, Static

from core.runs.actions import start
from core.runs.folder import RunFolder, dataset_name
from core.training.fields import NONE, recipe_fields
from core.training.presets import PRESETS
from core.training.recipe import Recipe, to_dict
from core.util.errors import UserError
from core.util.files import typed_path
from tui.dialogs.questions import ConfirmScreen
from tui.new_run.dataset_panel import DatasetPanel, GenreList
from tui.new_run.form import COMMON, FieldError, RecipeForm, about_encoder, device_choices
from tui.new_run.notifications import FIELDS, Notifications
from tui.new_run.rows import FieldGroup, FieldRow, FoldTitle, field_row, folded_fields, folds, group_rows, own_row
from tui.shell.mode_screen import ModeScreen
from tui.shell.panels import frame, key_of
from tui.widgets.fields import CompletingInput, OptionSpinner, PathInput, complete_encoder, complete_name
from tui.widgets.text import Note, TextInput

TYPING_SECONDS = 0.4
"""Seconds after the last key before a typed path is scanned."""
SCANNED = ("data", "labels.", "split.")
"""Beginnings of the fields that the scan depends on."""


class Pages(Container):
    """The panels beside each other; on a narrow screen, one at a time, from which the wheel turns to the other."""

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._turn(event, self.max_scroll_y)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._turn(event, 0)

    def _turn(self, event: events.MouseEvent, y: int) -> None:
        """Scroll by a whole panel once the one in view is at its end."""
        event.prevent_default()
        if self.scroll_y != y:
            event.stop()
            self.scroll_to(y=y, animate=False, immediate=True)

    def on_resize(self) -> None:
        if self.scroll_y:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)


class NewRunScreen(ModeScreen):
    MODE = "runs"
    HELP = (
        "A run trains one model on one dataset: music in a folder per genre, with tags or with a table. It runs in a "
        "separate process, whether or not the app is open."
    )
    CSS_PATH = "../styles/new_run.tcss"
    BINDINGS: ClassVar = [
        Binding("ctrl+r", "start", "start", id="new_run.start", priority=True, tooltip="Start training"),
        Binding(
            "ctrl+n",
            "queue",
            "start when free",
            show=False,
            id="new_run.queue",
            priority=True,
            tooltip="Start training when no other run uses the device",
        ),
        Binding(
            "ctrl+t", "browse", "choose folder", id="new_run.browse", tooltip="Choose the dataset folder in a tree"
        ),
        Binding("escape", "leave_form", "back", id="new_run.back", tooltip="Back to the runs without starting"),
        Binding(
            "f2",
            "reset",
            "reset field",
            id="new_run.reset",
            tooltip="Reset the field to the preset's value; on Preset, reset all",
        ),
        Binding(
            "ctrl+y", "copy", "copy as command", id="new_run.copy", tooltip="Copy the train command of this recipe"
        ),
        Binding(
            "ctrl+l",
            "augmentation",
            "preview",
            id="new_run.augmentation",
            tooltip="See and hear the augmentation of a clip",
        ),
        Binding("ctrl+g", "demo", "demo data", id="new_run.demo", tooltip="Create a small synthetic dataset"),
        # Before the field handles the key: what is typed next belongs to the next field.
        Binding("up", "move(-1)", "previous field", show=False, priority=True),
        Binding("down", "move(1)", "next field", show=False, priority=True),
    ]

    def __init__(self, data: Path | None = None, like: Path | None = None, labels: Path | None = None) -> None:
        """
        Args:
            data: the dataset; None for the settings' one, or one that is found here.
            like: the folder of a run whose recipe the form has at first.
            labels: the table or decisions that the genres come from.
        """
        super().__init__()
        settings, notifications = self.app.settings.new_run, Notifications(self.app.settings)
        here = next((name for name in ("genres", "demo/genres") if Path(name).is_dir()), "")
        self.form = RecipeForm.initial(settings, str(data or settings.data or here))
        if like is not None:
            with suppress(UserError):  # its recipe cannot be read
                self.form = RecipeForm.clone(RunFolder(like).read_recipe())
        self.form = replace(self.form, notifications=notifications)
        if labels is not None:
            self.form = self.form.with_text("labels.source", str(labels.absolute()))
        self._initial = self.form
        self._soon: Timer | None = None
        self._start_after_scan = False
        self._queue = False

    # Widgets

    def compose_body(self) -> ComposeResult:
        form, fields = self.form, recipe_fields()
        presets = {name: (make.__doc__ or "").splitlines()[0] for name, make in PRESETS.items()}
        with Pages(id="new-run"):
            with Vertical(id="form", classes="panel"):
                yield own_row("data", "Dataset", PathInput(form.data, placeholder="a folder", id="data"))
                yield Static("", id="brief")
                yield own_row("preset", "Preset", OptionSpinner(presets, form.preset, id="preset"))
                for name in COMMON:
                    yield field_row(fields[name], form)
                encoder = CompletingInput(form.encoder, complete_encoder, id="encoder")
                yield own_row("encoder", "Encoder", encoder)
                made_up = "dataset, preset, number"
                yield own_row("name", "Name", TextInput("", compact=True, id="name", placeholder=made_up))
                yield Button("Start training", id="start", compact=True)
                yield Static("", id="mistake")
                yield from folds(lambda: self.form, self.app.settings.webhook)
            yield DatasetPanel(lambda: group_rows("labels", self.form))
        yield Static("", id="about")

    @property
    def panel(self) -> DatasetPanel:
        return self.query_one(DatasetPanel)

    def on_mount(self) -> None:
        self.query_one("#data").focus()
        self._find_devices()
        self._scan()
        self._show_form()
        frame(self.query_one("#form"), "New run", [(key_of(self, "new_run.start"), "start")])
        frame(self.panel, "Dataset")

    @work(thread=True)
    def _find_devices(self) -> None:
        self.call_later(self._offer_devices, device_choices())

    def _offer_devices(self, choices: dict[str, str]) -> None:
        self.query_one("#device", OptionSpinner).offer(choices)

    # The dataset

    def _scan(self) -> None:
        """Scan the folder in the form; an earlier scan is abandoned."""
        try:
            folder, labels, split = self.form.folder(), self.form.label_settings(), self.form.split_settings()
        except FieldError as mistake:
            self.panel.stop(str(mistake))
        else:
            self.panel.scan(folder, split, labels)

    @on(DatasetPanel.Changed)
    async def scan_changed(self) -> None:
        panel, summary = self.panel, self.panel.summary
        self.query_one("#brief", Static).update(Content("\n").join(panel.head()[:4]))
        if summary is None:
            return
        self.query_one("#mistake", Static).update("")
        self.form = replace(self.form, dataset_split=summary.dataset_split)
        self._offer_columns(summary.columns, summary.table_columns)
        self._show_form()
        if self._start_after_scan:
            await (self.action_queue() if self._queue else self.action_start())

    @on(FieldGroup.Opened)
    def rows_made(self) -> None:
        if (summary := self.panel.summary) is not None:
            self._offer_columns(summary.columns, summary.table_columns)
        self._show_form()

    def _offer_columns(self, columns: list[str], table_columns: list[str]) -> None:
        """Complete the names of columns."""
        offers = {
            "labels-path_column": table_columns,
            "labels-label_column": table_columns,
            "split-column": columns,
            "split-groups": ["auto", *columns],
            "balance": columns,
        }
        for editor in self.query(CompletingInput):
            if editor.id in offers:
                editor.offer(partial(complete_name, names=offers[editor.id]))

    @on(DatasetPanel.Mapped)
    def genres_mapped(self, event: DatasetPanel.Mapped) -> None:
        self._set("labels.map", str(event.table))
        self._scan()

    # The form

    def _show_form(self) -> None:
        """Update editors, marks and notes from the form."""
        for row in self.query(FieldRow):
            if row.field == "encoder":
                row.show_text(self.form.encoder)
                row.mark(changed=self.form.encoder != NONE, note=about_encoder(self.form.encoder))
            elif row.field in FIELDS or (row.field in recipe_fields() and row.field not in ("data", "preset")):
                row.show_text(self.form.text(row.field))
                changed = self.form.is_changed(row.field)
                of = "settings" if row.field in FIELDS else self.form.preset
                note = f"{of}: {self.form.base_text(row.field) or NONE}" if changed else ""
                row.mark(changed=changed, note=note, error=self.form.mistake(row.field))
        self._show_recipe_mistake()
        for group in self.query(FieldGroup):
            group.query_one(FoldTitle).show_changed(self.form.changed(group.group) if group.group else self._changed())
        self._show_about()

    def _changed(self) -> int:
        return sum(self.form.is_changed(field.name) for field in folded_fields() if not field.group)

    def _show_recipe_mistake(self) -> None:
        """Show the recipe's own error about a field beside it."""
        try:
            self.form.recipe(data="/")
        except FieldError as mistake:
            for row in self.query(FieldRow):
                if row.field == mistake.field and row.field != "preset":
                    row.mark(changed=True, error=str(mistake))

    @on(Input.Changed)
    def text_changed(self, event: Input.Changed) -> None:
        row = _row_of(event.input)
        if row is not None and event.value != self.form.text(row.field):
            self._set(row.field, event.value)

    @on(OptionSpinner.Changed)
    def choice_changed(self, event: OptionSpinner.Changed) -> None:
        row = _row_of(event.choice)
        if row is not None:
            self._set(row.field, event.value)

    def _set(self, name: str, text: str) -> None:
        """Take a typed text; errors about the previous one and a waiting start are dropped."""
        self.form = self.form.with_text(name, text)
        self._changed_by_hand(name)

    def _changed_by_hand(self, name: str) -> None:
        self._start_after_scan = False
        self.query_one("#mistake", Static).update("")
        if name == "data":
            # The label settings of a run whose recipe this was are those of its dataset.
            copied = {field for field in self._initial.typed.items() if field[0].startswith("labels.")}
            typed = {field: text for field, text in self.form.typed.items() if (field, text) not in copied}
            self.form = replace(self.form, dataset_split=None, typed=typed)
        self._show_form()
        if name.startswith(SCANNED):
            if self._soon is not None:
                self._soon.stop()
            self._soon = self.set_timer(TYPING_SECONDS, self._scan)

    def action_reset(self) -> None:
        """Reset the focused field to the preset's value; on Preset, reset all fields."""
        row = _row_of(self.focused)
        if row is None:
            return
        if row.field == "preset":
            self.form = replace(self.form, typed={})
        else:
            self.form = self.form.reset(row.field)
        self._changed_by_hand("labels." if row.field == "preset" else row.field)

    # The line of help

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._show_about()
        if event.widget in self.panel.walk_children():  # on a narrow screen, one panel is in view at a time
            self.panel.scroll_visible(top=True, animate=False, immediate=True)
        elif self.query_one("#new-run").max_scroll_y:
            self.query_one("#new-run").scroll_home(animate=False, immediate=True)

    def _show_about(self) -> None:
        self.query_one("#about", Static).update(self._about())

    def _about(self) -> Content:
        focused = self.focused
        if isinstance(focused, FoldTitle) and isinstance(focused.parent, FieldGroup):
            return Content(focused.parent.about)
        if isinstance(focused, GenreList):
            return Content("enter merges a genre with another, or leaves it out; f2 on Rename table undoes that.")
        row = _row_of(focused)
        if row is None:
            return Content("")
        text = row.about()
        if isinstance(focused, OptionSpinner) and (chosen := focused.choices.get(focused.value)):
            text = f"{focused.value}: {chosen}"
        undo = Content.styled(f"  {key_of(self, 'new_run.reset')} resets it", "$text-muted")
        error = row.query_one(Note).text.plain if row.has_class("-wrong") else ""
        if error:
            return Content.styled(error, "$bad")
        changed = row.field not in ("data", "preset") and self.form.is_changed(row.field)
        return Content.assemble(text, undo if changed else "")

    @on(CompletingInput.Candidates)
    def list_candidates(self, event: CompletingInput.Candidates) -> None:
        if event.names:
            self.query_one("#about", Static).update(Content("  ".join(event.names)))

    # Keys

    def action_move(self, by: int) -> None:
        genres = self.focused
        if isinstance(genres, GenreList) and 0 <= genres.cursor + by < genres.row_count():
            genres.action_move(by)
            genres.scroll_visible()
        elif by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    @on(Input.Submitted)
    def to_next_field(self) -> None:
        self.focus_next()

    @work
    async def action_browse(self) -> None:
        from tui.dialogs.pickers import FolderPicker

        start = Path.cwd()
        with suppress(OSError):  # it may be too long for a path, or in a folder that is closed to the user
            start = typed if (typed := typed_path(self.form.data)).is_dir() else start
        folder = await self.app.push_screen_wait(FolderPicker(start))
        if folder is not None:
            self.query_one("#data", PathInput).value = str(folder)

    @work
    async def action_demo(self) -> None:
        from tui.new_run.dataset_panel import DemoScreen

        folder = await self.app.push_screen_wait(DemoScreen())
        if folder is not None:
            self.query_one("#data", PathInput).value = str(folder)

    async def action_augmentation(self) -> None:
        from tui.augmentation.screen import AugmentationScreen

        try:
            folder = self._ready_folder()
            augmentation = self.form.recipe().augmentation
        except UserError as mistake:
            await self._show_error(mistake)
        else:
            self.app.push_screen(AugmentationScreen(folder, self.form.preset, augmentation))

    async def action_copy(self) -> None:
        try:
            command = shlex.join(self.form.command())
        except UserError as mistake:
            await self._show_error(mistake)
        else:
            self.app.copy_to_clipboard(command)
            self.app.notify(command, title="Copied", timeout=10)

    @work
    async def action_leave_form(self) -> None:
        same = replace(self.form, dataset_split=self._initial.dataset_split) == self._initial
        if same or await self.app.push_screen_wait(
            ConfirmScreen("Leave without starting?", "Your changes to the form are lost.", yes="leave")
        ):
            self.dismiss()

    # Starting

    @on(Button.Pressed, "#start")
    async def start_pressed(self) -> None:
        await self.action_start()

    async def action_queue(self) -> None:
        """Start the run when its device is free, and watch it."""
        await self._start(queue=True)

    async def action_start(self) -> None:
        """Start the run and watch it."""
        await self._start(queue=False)

    async def _start(self, *, queue: bool) -> None:
        """Start the run, or show the error at its field."""
        self._queue = queue
        for row in self.query(FieldRow):
            self.form = self.form.with_text(row.field, row.editor.value)  # a key may be ahead of its message
        try:
            recipe = self.form.recipe()
            self._start_after_scan = self.panel.is_scanning
            self._ready_folder()
            run = self._started(recipe, queue=queue)
        except UserError as mistake:
            await self._show_error(mistake)
        else:
            self.dismiss()
            await self.app.watch_run(run.path)

    def _started(self, recipe: Recipe, *, queue: bool) -> RunFolder:
        """
        Raises:
            UserError: the name is taken, the webhook is not an address, or the run cannot be started.
        """
        if self.panel.summary is not None:
            recipe = msgspec.structs.replace(recipe, labels=self.panel.summary.labels)
        webhook = self.form.notifications.webhook()
        name = dataset_name(Path(recipe.data))
        given = self.form.name.strip() or None
        return start(self.app.runs_dir, to_dict(recipe), name, name=given, webhook=webhook, queue=queue)

    def _ready_folder(self) -> Path:
        """The dataset folder, once it has been scanned without error."""
        folder = self.form.folder()
        if self.panel.is_scanning:
            if self._start_after_scan:
                raise UserError("Training starts when the scan is finished.")
            raise UserError("The dataset is still being scanned.")
        if self.panel.summary is None:
            raise FieldError("data", "The dataset cannot be used; see the message about it.")
        return folder

    async def _show_error(self, mistake: UserError) -> None:
        """Show an error, and bring its field into view and focus."""
        self.query_one("#mistake", Static).update(Content.styled(str(mistake), "$bad"))
        if not isinstance(mistake, FieldError):
            return
        folded = {field.name: field.group for field in folded_fields()} | dict.fromkeys(FIELDS, "notify")
        for group in self.query(FieldGroup):
            if folded.get(mistake.field) == group.group:
                await group.unfold()
        for row in self.query(FieldRow):
            if row.field == mistake.field:
                row.editor.focus()


def _row_of(widget: object) -> FieldRow | None:
    """The row of an editor; None for anything else."""
    parent = getattr(widget, "parent", None)
    return parent if isinstance(parent, FieldRow) else None
