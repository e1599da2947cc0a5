"""One line of the New run form: a recipe's field with its editor, and a fold that shows a group of them."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Label, Static

from core.training.fields import Field
from tui.new_run.fields import CompletingInput, Completion, OptionSpinner, PathInput
from tui.widgets.text import TextInput

CHANGED = "•"
"""Before the name of a field that is not the preset's."""
Editor = OptionSpinner | TextInput


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
        yield Static("", classes="note")

    def mark(self, *, changed: bool, note: str = "", error: str = "") -> None:
        """Show whether the field is changed, and the note beside it."""
        self.query_one(".label", Label).update(
            Content.assemble((f"{CHANGED if changed else ' '} ", "$warn"), self.label)
        )
        self.query_one(".note", Static).update(Content.styled(error or note, "$bad" if error else "$text-muted"))
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
        return Content.assemble(
            (f"{'▾' if self.is_open else '▸'} ", "$footer-key-foreground" if self.has_focus else "$faint"),
            (self.title, "bold" if self.has_focus else ""),
            (f" · {self.changed} changed" if self.changed else "", "$warn"),
            (f"  {self.about}", "$text-muted"),
        ).truncate(self.size.width, ellipsis=True)

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
