"""The rows of the New run form: each a field with its editor, and folds that show a group of them."""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Label

from core.models.registry import MODELS
from core.training.fields import Field, recipe_fields
from core.training.recipe import Recipe
from core.util.text import field_docs
from tui.new_run.form import COMMON, RecipeForm
from tui.new_run.notifications import FIELDS
from tui.widgets.fields import CompletingInput, Completion, OptionSpinner, PathInput
from tui.widgets.text import Note, TextInput, clipped

CHANGED = "•"
"""Before the name of a field that is not the preset's."""
Editor = OptionSpinner | TextInput
ABOUT = {
    "data": "A folder of music: a folder per genre, with a table or tags; a public collection; or a feature pack. "
    "ctrl+t chooses in a tree.",
    "preset": "The recipe to start from; your changes are kept. ",
    "encoder": "A pretrained encoder whose embeddings a small head learns from: a name, a folder, or owner/name of the "
    "model hub. tab completes.",
    "name": "Name of the run; empty for the dataset, the preset and a number.",
}
LABELS = {
    "labels.source": "Labels from",
    "labels.multiple": "If several",
    "labels.tree": "Genre tree",
    "labels.level": "Tree level",
    "labels.map": "Rename table",
    "labels.min_clips": "Min clips",
    "notify.nan": "NaN loss",
}
"""Labels of fields whose own names say too little outside of the recipe."""
CHOICES = {
    "labels.multiple": {
        "first": "the first genre of a file counts",
        "specific": "the rarest, or the deepest in the tree",
        "frequent": "the most frequent genre counts",
        "drop": "leaves out files with several genres",
    },
    "labels.level": {
        "top": "main genres, such as rock",
        "leaf": "subgenres, such as punk",
        "none": "genres as they are",
    },
}
"""Field → value → its meaning."""
GROUPS = {"": "Training", "split": "Split and groups", "front_end": "Front end"}
"""Titles of groups that differ from the group's name."""


def widget_id(name: str) -> str:
    """``optimiser.warmup`` → ``optimiser-warmup``."""
    return name.replace(".", "-")


class FieldRow(Horizontal):
    """Name, editor, and a note: an error, or the preset's value where it was changed."""

    def __init__(self, name: str, label: str, editor: Editor, about: Callable[[], str]) -> None:
        """
        Args:
            name: the field's; `widget_id` of it is the editor's id.
            about: returns the help line shown while the field has the focus.
        """
        super().__init__(classes="row")
        self.field = name
        self.label = label
        self.editor = editor
        self.about = about

    def compose(self) -> ComposeResult:
        yield Label(f"  {self.label}", classes="label")
        yield self.editor
        yield Note(classes="note")

    def mark(self, *, changed: bool, note: str = "", error: str = "") -> None:
        """Show whether the field is changed, and the note beside it."""
        self.query_one(".label", Label).update(
            Content.assemble((f"{CHANGED if changed else ' '} ", "$warn"), self.label)
        )
        self.query_one(Note).show(Content.styled(error or note, "$bad" if error else "$text-muted"))
        self.set_class(bool(error), "-wrong")

    def show_text(self, text: str) -> None:
        """Set the editor without a message about it."""
        if self.editor.value != text:
            with self.editor.prevent(TextInput.Changed):
                self.editor.value = text


def editor_for(field: Field, text: str, choices: Mapping[str, str], placeholder: str = "") -> Editor:
    """A spinner where there are only a few values, otherwise a text.

    Args:
        choices: value → description, for a field whose values its type does not name.
    """
    id = widget_id(field.name)
    if choices or field.choices:
        return OptionSpinner(dict(choices) or dict.fromkeys(field.choices, ""), text, id=id)
    if field.is_path:
        return PathInput(text, files=True, placeholder=placeholder, id=id)
    if str in field.kinds:
        return CompletingInput(text, Completion, placeholder=placeholder, id=id)
    return TextInput(text, compact=True, placeholder=placeholder, id=id)


