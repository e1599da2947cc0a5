"""The split that a dataset gets when nobody asks for one. Imports no torch."""

import msgspec

from core.dataset.clip import DatasetError
from core.dataset.pack_manifest import is_pack
from core.dataset.scan import Scan
from core.dataset.split import auto_column, split
from core.dataset.split_settings import AUTO, SplitSettings, own_split


def default_split(found: Scan, settings: SplitSettings) -> tuple[SplitSettings, str]:
    """What divides the clips of a scan, and one sentence about it; ``settings`` and "" where nothing else suits them.

    A collection's own split counts first. Where the source names artists or albums, each stays in one part, as long
    as every genre is trained on then and every part has clips. Artists in a table beside a folder per genre, and those
    of a feature pack, are for `SplitSettings.groups` only: their random splits are compared with published ones.
    """
    if found.has_split:
        return own_split(settings), "the split is the collection's own; --set split.protocol=random makes another"
    column = auto_column(found.clips)
    if settings != SplitSettings(seed=settings.seed) or column is None or not _names_artists(found):
        return settings, ""
    grouped = msgspec.structs.replace(settings, protocol="grouped", groups=AUTO)
    try:
        parts = split(found.clips, grouped).parts()
    except DatasetError:
        return settings, ""
    if not all(parts.values()) or {found.clips[i].genre for i in parts["train"]} != set(found.genres):
        return settings, ""
    return grouped, f"clips of one {column} stay in one part of the split; --set split.protocol=random ignores them"


def _names_artists(found: Scan) -> bool:
    if found.labels.source in ("folders", "flat"):
        return any(len(clip.path.relative_to(found.root).parts) > 3 for clip in found.clips)
    return not is_pack(found.root)
