"""The prediction cache: a small SQLite file, so that an interrupted classification of a large library can resume.

Predictions are keyed by the hash of the file's content, the hash of the model file (which includes the front end's
settings) and the overlap: renamed and copied files are recognised, changed ones are not.
"""

import hashlib
import os
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from core.audio.files.open_file import open_file
from core.dataset.inspect_file import content_hash
from core.inference.types import Prediction
from core.util.errors import UserError
from core.util.paths import cache_folder

VERSION = 2
"""Increased when the same model would classify a file differently."""
WAIT_SECONDS = 30.0
"""Seconds to wait for another process that is writing."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, stamp TEXT NOT NULL, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS predictions
    (content TEXT, judge TEXT, prediction BLOB NOT NULL, PRIMARY KEY (content, judge))
    WITHOUT ROWID;
"""


def default_cache() -> Path:
    return cache_folder() / "classified.sqlite"


def model_key(model: Path, overlap: float) -> str:
    """The key of everything other than the sound that a prediction depends on."""
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    return f"{VERSION}:{digest.hexdigest()}:{overlap:.4f}"


class PredictionCache:
    """Thread-safe; several processes may use the same file."""

    def __init__(self, path: Path, model_key: str) -> None:
        """
        Raises:
            UserError: the file cannot be written, or is not a prediction cache.
        """
        self._model_key = model_key
        self._lock = threading.Lock()
        self.trouble: str | None = None
        """Why predictions are no longer stored, such as a full disk; classification continues without the cache."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False, isolation_level=None)
            # A power failure may lose the last predictions but does not damage the database.
            self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise UserError(f"the prediction cache {path} cannot be used: {error}") from error

    def known(self, path: Path, file: BinaryIO) -> tuple[str, Prediction | None]:
        """The content's hash and its cached prediction, if any. The file is read only if it has changed."""
        content = self._content(path, file)
        row = self._first(
            "SELECT prediction FROM predictions WHERE content = ? AND judge = ?", content, self._model_key
        )
        if not isinstance(row, bytes):
            return content, None
        return content, msgspec.msgpack.decode(zlib.decompress(row), type=Prediction)

    def remember(self, content: str, prediction: Prediction) -> None:
        packed = zlib.compress(msgspec.msgpack.encode(prediction))
        self._write("INSERT OR REPLACE INTO predictions VALUES (?, ?, ?)", content, self._model_key, packed)

    def rewritten(self, path: Path, prediction: Prediction) -> None:
        """Record that only the file's tags have changed since it was classified."""
        with open_file(path) as file:
            self.remember(self._content(path, file), prediction)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _content(self, path: Path, file: BinaryIO) -> str:
        status = os.fstat(file.fileno())
        stamp = f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
        key = os.fsencode(path.absolute())
        known = self._first("SELECT content FROM files WHERE path = ? AND stamp = ?", key, stamp)
        if known:
            return str(known)
        content = content_hash(file)
        self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", key, stamp, content)
        return content

    def _first(self, query: str, *values: object) -> object:
        with self._lock:
            try:
                row = self._database.execute(query, values).fetchone()
            except sqlite3.Error as error:
                self.trouble = str(error)
                return None
        return row[0] if row else None

    def _write(self, query: str, *values: object) -> None:
        with self._lock:
            try:
                self._database.execute(query, values)
            except sqlite3.Error as error:
                self.trouble = str(error)
