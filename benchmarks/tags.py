"""Genres written into the tags of files of every format, and undone: how many are byte for byte what they were.

python -m benchmarks.tags --files 432
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from core.audio.files.open_file import AudioError
from core.tags.journal import TagJournal, digest, read_journal
from core.tags.write import undo, write_genres
from tests.support.tagged_files import SUFFIXES, tagged_files

GENRES = (["Jazz"], ["Jazz", "Żal"], ["17"], ["(17)"], ["日本"], ["A genre longer than any padding " * 200])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tags", description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=432, metavar="N", help="how many files, over all formats (432)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the tags that the files have (0)")
    args = parser.parse_args()
    exact, failed = Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        digests = {path: digest(path) for path in tagged_files(Path(folder), args.files, args.seed)}
        journal = TagJournal(Path(folder) / "journal.jsonl")
        began = time.monotonic()
        for number, path in enumerate(digests):
            try:
                write_genres(path, GENRES[number % len(GENRES)], journal)
            except AudioError as error:
                failed.append(str(error))
        written = time.monotonic()
        for change in reversed(read_journal(journal.path)):
            undo(change)
        undone = time.monotonic()
        for path, earlier in digests.items():
            exact[path.suffix] += digest(path) == earlier
    for suffix in SUFFIXES:
        print(f"{suffix:6} {exact[suffix]} byte for byte")
    print(*failed, sep="\n")
    print(
        f"{exact.total()} of {args.files} undone byte for byte, {len(failed)} not written; "
        f"{1000 * (written - began) / args.files:.1f} ms to write and "
        f"{1000 * (undone - written) / args.files:.1f} ms to undo one"
    )
    return exact.total() != args.files or bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
