"""``python -m tui.augmentation.worker DATA OUT``: shows, plays and writes what an augmentation does.

``DATA`` is a folder of genres or a feature pack, ``OUT`` where `Write` makes a folder; both as `path_to_json` gives
them. The protocol is that of `core.util.jsonl_process`.
"""

import sys
import tempfile
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.features.settings import AugmentationSettings, effects_of
from core.training.presets import preset
from core.util.errors import UserError, reason
from core.util.jsonl_process import WorkerChannel, path_from_json
from core.util.parallel import tune_process

if TYPE_CHECKING:
    from core.dataset.clip import Clip
    from core.features.augment import AugmentPreview
    from core.training.recipe import Recipe


class Show(msgspec.Struct, frozen=True, tag_field="kind", tag="show"):
    """A clip under each effect of a preset, or of other settings."""

    place: int
    """The first clip of every genre, then the second of every genre, …; beyond the last, the first again."""
    preset: str
    seed: int
    augmentation: AugmentationSettings | None = None
    """Instead of the preset's."""


class Play(msgspec.Struct, frozen=True, tag_field="kind", tag="play"):
    """Play what was shown last, after one effect; an empty name stops."""

    effect: str


class Write(msgspec.Struct, frozen=True, tag_field="kind", tag="write"):
    """Write pictures and sounds of what was shown last."""


Request = Show | Play | Write


class Picture(msgspec.Struct, frozen=True):
    """``levels`` is [bands, frames] bytes, low bands first."""

    effect: str
    bands: int
    levels: bytes
    hz: list[float] = []
    seconds: float = 0.0


class Shown(msgspec.Struct, frozen=True, tag_field="kind", tag="shown"):
    request: Show
    clip: str
    """Its name, with its genre."""
    clips: int
    seconds: float
    has_sound: bool
    """False for a feature pack, which holds no audio."""
    pictures: list[Picture]


class Playing(msgspec.Struct, frozen=True, tag_field="kind", tag="playing"):
    effect: str
    seconds: float


class Written(msgspec.Struct, frozen=True, tag_field="kind", tag="written"):
    folder: str
    files: int


Answer = Shown | Playing | Written

SECONDS = 8.0
"""Seconds shown of a clip if the recipe trains on whole clips."""


class AugmentationWorker:
    """Answers one question after the other."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out = data, out
        self.clips: list[tuple[int, Clip]] = []
        """With their indices in the dataset: the first clip of each genre, then the second of each genre, …"""
        self.pack: Path | None = None
        self.shown: dict[str, AugmentPreview] = {}
        self.folder = out
        self._player: Any = None

    def _scan(self) -> None:
        from core.dataset.pack_manifest import is_pack
        from core.dataset.scan import scan

        found = scan(self.data)
        genres = [[(i, clip) for i, clip in enumerate(found.clips) if clip.genre == genre] for genre in found.genres]
        self.clips = [pair for pair in chain(*zip_longest(*genres)) if pair]
        self.pack = self.data if is_pack(self.data) else None

    def answer(self, request: Request) -> Answer:
        match request:
            case Show():
                return self._show(request)
            case Play(effect):
                return self._play(effect)
            case Write():
                return self._write()

    def _show(self, request: Show) -> Shown:
        from core.features.log_mel import mel_frequencies, quantise

        if not self.clips:
            self._scan()
        index, clip = self.clips[request.place % len(self.clips)]
        recipe = preset(request.preset, "")
        if request.augmentation is not None:
            recipe = msgspec.structs.replace(recipe, augmentation=request.augmentation)
        seconds = min(recipe.crop_seconds or SECONDS, clip.duration_s)
        seen = self._previews(index, clip, recipe, seconds, request.seed)
        self.shown = {one.effect: one for one in seen}
        name = clip.name if clip.name.startswith(clip.genre) else f"{clip.genre} {clip.name}"
        self.folder = self.out / f"{name}-{request.preset}-{request.seed}".replace("/", "_").replace(" ", "-")
        pictures = [
            Picture(
                one.effect,
                len(one.mel_MT),
                quantise(one.mel_MT, one.front_end.top_db).numpy().tobytes(),
                mel_frequencies(one.front_end).tolist(),
                one.mel_MT.shape[1] * one.front_end.frame_seconds,
            )
            for one in seen
        ]
        return Shown(request, name, len(self.clips), seconds, self.pack is None, pictures)

    def _previews(
        self, index: int, clip: "Clip", recipe: "Recipe", seconds: float, seed: int
    ) -> "list[AugmentPreview]":
        from core.features.augment import augment_preview, augment_preview_of_mel

        effects = effects_of(recipe.augmentation)
        if self.pack is not None:
            from core.dataset.pack import open_pack

            features = open_pack(self.pack)
            mel_MT = features.as_decibels(features.batch([index])[0])[:, : features.settings.frames_in(seconds)]
            return augment_preview_of_mel(mel_MT, features.settings, recipe.augmentation, effects, seed)
        from core.audio.conversion import resample
        from core.audio.files.decode import decode

        wave_N, rate = decode(clip.path, duration=seconds)
        wave_N = resample(wave_N, rate, recipe.front_end.sample_rate)
        return augment_preview(wave_N, recipe.front_end, recipe.augmentation, effects, seed)

    def _play(self, effect: str) -> Playing:
        from core.audio.playback import Player

        self._player = self._player or Player()
        self._player.stop()
        if not effect:
            return Playing("", 0.0)
        self._sounds()
        from core.reports.spectrograms import write_sound

        preview = self.shown[effect]
        with tempfile.TemporaryDirectory() as folder:  # the player keeps what it has opened
            self._player.play(write_sound(Path(folder), preview))
        return Playing(effect, preview.mel_MT.shape[1] * preview.front_end.hop_length / preview.front_end.sample_rate)

    def _sounds(self) -> None:
        if self.pack is not None:
            raise UserError("A feature pack holds no audio, so there is nothing to hear.")

    def _write(self) -> Written:
        from core.reports.spectrograms import write_picture, write_sound

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files = [write_picture(self.folder, seen) for seen in self.shown.values()]
            if self.pack is None:
                files += [write_sound(self.folder, preview) for preview in self.shown.values()]
        except OSError as error:
            raise UserError(f"{self.folder} cannot be written: {reason(error).lower()}.") from error
        return Written(str(self.folder), len(files))


def main() -> None:
    tune_process()
    data, out = map(path_from_json, sys.argv[1:])
    WorkerChannel().serve(Request, AugmentationWorker(data, out).answer)


if __name__ == "__main__":
    main()
