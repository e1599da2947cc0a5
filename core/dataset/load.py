"""Loading a dataset for training: scanning, splitting, and computing its spectrograms."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from core.dataset.clip import Clip, DatasetError, ExcerptRule, Excluded, OnNote, OnProgress, searched_seconds
from core.dataset.near_duplicates import with_recordings
from core.dataset.pack import open_clips
from core.dataset.pack_manifest import is_pack
from core.dataset.scan import Scan, check_genres, scan
from core.dataset.settings import AUTO, MOST_COMPARED, LabelSettings, SplitSettings
from core.dataset.split import Split, auto_column, split
from core.dataset.store.extract import OnFeatures, compute_features
from core.dataset.store.feature_set import DiskArray, FeatureSet
from core.dataset.store.feature_store import FeatureStore
from core.features.settings import FrontEndSettings
from core.util.text import printable

Divide = Callable[[list[Clip]], Split]
OnScanned = Callable[[Scan, Split], None]
"""Called with the usable clips and their split before spectrograms are computed, and again afterwards in the rare case
that a clip turned out to be unusable."""


@dataclass(frozen=True)
class Dataset:
    """``split`` holds indices into ``features``; ``excluded`` holds what was left out, with reasons."""

    features: FeatureSet
    split: Split
    excluded: list[Excluded]


def load_dataset(
    data: str | os.PathLike[str],
    front_end: FrontEndSettings,
    split_settings: SplitSettings | None = None,
    *,
    excerpts: ExcerptRule = "first",
    divide: Divide | None = None,
    labels: LabelSettings | None = None,
    index: Path | None = None,
    device: torch.device | str = "cpu",
    store: FeatureStore | None = None,
    on_scanning: OnProgress | None = None,
    on_scanned: OnScanned | None = None,
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> Dataset:
    """Load the folder of music or the feature pack at ``data``.

    The spectrograms stay on disk; ``dataset.features.to(device)`` loads them. A feature pack has its own front end, in
    ``dataset.features.settings``, and its own excerpts; ``front_end`` and ``excerpts`` are ignored then.

    Args:
        excerpts: which parts of a file are used.
        divide: returns the split instead of ``split_settings``, for clips that were divided before.
        labels: where the genres come from; see `core.dataset.scan.scan`.
        index: a table with more columns for the clips.
        device: computes the spectrograms that the store lacks.
        on_scanning, on_scanned, on_features: called with progress, in this order.
        on_note: called with what else a user should know about the data.

    Raises:
        DatasetError: it cannot be trained on; see `core.dataset.scan.scan` and `core.dataset.split.split`.
        UserError: the feature store cannot be written.
    """
    seconds = searched_seconds(front_end.seconds, excerpts)
    found = scan(data, labels=labels, index=index, seconds=seconds, on_progress=on_scanning)
    by_sound = divide is None and _needs_recordings(found.clips, split_settings)
    divide = divide or partial(split, settings=split_settings or SplitSettings())
    divided = divide(found.clips)
    if on_scanned:
        on_scanned(found, divided)
    if on_note:
        for note in [*found.notes, *([] if by_sound else divided.notes)]:
            on_note(note)
    features, failed = load_features(
        found, front_end, excerpts=excerpts, device=device, store=store, on_features=on_features, on_note=on_note
    )
    if failed:
        check_genres(features.genres, printable(found.root))
        found = replace(found, clips=features.clips, excluded=found.excluded + failed, genres=features.genres)
        divided = divide(found.clips)
        if on_scanned:
            on_scanned(found, divided)
    if by_sound:
        features = with_recordings(features)
        divided = divide(features.clips)
        if on_scanned:
            on_scanned(replace(found, clips=features.clips), divided)
        if on_note:
            for note in divided.notes:
                on_note(note)
    return Dataset(features, divided, found.excluded)


def _needs_recordings(clips: list[Clip], settings: SplitSettings | None) -> bool:
    """Whether the split is grouped by recordings that sound alike, which needs spectrograms."""
    automatic = settings is not None and settings.protocol == "grouped" and settings.groups == AUTO
    return automatic and auto_column(clips) is None and len(clips) <= MOST_COMPARED


def load_features(
    found: Scan,
    front_end: FrontEndSettings,
    *,
    excerpts: ExcerptRule = "first",
    device: torch.device | str = "cpu",
    store: FeatureStore | None = None,
    on_features: OnFeatures | None = None,
    on_note: OnNote | None = None,
) -> tuple[FeatureSet, list[Excluded]]:
    """The spectrograms of a scanned folder, or those of a feature pack with its own front end.

    Also returns the clips that turned out to be unusable (see `compute_features`); a pack has none.

    Raises:
        DatasetError: the pack is damaged.
        UserError: the feature store cannot be written.
    """
    if is_pack(found.root):
        features = open_clips(found.root, found.clips)
        if isinstance(features.mel, DiskArray) and (damaged := features.mel.damaged()):
            name = found.clips[int(features.excerpts.clip_R[damaged[0]])].name
            raise DatasetError(
                f"The feature pack {printable(found.root)} is damaged: the checksums of {len(damaged)} of its "
                f"{len(features.mel)} spectrograms are wrong, {name}'s first; make it again."
            )
        return features, []
    return compute_features(
        found.clips, front_end, excerpts=excerpts, device=device, store=store, on_progress=on_features, on_note=on_note
    )
