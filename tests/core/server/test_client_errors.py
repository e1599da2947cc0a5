"""However many malformed requests come, the log has two lines a minute for each kind; other errors are all there."""

import asyncio
import logging

import pytest

from core.server.client_errors import limited


async def test_the_first_is_logged_then_a_count_and_other_errors_always(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.client_errors")
    reported = asyncio.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "more within" in record.getMessage():
                reported.set()

    log.addHandler(watch := Watch())
    try:
        with limited(log.name, lambda record: record.msg.startswith("malformed"), seconds=0.05):
            for number in range(1000):
                try:
                    raise ValueError("of the client")
                except ValueError:
                    log.exception("malformed: %s", number)
                if number % 500 == 0:
                    log.error("broken")
            await asyncio.wait_for(reported.wait(), 10)
            log.warning("malformed: %s", "again")
    finally:
        log.removeHandler(watch)
    assert caplog.messages == [
        "malformed: 0", "broken", "broken", "malformed: 0 (and 999 more within 0 s)", "malformed: again"
    ]  # fmt: skip
    assert all(record.exc_info is None for record in caplog.records)
