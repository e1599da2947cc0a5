"""What every test can rely on, however the tests were started, and which of them begin."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shell that puts the tests in the background has them, and all that they start, ignore an interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example may take any time: machines that run tests are busy.
settings.register_profile("genre-tui", deadline=None)
settings.load_profile("genre-tui")

LONGEST_FIRST = (
    "test_group.py",
    "test_process.py",
    "test_damaged_journals.py",
    "test_onnx_file.py",
    "test_cli_trainer.py",
    "test_tour.py",
    "test_listen_command.py",
    "test_terminal.py",
    "test_hostile_clients.py",
    "test_faults.py",
    "test_disk_full.py",
    "test_near_duplicates.py",
    "test_resume.py",
    "test_new_run_screen.py",
    "test_watch_screen.py",
    "test_listen_screen.py",
    "test_app.py",
    "test_archive_agreement.py",
    "test_shards.py",
)
"""Files: one that takes minutes and came last would keep a single process busy while the others have nothing to do."""


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests register their runs, and queue them, in a state folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
