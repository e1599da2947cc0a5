"""What has been classified is known again: under another name, in another process, and only while it is the same."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from core.inference.batch.cache import PredictionCache, model_key
from core.util.errors import UserError
from tests.support.cached_predictions import known, prediction, remember


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"RIFF" + bytes(range(256)))
    return path


def test_content_is_known_again_under_any_name(tmp_path: Path, sound: Path) -> None:
    cache = PredictionCache(tmp_path / "cache.sqlite", "a model")
    assert known(cache, sound) is None
    remember(cache, sound, prediction("jazz"))
    copy = shutil.copy(sound, tmp_path / "copy.wav")
    assert known(cache, sound) == known(cache, Path(copy)) == prediction("jazz")
    cache.close()
    assert known(PredictionCache(tmp_path / "cache.sqlite", "a model"), sound) == prediction("jazz")


def test_changed_content_and_another_model_are_not_known(tmp_path: Path, sound: Path) -> None:
    cache = PredictionCache(tmp_path / "cache.sqlite", "a model")
    remember(cache, sound, prediction("jazz"))
    assert known(PredictionCache(tmp_path / "cache.sqlite", "another model"), sound) is None
    sound.write_bytes(sound.read_bytes()[::-1])
    assert known(cache, sound) is None


def test_the_key_changes_with_model_and_overlap(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pth", tmp_path / "other.pth"
    one.write_bytes(b"weights")
    other.write_bytes(b"weightz")
    assert len({model_key(one, 0), model_key(other, 0), model_key(one, 0.5)}) == 3


def test_what_is_not_a_cache_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match="cannot be used"):
        PredictionCache(tmp_path / "cache.sqlite", "a model")


def test_a_cache_that_cannot_be_written_does_not_end_the_work(tmp_path: Path, sound: Path) -> None:
    cache = PredictionCache(tmp_path / "cache.sqlite", "a model")
    with sqlite3.connect(tmp_path / "cache.sqlite") as other:
        other.execute("DROP TABLE predictions")
    remember(cache, sound, prediction("jazz"))
    assert cache.trouble is not None
    assert known(cache, sound) is None


KILLED = """
import os, sys
from pathlib import Path
from core.inference.batch.cache import PredictionCache
from tests.support.cached_predictions import prediction, remember
cache = PredictionCache(Path(sys.argv[1]), "a model")
remember(cache, Path(sys.argv[2]), prediction("rock"))
os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_what_it_remembered(tmp_path: Path, sound: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "cache.sqlite", sound], check=False)
    assert done.returncode == -9
    assert known(PredictionCache(tmp_path / "cache.sqlite", "a model"), sound) == prediction("rock")
