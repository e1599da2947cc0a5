"""A folder's path to type, completed from what is there: tab or right takes the completion."""

import asyncio
import os
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding
from textual.suggester import Suggester

from tui.widgets.text_input import TextInput


def complete_folder(text: str) -> str | None:
    """``text`` completed to the first folder that begins so; None where none does, and after a slash."""
    parent, slash, beginning = text.rpartition("/")
    if not beginning:
        return None
    folder = Path(parent + slash or ".").expanduser()
    try:
        names = sorted(
            entry.name for entry in os.scandir(folder) if entry.name.startswith(beginning) and entry.is_dir()
        )
    except OSError:
        return None
    return f"{parent}{slash}{names[0]}/" if names else None


class FolderSuggester(Suggester):
    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        # A folder on a slow disk must not hold up the keys.
        return await asyncio.to_thread(complete_folder, value) if value else None


class PathInput(TextInput):
    BINDINGS: ClassVar = [Binding("tab", "complete", "complete")]

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, suggester=FolderSuggester(), compact=True, id=id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a completion tab goes on to the next field."""
        return bool(self._suggestion) if action == "complete" else True

    def action_complete(self) -> None:
        self.action_cursor_right()
