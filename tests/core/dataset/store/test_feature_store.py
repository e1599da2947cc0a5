"""The feature store: shared, append-only, and whole after any death."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.dataset.store.feature_set import DiskArray
from core.dataset.store.feature_store import RECORD, FeatureStore
from core.features.settings import FrontEndSettings
from core.util.errors import UserError
from tests.support.stored_features import FRAMES, SETTINGS, assert_holds, codes, content, filled


def test_rows_come_back_in_any_order(tmp_path: Path) -> None:
    store = filled(tmp_path, 100)
    assert_holds(store, [99, 3, 3, 0, 50])
    rows, _ = store.rows([content(n) for n in range(100)])
    assert (rows.shape, len(rows), rows.nbytes) == ((100, 8, FRAMES), 100, 100 * 8 * FRAMES)
    for indices in ([7, 2], torch.tensor([7, 2]), slice(2, 8, 5)):
        rows.will_need(indices)
        got = rows[indices]
        assert got.dtype == torch.uint8
        expected = [2, 7] if isinstance(indices, slice) else [7, 2]
        torch.testing.assert_close(got, torch.stack([codes(n) for n in expected]))


def test_a_later_process_finds_them(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    again = FeatureStore(SETTINGS, tmp_path)
    assert len(again) == 3
    assert_holds(again, [2, 1, 0])
    assert content(3) not in again


def test_short_clips_are_padded_at_the_floor(tmp_path: Path) -> None:
    store = FeatureStore(SETTINGS, tmp_path)
    store.put(content(0), codes(0, frames=9))
    store.flush()
    rows, frames = store.rows([content(0)])
    assert frames == [9]
    torch.testing.assert_close(rows[[0]][0, :, :9], codes(0, frames=9))
    assert not rows[[0]][0, :, 9:].any()


def test_each_front_end_has_its_own(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    for other in (FrontEndSettings(n_mels=8, seconds=1.0, top_db=80), FrontEndSettings(n_mels=9, seconds=1.0)):
        assert len(FeatureStore(other, tmp_path)) == 0


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    first, second = filled(tmp_path, 0), filled(tmp_path, 0)
    for store in (first, second, first):
        store.put(content(1), codes(1))
        store.flush()
    assert (first.folder / "rows.bin").stat().st_size == 8 * FRAMES


def test_two_writers_take_turns(tmp_path: Path) -> None:
    """Two processes write overlapping rows at once; all rows are there, each under its own name."""
    program = (
        "import sys; from pathlib import Path; from tests.support.stored_features import *\n"
        "store = FeatureStore(SETTINGS, Path(sys.argv[1]))\n"
        "for n in range(int(sys.argv[2]), int(sys.argv[3])):\n"
        "    store.put(content(n), codes(n))\n"
        "    n % 3 or store.flush()\n"
        "store.flush()\n"
    )
    ranges = [("0", "300"), ("150", "450")]
    writers = [subprocess.Popen([sys.executable, "-c", program, tmp_path, *pair]) for pair in ranges]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    store = FeatureStore(SETTINGS, tmp_path)
    assert len(store) == 450
    assert (store.folder / "index.bin").stat().st_size == 450 * RECORD.size
    assert_holds(store, list(range(450)))


def test_a_writer_killed_at_any_moment_leaves_a_whole_store(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.support.stored_features import *\n"
        "store = FeatureStore(SETTINGS, Path(sys.argv[1]))\n"
        "for n in range(int(sys.argv[2]), 10**6):\n"
        "    store.put(content(n), codes(n))\n"
        "    store.flush()\n"
        "    print(n, flush=True)\n"
    )
    written = 0
    for extra in (1, 7, 20):
        command = [sys.executable, "-c", program, str(tmp_path), str(written)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(extra):
                last = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        store = FeatureStore(SETTINGS, tmp_path)
        assert len(store) > last
        written = len(store)
        assert_holds(store, list(range(written)))


@pytest.mark.parametrize("left", [1, RECORD.size - 1])
def test_a_record_cut_by_a_crash_is_overwritten(left: int, tmp_path: Path) -> None:
    store = filled(tmp_path, 3)
    with (store.folder / "index.bin").open("ab") as index, (store.folder / "rows.bin").open("ab") as rows:
        index.write(b"\1" * left)
        rows.write(b"\2" * 1000)
    again = FeatureStore(SETTINGS, tmp_path)
    assert len(again) == 3
    again.put(content(9), codes(9))
    again.flush()
    assert_holds(FeatureStore(SETTINGS, tmp_path), [0, 1, 2, 9])


def test_records_that_a_power_cut_zeroed_name_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path, 2)
    with (store.folder / "index.bin").open("ab") as index:
        index.write(bytes(RECORD.size))
    again = FeatureStore(SETTINGS, tmp_path)
    assert len(again) == 2
    again.put(content(9), codes(9))
    again.flush()
    assert_holds(FeatureStore(SETTINGS, tmp_path), [0, 1, 9])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .* set GENRE_TUI_CACHE"):
        FeatureStore(SETTINGS, tmp_path / "file")


def test_a_full_disk_is_said_and_harms_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk."""
    filled(tmp_path, 2)
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from core.util.errors import UserError; from tests.support.stored_features import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "store = FeatureStore(SETTINGS, Path(sys.argv[1]))\n"
        "for n in range(50): store.put(content(n), codes(n))\n"
        "try: store.flush()\n"
        "except UserError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True)
    assert "cannot be written (file too large)" in run.stdout + run.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 3000
    store = filled(tmp_path, 40)
    assert_holds(store, list(range(40)))


def test_the_default_folder_is_the_cache(cache: Path) -> None:
    store = FeatureStore(SETTINGS)
    assert store.folder.parent == cache / "features"
    assert (store.folder / "settings.json").is_file()


@pytest.mark.parametrize("damage", ["zeroed", "truncated", "emptied", "bit", "swapped"])
def test_damaged_rows_are_dropped_and_written_again(damage: str, tmp_path: Path) -> None:
    store = filled(tmp_path, 10)
    rows, size = store.folder / "rows.bin", 8 * FRAMES
    data = bytearray(rows.read_bytes())
    if damage == "zeroed":
        data[2 * size : 3 * size] = bytes(size)
    elif damage == "bit":
        data[2 * size + 5] ^= 1
    elif damage == "swapped":
        data[2 * size : 4 * size] = data[3 * size : 4 * size] + data[2 * size : 3 * size]
    else:
        del data[2 * size + 7 if damage == "truncated" else 0 :]
    rows.write_bytes(data)
    expected = {"zeroed": [2], "bit": [2], "swapped": [2, 3], "truncated": list(range(2, 10))}.get(damage, range(10))
    again = FeatureStore(SETTINGS, tmp_path)
    assert again.drop_damaged([content(n) for n in range(10)]) == [content(n) for n in expected]
    for number in expected:
        assert content(number) not in again
        again.put(content(number), codes(number))
    again.flush()
    assert again.drop_damaged([content(n) for n in range(10)]) == []
    healed = FeatureStore(SETTINGS, tmp_path)
    assert healed.drop_damaged([content(n) for n in range(10)]) == []
    assert_holds(healed, list(range(10)))


def test_rows_are_verified_once_per_store_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path, 3)
    assert store.drop_damaged([content(n) for n in range(3)]) == []
    monkeypatch.setattr(DiskArray, "_checksum", lambda *_: pytest.fail("read again"))
    assert store.drop_damaged([content(n) for n in range(3)]) == []
