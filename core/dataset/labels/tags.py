"""The files' own tags as a label source."""

from collections.abc import Callable, Iterator
from pathlib import Path

from core.audio.errors import AudioError
from core.audio.files.tags import Tags, read_tags
from core.dataset.clip import Excluded
from core.dataset.file_cache import FileCache
from core.dataset.labels.files import AudioFile, LabelledFile, Labels, find_audio
from core.dataset.labels.genres import genres_in
from core.util.text import printable

OnProgress = Callable[[int, int], None]
SAMPLE = 64
"""Files whose tags are looked at to tell a library by artist from a folder per genre."""


def tag_labels(folder: Path, on_progress: OnProgress | None = None) -> Labels:
    """Genres, artists and albums from the tags of every file below ``folder``.

    Args:
        on_progress: called with the number of files whose tags are read, and of all files.

    Raises:
        OSError: the folder cannot be listed.
    """
    excluded: list[Excluded] = []
    files = find_audio(folder, excluded)
    labelled: list[LabelledFile] = []
    for (path, name), tags in zip(files, _remembered(folder, files, on_progress), strict=True):
        if isinstance(tags, str):
            excluded.append(Excluded(name, tags))
        elif not tags.genres:
            reason = "has no genre in its tags: tag it, or name a table of genres with --labels"
            excluded.append(Excluded(name, reason))
        else:
            columns = {"artist": printable(tags.artist or tags.album_artist), "album": printable(tags.album)}
            genres = [printable(part) for genre in tags.genres for part in genres_in(genre)]
            labelled.append(LabelledFile(path, name, genres, {key: value for key, value in columns.items() if value}))
    description = f"the files' tags; {len(labelled):,} of {len(files):,} files have a genre"
    return Labels(folder, labelled, description, "tags", excluded=excluded, total=len(files))


def _remembered(folder: Path, files: list[AudioFile], on_progress: OnProgress | None) -> Iterator[Tags | str]:
    """The tags of each file, or why it cannot be opened; read once per file, and again when it has changed."""
    with FileCache(folder, "tags", Tags) as cache:
        for done, tags in enumerate(cache.all(files, _read), start=1):
            yield tags
            if on_progress:
                on_progress(done, len(files))


def _read(path: Path) -> Tags | str:
    try:
        return read_tags(path)
    except AudioError as error:
        return error.reason


def is_library(folder: Path) -> bool:
    """Whether a folder of audio is labelled by tags: most files name a genre, and are in no folder or in one named
    after their artist or album."""
    files = find_audio(folder, [])
    step = max(1, len(files) // SAMPLE)
    sample = files[::step][:SAMPLE]
    by_tags = 0
    for path, name in sample:
        tags = _read(path)
        if isinstance(tags, str) or not tags.genres:
            continue
        *folders, _ = name.split("/")
        by_tags += not folders or _names(folders[0], tags)
    return bool(sample) and by_tags * 2 > len(sample)


def _names(folder: str, tags: Tags) -> bool:
    """Whether a folder is named after the artist or the album, not after a genre."""
    name = folder.casefold()
    if name in {genre.casefold() for genre in tags.genres}:
        return False
    return any(text and text.casefold() in name for text in (tags.artist, tags.album_artist, tags.album))
