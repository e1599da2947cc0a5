"""Textual's driver for terminals, which also asks the terminal for its name: see `tui.shell.graphics`."""

from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.message import Message

from tui.shell.graphics import ASK, Answers, may_be_asked


class TerminalNamed(Message):
    """The terminal has answered, after the start or after a suspension."""

    def __init__(self, name: str) -> None:
        """``name``: and version; empty if the terminal does not tell."""
        super().__init__()
        self.name = name


class AskingDriver(linux_driver.LinuxDriver):
    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if may_be_asked():
            self.write(ASK)

    def run_input_thread(self) -> None:
        if not may_be_asked():
            super().run_input_thread()
            return
        driver = self

        class Parser(XTermParser):
            """Sees no answers, which Textual would take for keys."""

            def __init__(self, debug: bool = False) -> None:
                super().__init__(debug)
                self._answers = Answers(lambda name: driver.send_message(TerminalNamed(name)))

            def feed(self, data: str) -> Iterable[Message]:
                seen = self._answers.rest(data) if data else data
                return super().feed(seen) if seen or not data else ()  # "" would end the input

            def tick(self) -> Iterable[Message]:
                if held := self._answers.overdue():
                    yield from super().feed(held)
                yield from super().tick()

        linux_driver.XTermParser = Parser  # type: ignore[attr-defined]
        super().run_input_thread()