class FoldTitle(Widget, can_focus=True):
    """``▸ Optimiser · 2 changed``; enter, space or a click folds or unfolds what is below."""

    BINDINGS: ClassVar = [
        Binding("enter,space", "turn", "unfold", key_display="enter"),
        Binding("right", "fold(False)", "unfold", show=False),
        Binding("left", "fold(True)", "fold", show=False),
    ]

    class Toggled(Message):
        def __init__(self, title: "FoldTitle") -> None:
            super().__init__()
            self.title = title

    def __init__(self, title: str, about: str) -> None:
        super().__init__(classes="fold-title")
        self.title = title
        self.about = about
        self.is_open = False
        self.changed = 0

    def render(self) -> Content:
        line = Content.assemble(
            (f"{'▾' if self.is_open else '▸'} ", "$footer-key-foreground" if self.has_focus else "$faint"),
            (self.title, "bold" if self.has_focus else ""),
            (f" · {self.changed} changed" if self.changed else "", "$warn"),
            (f"  {self.about}", "$text-muted"),
        )
        return clipped(line, self.size.width)

    def show_changed(self, number: int) -> None:
        if number != self.changed:
            self.changed = number
            self.refresh()

    def action_turn(self) -> None:
        self.is_open = not self.is_open
        self.refresh()
        self.post_message(self.Toggled(self))

    def action_fold(self, fold: bool) -> None:
        if self.is_open == fold:
            self.action_turn()

    def on_click(self) -> None:
        self.action_turn()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


class FieldGroup(Vertical):
    """A fold; its rows are made when it is opened for the first time."""

    class Opened(Message):
        """Its rows have just been made."""

    def __init__(self, group: str, title: str, about: str, make: Callable[[], list[FieldRow]]) -> None:
        super().__init__(classes="group")
        self.group = group
        self.about = about
        self._title = title
        self._make = make

    def compose(self) -> ComposeResult:
        yield FoldTitle(self._title, self.about)

    async def on_fold_title_toggled(self, event: FoldTitle.Toggled) -> None:
        event.stop()
        await self.unfold(event.title.is_open)

    async def unfold(self, is_open: bool = True) -> None:
        title, rows = self.query_one(FoldTitle), self.query(FieldRow)
        title.is_open = is_open
        title.refresh()
        if is_open and not rows:
            await self.mount_all(self._make())
            self.post_message(self.Opened())
        for row in rows:
            row.display = is_open


def folded_fields() -> list[Field]:
    """The recipe's fields that the folds below the common ones show."""
    above = {"data", "preset", *COMMON}
    return [field for field in recipe_fields().values() if field.name not in above and field.group != "labels"]


def folds(form: Callable[[], RecipeForm], webhook: str) -> Iterator[FieldGroup]:
    """A fold per group of fields, and one for the notifications.

    Args:
        form: returns the form as it is when a fold is opened.
        webhook: the settings' address.
    """
    about = field_docs(Recipe)
    for group in dict.fromkeys(field.group for field in folded_fields()):
        title = GROUPS.get(group, group.capitalize())
        said = about.get(group) or "Clips, crops, excerpts and how long to train."
        yield FieldGroup(group, title, said, lambda group=group: group_rows(group, form()))  # type: ignore[misc]
    said = "Where notices about the run are posted, and which."
    yield FieldGroup("notify", "Notifications", said, lambda: _notify_rows(form(), webhook))


def group_rows(group: str, form: RecipeForm) -> list[FieldRow]:
    fields = [field for field in recipe_fields().values() if field.group == group]
    return [field_row(field, form) for field in fields if field.name not in {"data", "preset", *COMMON}]


def field_row(field: Field, form: RecipeForm) -> FieldRow:
    """The row of a field of the recipe."""
    choices = {"model": MODELS, "device": {form.text("device"): ""}, **CHOICES}.get(field.name, {})
    placeholder = "auto" if field.name == "labels.source" else ""
    editor = editor_for(field, form.text(field.name), choices, placeholder)
    return FieldRow(field.name, LABELS.get(field.name, field.label), editor, lambda: field.about)


def own_row(name: str, label: str, editor: Editor) -> FieldRow:
    """The row of a field that is not the recipe's."""
    return FieldRow(name, label, editor, lambda: ABOUT.get(name, ""))


def _notify_rows(form: RecipeForm, webhook: str) -> list[FieldRow]:
    placeholders = {"webhook": webhook or "none"}
    return [
        FieldRow(
            field.name,
            LABELS.get(field.name, field.label),
            editor_for(field, form.text(field.name), {}, placeholders.get(field.name, "")),
            lambda field=field: field.about,  # type: ignore[misc]
        )
        for field in FIELDS.values()
    ]
