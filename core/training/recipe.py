"""The recipe: all settings that affect the result of a run, as a typed, serialisable struct. Imports no torch.

It is stored in the run folder, in every checkpoint and in the first event of the journal.
"""

import math
from typing import Literal

import msgspec

from core.dataset.clip import MOST_EXCERPTS, ExcerptRule
from core.dataset.settings import LabelSettings
from core.dataset.settings import SplitSettings as SplitSettings
from core.features.settings import AugmentationSettings, EncoderSettings, FrontEndSettings, effects_of
from core.models.registry import FEWEST_FRAMES, needs_encoder
from core.runs.folder import MOST_EPOCHS

HIGHEST_SEED = 2**63 - 1
"""The largest seed that every random number generator supports."""
NOT_OPTIONS = ("name", "n_mels", "genres", "frames", "frame_seconds", "embedding")
"""Constructor arguments that are not options, because they follow from the front end and the dataset."""


class OptimiserSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Literal["adam", "adamw"] = "adam"
    """The optimiser; adamw decays the weights apart from the gradient."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 1e-5
    """Pull of the weights towards zero."""
    schedule: Literal["constant", "cosine"] = "constant"
    """How the learning rate develops after the warm-up: constant, or down to zero along half a cosine."""
    warmup: float = 0.0
    """Fraction of all steps over which the learning rate rises linearly from zero."""
    label_smoothing: float = 0.0
    """Share of each target that is spread evenly over all genres, from 0 to below 1."""
    weight_average: float = 0.0
    """Decay of the exponential moving average of the weights, which is what is evaluated and saved; 0 turns it off."""

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be a number above 0, not {self.learning_rate}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be a number of at least 0, not {self.weight_decay}")
        for name in ("warmup", "label_smoothing", "weight_average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, not {getattr(self, name)}")


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: str
    """A folder of music, or a feature pack."""
    preset: str = "seed"
    """The preset this recipe started from, for information only."""
    model: str = "seed_cnn"
    """The network's architecture."""
    model_options: dict[str, int | float | str | bool] = {}
    """Keyword arguments of the network's constructor."""
    labels: LabelSettings = LabelSettings()
    """Where the genres come from."""
    front_end: FrontEndSettings = FrontEndSettings()
    """From waveform to log-mel spectrogram."""
    encoder: EncoderSettings | None = None
    """The pretrained encoder whose embeddings the network is given, beside the spectrogram."""
    excerpts: ExcerptRule = "first"
    """Which parts of each file are used, of front_end.seconds each: ``first``, ``middle``, or a number of excerpts at
    most, spread over the file. Files shorter than one and a half excerpts give their beginning."""
    split: SplitSettings = SplitSettings()
    """How the clips are divided into training, validation and test."""
    optimiser: OptimiserSettings = OptimiserSettings()
    """How the weights are changed."""
    augmentation: AugmentationSettings = AugmentationSettings()
    """Random changes of the training crops."""
    epochs: int = 20
    """Passes over the training clips."""
    batch_size: int = 16
    """Clips, or crops of clips, per optimiser step."""
    crop_seconds: float | None = None
    """Length of the random crops to train on; None trains on whole clips."""
    least_crop_frames: int = 0
    """Crops are no shorter than this: a front end of long frames gets longer crops than ``crop_seconds``, as far as
    the clips last. 0 takes ``crop_seconds`` as it is."""
    fit_seconds: float | None = None
    """Length of the windows that experts over statistics are fitted to: at least that of the crops, at most that of
    the clips. None takes the crops'."""
    choose_windows: bool = False
    """Whether crops of 3 s, and the training settings that suit them, replace those of the recipe if experts over
    statistics are better with them on the training clips. Where one of these settings was changed, all stay."""
    weigh_after: float = 0.0
    """Fraction of the epochs in which a network with experts does not train on a fifth of the training clips;
    then its weight beside the experts is chosen on them. 0, and a fifth of fewer than 400 clips, leave the default."""
    crops_per_clip: int = 1
    """Random crops of each clip per epoch, each from one of its excerpts."""
    crops_per_epoch: int = 0
    """Fewest crops in an epoch: where crops_per_clip gives fewer, each clip has more, so that a small dataset does not
    end training after few steps. 0 takes crops_per_clip as it is."""
    test_crops: int = 1
    """Evenly spaced crops of each clip whose logits are averaged in validation and test; at least one per excerpt."""
    balance: str | None = None
    """Metadata column (artist, say) to balance by: each clip of a group of n is drawn 1 / √n times as often as a clip
    on its own. Clips without a value are groups of their own."""
    patience: int | None = None
    """Epochs without better validation accuracy (or equal accuracy and lower loss) after which training ends early;
    None trains all epochs."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the forward and backward pass; the weights are float32."""
    seed: int = 0
    """Seed of the weights, the order of the clips and the crops; the split has its own."""
    device: str = "auto"
    """Device that trains: auto, cpu, cuda, cuda:N or mps."""
    processes: int = 1
    """Processes that share every batch, one per GPU; they change the speed, not the result."""
    plain: bool = False
    """Train without optimisations (float32, default memory format and kernels): the reference for every speed-up."""
    spectrograms: bool = True
    """Whether a picture of every clip's spectrogram is saved."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "crops_per_clip", "test_crops", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.seed <= HIGHEST_SEED:
            raise ValueError(f"seed must be from 0 to {HIGHEST_SEED}, not {self.seed}")
        if self.epochs > MOST_EPOCHS:
            raise ValueError(f"epochs must be at most {MOST_EPOCHS:,}, not {self.epochs:,}")
        if self.crops_per_epoch < 0:
            raise ValueError(f"crops_per_epoch must be at least 0, not {self.crops_per_epoch:,}")
        if self.least_crop_frames < 0:
            raise ValueError(f"least_crop_frames must be at least 0, not {self.least_crop_frames}")
        longest = math.inf if self.least_crop_frames else self.front_end.seconds
        if self.crop_seconds is not None and not 0 < self.crop_seconds <= longest:
            raise ValueError(f"crop_seconds must be above 0 and at most {self.front_end.seconds:g}, the clip length")
        if self.fit_seconds is not None and not 0 < self.fit_seconds < math.inf:
            raise ValueError(f"fit_seconds must be a number above 0, not {self.fit_seconds:g}")
        if not 0 <= self.weigh_after <= 1:
            raise ValueError(f"weigh_after must be from 0 to 1, not {self.weigh_after:g}")
        if self.input_frames < FEWEST_FRAMES:
            shortest = FEWEST_FRAMES * self.front_end.hop_length / self.front_end.sample_rate
            cropped = self.crop_seconds is not None and self.input_frames < self.front_end.frames
            what = "crop_seconds" if cropped else "front_end.seconds"
            raise ValueError(f"{what} must be at least {shortest:.3g}, {FEWEST_FRAMES} frames of this front end")
        if isinstance(self.excerpts, int) and not 1 <= self.excerpts <= MOST_EXCERPTS:
            raise ValueError(f"excerpts must be from 1 to {MOST_EXCERPTS}, first or middle, not {self.excerpts}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or null to train to the end, not {self.patience}")
        if needs_encoder(self.model) != (self.encoder is not None):
            what = "needs an encoder: name one with --encoder" if self.encoder is None else "takes no encoder"
            raise ValueError(f"the model {self.model} {what}")
        if self.encoder is not None and self.encoder.sample_rate != self.front_end.sample_rate:
            raise ValueError(f"front_end.sample_rate must be {self.encoder.sample_rate}, the encoder's")
        if self.encoder is not None and (effects_of(self.augmentation) or self.augmentation.mixup):
            raise ValueError("augmentation is of spectrograms, and cannot be combined with an encoder")
        for name, value in self.model_options.items():
            if name in NOT_OPTIONS:
                raise ValueError(f"model_options cannot have {name}: it follows from the front end and the dataset")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"model_options.{name} must be a number, not {value}")

    def crops_of_each(self, clips: int) -> int:
        """Crops of each of ``clips`` training clips per epoch."""
        return max(self.crops_per_clip, math.ceil(self.crops_per_epoch / clips))

    @property
    def input_frames(self) -> int:
        """Frames of the network's input, in training and inference."""
        if self.crop_seconds is None:
            return self.front_end.frames
        frames = self.front_end.frames_in(self.crop_seconds)
        return min(self.front_end.frames, max(frames, self.least_crop_frames)) if self.least_crop_frames else frames

    @property
    def fit_frames(self) -> int:
        """Frames of the windows that experts over statistics are fitted to."""
        if self.fit_seconds is None:
            return self.input_frames
        return min(self.front_end.frames, max(self.input_frames, self.front_end.frames_in(self.fit_seconds)))


def to_dict(recipe: Recipe) -> dict[str, object]:
    """Convert to plain values, for JSON and checkpoints."""
    plain: dict[str, object] = msgspec.to_builtins(recipe)
    return plain


def from_dict(plain: object) -> Recipe:
    """Convert from plain values. Recipes of version 0.1 have no labels: genres are the folders in the dataset.

    Raises:
        msgspec.ValidationError: a field is unknown, missing or of the wrong type; the message names it.
    """
    if isinstance(plain, dict) and "labels" not in plain:
        plain = plain | {"labels": {"source": "flat"}}
    return msgspec.convert(plain, Recipe)
