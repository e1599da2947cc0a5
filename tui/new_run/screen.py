"""The New run screen: choose a dataset and a recipe, see a summary of the dataset, start training."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Input, Label, Static

from core.dataset.split_settings import own_split
from core.models.registry import MODELS
from core.runs.actions import start
from core.runs.directory import list_runs
from core.runs.folder import dataset_name
from core.training.presets import PRESETS, preset
from core.training.recipe import to_dict
from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from tui.new_run.dataset_process import Found, Message, Progress, Scan
from tui.new_run.dataset_summary import DatasetSummary, summary_lines
from tui.new_run.fields import OptionSpinner, PathInput
from tui.new_run.form import LABELS, FieldError, RecipeForm, device_choices
from tui.shell.mode_screen import ModeScreen
from tui.widgets.text_input import TextInput

TYPING_SECONDS = 0.4
"""Seconds after the last key before a typed path is scanned."""
HINTS = {
    "epochs": "passes over the training clips",
    "batch_size": "clips, or crops of clips",
    "learning_rate": "peak rate of the optimiser",
    "seed": "for weights, order and crops",
}


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
            "ctrl+l",
            "augmentation",
            "preview",
            id="new_run.augmentation",
            tooltip="See and hear the preset's augmentation of a clip",
        ),
        Binding("ctrl+g", "demo", "demo data", id="new_run.demo", tooltip="Create a small synthetic dataset"),
        # Before the field handles the key: what is typed next belongs to the next field.
        Binding("up", "app.focus_previous", "previous field", show=False, priority=True),
        Binding("down", "app.focus_next", "next field", show=False, priority=True),
    ]

    def __init__(self, data: Path | None = None) -> None:
        super().__init__()
        settings = self.app.settings.new_run
        self.form = RecipeForm.initial(settings, str(data or settings.data or self._likely_data()))
        self.dataset: DatasetSummary | None = None
        self._process: JsonlProcess[Scan, Message] | None = None
        self._soon: Timer | None = None
        self._start_after_scan = False
        self._queue = False

    def _likely_data(self) -> str:
        """The newest run's dataset, or a folder of genres in the current directory."""
        with suppress(UserError):  # no runs, or none that can be read
            for run in list_runs(self.app.runs_dir)[:1]:
                data = str(run.read_recipe().get("data", ""))
                if Path(data).is_dir():
                    return data
        return next((name for name in ("genres", "demo/genres") if Path(name).is_dir()), "")

    def compose_body(self) -> ComposeResult:
        form = self.form
        about = {name: (make.__doc__ or "").splitlines()[0] for name, make in PRESETS.items()}
        with Horizontal(id="new-run"):
            with VerticalScroll(id="form", can_focus=False):
                yield from self._row("data", PathInput(form.data, placeholder="a folder with music", id="data"))
                yield Static("", id="brief")
                yield from self._row("preset", OptionSpinner(about, form.preset, id="preset"))
                yield from self._row("model", OptionSpinner(MODELS, form.model, id="model"))
                for field in ("epochs", "batch_size", "learning_rate", "seed"):
                    yield from self._row(field, TextInput(getattr(form, field), compact=True, id=field))
                yield from self._row("device", OptionSpinner({form.device: ""}, form.device, id="device"))
                placeholder = "found by looking; or a table, tags, folders"
                yield from self._row("labels", PathInput(form.labels, placeholder=placeholder, id="labels"))
                name = TextInput(form.name, compact=True, id="name", placeholder="dataset, preset, number")
                yield from self._row("name", name)
                yield Static("", id="mistake")
                yield Button("Start training", id="start", compact=True)
                yield Static("", id="about")
            with Vertical(id="dataset"):
                yield Static("", id="summary")

    def _row(self, field: str, widget: OptionSpinner | TextInput) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(LABELS[field])
            yield widget
            if field in HINTS:
                yield Label(HINTS[field], classes="hint")

    def on_mount(self) -> None:
        self.query_one("#data").focus()
        self._find_devices()
        self._scan()

    @work(thread=True)
    def _find_devices(self) -> None:
        self.call_later(self._offer_devices, device_choices())

    def _offer_devices(self, choices: dict[str, str]) -> None:
        self.query_one("#device", OptionSpinner).offer(choices)

    # The dataset

    def _show_lines(self, lines: list[Content]) -> None:
        """Show lines beside the form if there is room, otherwise below the path."""
        self.query_one("#summary", Static).update(Content("\n").join(lines))
        self.query_one("#brief", Static).update(Content("\n").join(lines[:4]))

    def _show_summary(self) -> None:
        if self.dataset is not None:
            place = self.query_one("#dataset").content_size
            narrow = self.app.width_class == "narrow"
            width, height = (self.size.width - 22, 4) if narrow else (place.width, place.height)
            self._show_lines(summary_lines(self.dataset, max(20, width), height))

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_summary)

    def _scan(self) -> None:
        """Scan the folder in the form; an earlier scan is abandoned."""
        self.dataset = None
        self._end_scan()
        try:
            folder, labels = self.form.folder(), self.form.label_settings()
        except FieldError as mistake:
            self._show_lines([Content.styled(str(mistake), "$text-muted")])
            return
        self._show_lines([Content.styled("Scanning the dataset …", "$text-muted")])
        process: JsonlProcess[Scan, Message] = JsonlProcess(
            "tui.new_run.dataset_process",
            Message,
            lambda message, request: self.call_later(self._take, process, message),
            crashed="the files could not be scanned: the process has ended unexpectedly",
        )
        self._process = process
        process.ask(Scan(path_to_json(folder), preset(self.form.preset, str(folder)).split, labels))

    def _take(self, process: JsonlProcess[Scan, Message], message: Message | Refused) -> None:
        if process is not self._process:
            return
        match message:
            case Progress(done, total):
                self._show_lines([Content.styled(f"Scanning the dataset … {done:,} of {total:,} files", "$text-muted")])
            case Refused(error):
                self._end_scan()
                self._show_lines([Content.styled(error, "$bad")])
            case Found(summary):
                self._end_scan()
                self.dataset = summary
                self.query_one("#mistake", Static).update("")
                self._show_summary()
                if self._start_after_scan:
                    # Not here: a worker of this screen would end with the screen.
                    self.call_later(self.action_queue if self._queue else self.action_start)

    def _end_scan(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def on_unmount(self) -> None:
        self._end_scan()

    # The form

    @on(Input.Changed)
    def text_changed(self, event: Input.Changed) -> None:
        field = event.input.id or ""
        if getattr(self.form, field) == event.value:
            return
        self._set(field, event.value)
        if field in ("data", "labels"):
            if self._soon is not None:
                self._soon.stop()
            self._soon = self.set_timer(TYPING_SECONDS, self._scan)

    @on(OptionSpinner.Changed)
    def choice_changed(self, event: OptionSpinner.Changed) -> None:
        field = event.choice.id or ""
        if field != "preset":
            self._set(field, event.value)
            return
        self._replace(self.form.with_preset(event.value))
        self.query_one("#model", OptionSpinner).value = self.form.model
        for changed in ("epochs", "batch_size", "learning_rate", "seed"):
            self.query_one(f"#{changed}", TextInput).value = getattr(self.form, changed)

    @on(OptionSpinner.Described)
    def describe_choice(self, event: OptionSpinner.Described) -> None:
        self.query_one("#about", Static).update(Content.styled(event.text, "$text-muted"))

    def _set(self, field: str, value: str) -> None:
        self._replace(replace(self.form, **{field: value}))

    def _replace(self, form: RecipeForm) -> None:
        """Replace the form; errors about the previous one and a waiting start are dropped."""
        self.form = form
        self._start_after_scan = False
        self.query_one("#mistake", Static).update("")

    @on(Input.Submitted)
    def to_next_field(self) -> None:
        self.focus_next()

    @work
    async def action_browse(self) -> None:
        from tui.dialogs.folder_picker import FolderPicker

        start = Path(self.form.data).expanduser()
        folder = await self.app.push_screen_wait(FolderPicker(start if start.is_dir() else Path.cwd()))
        if folder is not None:
            self.query_one("#data", PathInput).value = str(folder)

    @work
    async def action_demo(self) -> None:
        from tui.new_run.demo_dialog import DemoScreen

        folder = await self.app.push_screen_wait(DemoScreen())
        if folder is not None:
            self.query_one("#data", PathInput).value = str(folder)

    def action_augmentation(self) -> None:
        from tui.augmentation.screen import AugmentationScreen

        try:
            folder = self._ready_folder()
        except UserError as mistake:
            self._show_error(mistake)
        else:
            self.app.push_screen(AugmentationScreen(folder, self.form.preset))

    def action_leave_form(self) -> None:
        self.dismiss()

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
        try:
            recipe = self.form.recipe()
            self._start_after_scan = self._scanning
            self._ready_folder()
            if self.dataset is not None:
                recipe = msgspec.structs.replace(recipe, labels=self.dataset.labels)
                if self.dataset.own_split:
                    recipe = msgspec.structs.replace(recipe, split=own_split(recipe.split))
            name = dataset_name(Path(recipe.data))
            webhook = self.app.settings.webhook_for()
            run = start(
                self.app.runs_dir, to_dict(recipe), name, name=self.form.name or None, webhook=webhook, queue=queue
            )
        except UserError as mistake:
            self._show_error(mistake)
        else:
            self.dismiss()
            await self.app.watch_run(run.path)

    @property
    def _scanning(self) -> bool:
        return self._process is not None and self.dataset is None

    def _ready_folder(self) -> Path:
        """The dataset folder, once it has been scanned without error."""
        folder = self.form.folder()
        if self._scanning:
            if self._start_after_scan:
                raise UserError("Training starts when the scan is finished.")
            raise UserError("The dataset is still being scanned.")
        if self.dataset is None:
            raise FieldError("data", "The dataset cannot be used; see the message about it.")
        return folder

    def _show_error(self, mistake: UserError) -> None:
        """Show an error and focus its field."""
        self.query_one("#mistake", Static).update(Content.styled(str(mistake), "$bad"))
        if isinstance(mistake, FieldError):
            self.query_one(f"#{mistake.field}").focus()
