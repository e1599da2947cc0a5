"""New run: choose a dataset, look at it, choose a recipe, start."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Input, Label, Static

from core.models.catalog import MODELS
from core.runs.directory import create, list_runs
from core.runs.folder import dataset_name
from core.runs.launch import launch
from core.training.presets import PRESETS, preset
from core.training.recipe import to_dict
from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from tui.new_run.dataset_process import Found, Message, Progress, Scan
from tui.new_run.dataset_summary import DatasetLook, look_lines
from tui.new_run.fields import Choice, PathInput
from tui.new_run.form import FieldError, RecipeForm, device_choices
from tui.shell.mode_screen import ModeScreen
from tui.widgets.text_input import TextInput

TYPING = 0.4
"""Seconds without a key after which a path that is typed is looked at."""
LABELS = {
    "data": "Dataset",
    "preset": "Preset",
    "model": "Model",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "seed": "Seed",
    "device": "Device",
    "name": "Name",
}
HINTS = {
    "epochs": "passes over the training clips",
    "batch_size": "clips, or crops of clips",
    "learning_rate": "of the optimiser, at its peak",
    "seed": "of weights, order and crops",
}


class NewRunScreen(ModeScreen):
    MODE = "runs"
    HELP = (
        "A run trains one model on one dataset: a folder that holds a folder of audio files for each genre. It goes on "
        "in a process of its own, whether or not somebody watches."
    )
    CSS_PATH = "../styles/new_run.tcss"
    BINDINGS: ClassVar = [
        Binding("ctrl+r", "start", "start", id="new_run.start", priority=True, tooltip="Start training"),
        Binding("ctrl+t", "browse", "choose folder", id="new_run.browse", tooltip="Choose the dataset in a tree"),
        Binding("escape", "leave_form", "back", id="new_run.back", tooltip="Back to the runs; nothing is started"),
        Binding(
            "ctrl+l",
            "augmentation",
            "preview",
            id="new_run.augmentation",
            tooltip="See and hear what the preset's augmentation does to a clip",
        ),
        Binding("ctrl+g", "demo", "demo data", id="new_run.demo", tooltip="Make a small synthetic dataset"),
        # At once and not after the field had its turn: what is typed next belongs into the next field.
        Binding("up", "app.focus_previous", "previous field", show=False, priority=True),
        Binding("down", "app.focus_next", "next field", show=False, priority=True),
    ]

    def __init__(self, data: Path | None = None) -> None:
        super().__init__()
        settings = self.app.settings.new_run
        self.form = RecipeForm.begun(settings, str(data or settings.data or self._likely_data()))
        self.dataset: DatasetLook | None = None
        self._process: JsonlProcess[Scan, Message] | None = None
        self._soon: Timer | None = None
        self._start_when_found = False

    def _likely_data(self) -> str:
        """Where the newest run's dataset is, or a folder of that name right here."""
        for run in list_runs(self.app.runs_dir)[:1]:
            try:
                data = str(run.read_recipe().get("data", ""))
            except UserError:
                continue
            if Path(data).is_dir():
                return data
        return next((name for name in ("genres", "demo/genres") if Path(name).is_dir()), "")

    def compose_body(self) -> ComposeResult:
        form = self.form
        about = {name: (make.__doc__ or "").splitlines()[0] for name, make in PRESETS.items()}
        with Horizontal(id="new-run"):
            with VerticalScroll(id="form", can_focus=False):
                yield from self._row(
                    "data", PathInput(form.data, placeholder="a folder with a folder for each genre", id="data")
                )
                yield Static("", id="brief")
                yield from self._row("preset", Choice(about, form.preset, id="preset"))
                yield from self._row("model", Choice(MODELS, form.model, id="model"))
                for field in ("epochs", "batch_size", "learning_rate", "seed"):
                    yield from self._row(field, TextInput(getattr(form, field), compact=True, id=field))
                yield from self._row("device", Choice({form.device: ""}, form.device, id="device"))
                name = TextInput(form.name, compact=True, id="name", placeholder="the time, the dataset and the model")
                yield from self._row("name", name)
                yield Static("", id="mistake")
                yield Button("Start training", id="start", compact=True)
                yield Static("", id="about")
            with Vertical(id="dataset"):
                yield Static("", id="look")

    def _row(self, field: str, widget: Choice | TextInput) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(LABELS[field])
            yield widget
            if field in HINTS:
                yield Label(HINTS[field], classes="hint")

    def on_mount(self) -> None:
        self.query_one("#data").focus()
        self._find_devices()
        self._look()

    @work(thread=True)
    def _find_devices(self) -> None:
        self.call_later(self._offer_devices, device_choices())

    def _offer_devices(self, choices: dict[str, str]) -> None:
        self.query_one("#device", Choice).offer(choices)

    # The dataset

    def _tell(self, lines: list[Content]) -> None:
        """Beside the form where there is room, else below the path."""
        self.query_one("#look", Static).update(Content("\n").join(lines))
        self.query_one("#brief", Static).update(Content("\n").join(lines[:4]))

    def _show_look(self) -> None:
        if self.dataset is not None:
            place = self.query_one("#dataset").content_size
            narrow = self.app.width_class == "narrow"
            width, height = (self.size.width - 22, 4) if narrow else (place.width, place.height)
            self._tell(look_lines(self.dataset, max(20, width), height))

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_look)

    def _look(self) -> None:
        """Look at the folder that stands there now; an earlier look is abandoned."""
        self.dataset = None
        self._end_look()
        try:
            folder = self.form.folder()
        except FieldError as mistake:
            self._tell([Content.styled(str(mistake), "$text-muted")])
            return
        self._tell([Content.styled("Looking at the files …", "$text-muted")])
        process: JsonlProcess[Scan, Message] = JsonlProcess(
            "tui.new_run.dataset_process",
            Message,
            lambda message, request: self.call_later(self._heard, process, message),
            crashed="the files could not be scanned: the process has ended unexpectedly",
        )
        self._process = process
        process.ask(Scan(path_to_json(folder), preset(self.form.preset, str(folder)).split))

    def _heard(self, process: JsonlProcess[Scan, Message], message: Message | Refused) -> None:
        if process is not self._process:
            return
        match message:
            case Progress(done, total):
                self._tell([Content.styled(f"Looking at the files … {done:,} of {total:,}", "$text-muted")])
            case Refused(error):
                self._end_look()
                self._tell([Content.styled(error, "$bad")])
            case Found(look):
                self._end_look()
                self.dataset = look
                self.query_one("#mistake", Static).update("")
                self._show_look()
                if self._start_when_found:
                    self.call_later(self.action_start)  # a worker of this screen would end with it

    def _end_look(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def on_unmount(self) -> None:
        self._end_look()

    # The form

    @on(Input.Changed)
    def text_changed(self, event: Input.Changed) -> None:
        field = event.input.id or ""
        if getattr(self.form, field) == event.value:
            return
        self._set(field, event.value)
        if field == "data":
            if self._soon is not None:
                self._soon.stop()
            self._soon = self.set_timer(TYPING, self._look)

    @on(Choice.Changed)
    def choice_changed(self, event: Choice.Changed) -> None:
        field = event.choice.id or ""
        if field != "preset":
            self._set(field, event.value)
            return
        self._replace(self.form.with_preset(event.value))
        self.query_one("#model", Choice).value = self.form.model
        for changed in ("epochs", "batch_size", "learning_rate", "seed"):
            self.query_one(f"#{changed}", TextInput).value = getattr(self.form, changed)

    @on(Choice.Told)
    def describe_choice(self, event: Choice.Told) -> None:
        self.query_one("#about", Static).update(Content.styled(event.text, "$text-muted"))

    def _set(self, field: str, value: str) -> None:
        self._replace(replace(self.form, **{field: value}))

    def _replace(self, form: RecipeForm) -> None:
        """Another form: what was said of the former, and a start that waits, are off."""
        self.form = form
        self._start_when_found = False
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
            self._object(mistake)
        else:
            self.app.push_screen(AugmentationScreen(folder, self.form.preset))

    def action_leave_form(self) -> None:
        self.dismiss()

    @on(Button.Pressed, "#start")
    async def start_pressed(self) -> None:
        await self.action_start()

    async def action_start(self) -> None:
        """Start the run and watch it, or say what is amiss in the field that is."""
        try:
            recipe = self.form.recipe()
            self._start_when_found = self._looking
            self._ready_folder()
            name = dataset_name(Path(recipe.data))
            run = create(self.app.runs_dir, to_dict(recipe), name, recipe.model, name=self.form.name or None)
            if self.app.settings.webhook:
                from core.runs.webhook import write_webhook  # brings an HTTP client

                write_webhook(run, self.app.settings.webhook)
            launch(run)
        except UserError as mistake:
            self._object(mistake)
        else:
            self.dismiss()
            await self.app.watch_run(run.path)

    @property
    def _looking(self) -> bool:
        return self._process is not None and self.dataset is None

    def _ready_folder(self) -> Path:
        """The dataset's place, once it has been looked at and found to be one."""
        folder = self.form.folder()
        if self._looking:
            if self._start_when_found:
                raise UserError("The run starts when the files have been looked at.")
            raise UserError("The files are still being looked at.")
        if self.dataset is None:
            raise FieldError("data", "The dataset is not ready: see what is said of it.")
        return folder

    def _object(self, mistake: UserError) -> None:
        """Say what is amiss, in the field that it is about."""
        self.query_one("#mistake", Static).update(Content.styled(str(mistake), "$bad"))
        if isinstance(mistake, FieldError):
            self.query_one(f"#{mistake.field}").focus()
