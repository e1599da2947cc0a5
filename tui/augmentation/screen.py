"""The Augmentation screen: a recipe's effects on a clip as spectrograms, to be played and written to files."""

from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from core.features.settings import EFFECTS, AugmentationSettings, effects_of, range_of
from core.training.presets import preset
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from core.util.text import counted
from tui.augmentation.worker import Answer, Play, Playing, Request, Show, Shown, Write, Written
from tui.formatting import shortened, shown
from tui.shell.base import BaseApp
from tui.shell.mode_screen import ModeScreen
from tui.shell.panels import frame, key_of
from tui.widgets.spectrogram_view import Image, shading_of, spectrogram_with_axes
from tui.widgets.text import TextLines, clipped

NARROWEST, LOWEST = 36, 5
"""Minimum cells and rows of a spectrogram with its caption."""
MOST_COLUMNS = 4
FRAME, FEWEST_NAME = 8, 12
"""Cells of a row that the frame takes from its title; cells of a clip's name at least."""
KEYS = {"next": "next clip", "seed": "again", "play": "play", "write": "write"}
"""In the border."""


class EffectPicture(Widget, can_focus=True):
    """A caption line and the spectrogram below it."""

    app: BaseApp

    def __init__(self, effect: str, settings: AugmentationSettings) -> None:
        super().__init__()
        self.effect = effect
        self.playing = False
        self._settings = settings
        self._image: Image | None = None

    def show(self, image: Image) -> None:
        self._image = image
        self.refresh()

    def mark_playing(self, playing: bool) -> None:
        if playing != self.playing:
            self.playing = playing
            self.refresh()

    def about(self) -> str:
        """``50%, ±2 semitones``."""
        if self.effect not in EFFECTS:
            return "effects together" if self.effect == "all" else "unchanged"
        probability = getattr(self._settings, self.effect)
        text = f"{probability * 100:g}%, {range_of(self.effect, self._settings)}"
        return text.replace("±", "+/-") if self.app.ascii else text

    def render(self) -> Content:
        width, height = self.size
        line = Content.assemble(
            ("▸ " if self.has_focus else "  ", "$footer-key-foreground"),
            ("♪ " if self.playing else "", "$good"),
            (self.effect.replace("_", " "), "bold"),
            (f" {self.about()}", "$text-muted"),
        )
        caption = clipped(line, width)
        if self._image is None or height < 2:
            return caption
        lines = spectrogram_with_axes(self._image, width, height - 1, self.app.palette, shading_of(self.app))
        return Content("\n").join([caption, *lines])

    def on_resize(self) -> None:
        if self.has_focus:
            self.scroll_visible(animate=False)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


class EffectGrid(Container):
    """As many columns of spectrograms as fit, filling the height; scrolls if they would be too low.

    ``columns`` is how many there are now.
    """

    columns = 1

    def on_resize(self) -> None:
        pictures = len(self.query(EffectPicture))
        self.columns = max(1, min(MOST_COLUMNS, pictures, (self.size.width + 2) // (NARROWEST + 2)))
        rows = -(-pictures // self.columns)
        self.styles.grid_size_columns = self.columns
        self.styles.grid_rows = str(max(min(LOWEST, self.size.height), self.size.height // rows, 1))


STAND_IN = "best"
"""The preset shown in place of one without augmentation."""


class AugmentationScreen(ModeScreen):
    MODE = "runs"
    HELP = (
        "What training does to a clip before the network sees it: each effect by itself, and all together. Here every "
        "effect is always applied; in training, with the probability shown."
    )
    CSS_PATH = "../styles/augmentation.tcss"
    BINDINGS: ClassVar = [
        Binding("]", "clip(1)", "next clip", id="augmentation.next", tooltip="A clip of the next genre"),
        Binding(
            "[",
            "clip(-1)",
            "previous clip",
            show=False,
            id="augmentation.before",
            tooltip="A clip of the previous genre",
        ),
        Binding("r", "seed", "again", id="augmentation.seed", tooltip="Again with other amounts, from another seed"),
        Binding("p,enter", "play", "play", id="augmentation.play", tooltip="Play the selected effect, or stop"),
        Binding("w", "write", "write", id="augmentation.write", tooltip="Write images and sounds to files"),
        Binding("escape", "leave_pictures", "back", id="augmentation.back", tooltip="Back to the form"),
        Binding("left", "move(-1)", "previous effect", show=False, key_display="←"),
        Binding("right", "move(1)", "next effect", show=False, key_display="→"),
        Binding("up", "move_row(-1)", "effect above", show=False, key_display="↑"),
        Binding("down", "move_row(1)", "effect below", show=False, key_display="↓"),
    ]

    def __init__(self, data: Path, chosen: str, augmentation: AugmentationSettings | None = None) -> None:
        """
        Args:
            data: a dataset that can be trained on.
            chosen: the preset's name.
            augmentation: instead of the preset's.
        """
        super().__init__()
        wanted = augmentation or preset(chosen, "").augmentation
        has_effects = bool(effects_of(wanted))
        self.preset = chosen if has_effects else STAND_IN
        self.settings = wanted if has_effects else preset(STAND_IN, "").augmentation
        self._stands_in = not has_effects
        is_changed = has_effects and wanted != preset(chosen, "").augmentation
        self._source = f"{self.preset}, changed" if is_changed else self.preset
        self._place = self._seed = 0
        self._shown: Shown | None = None
        self._saying = Content("")
        self._silence: Timer | None = None
        self._process: JsonlProcess[Request, Answer] = JsonlProcess(
            "tui.augmentation.worker",
            Answer,
            lambda answer, request: self.call_later(self._answered, answer),
            arguments=[path_to_json(data), path_to_json(Path("preview"))],
            crashed="the preview process ended unexpectedly; try again",
        )

    def compose_body(self) -> ComposeResult:
        yield TextLines(id="head")
        with EffectGrid(id="pictures", classes="panel"):
            effects = effects_of(self.settings)
            for effect in ("original", *effects, *(["all"] if len(effects) > 1 else [])):
                yield EffectPicture(effect, self.settings)

    def on_mount(self) -> None:
        self.query(EffectPicture).first().focus()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())
        self._ask_for_clip("Loading PyTorch, which takes some seconds …")

    def on_unmount(self) -> None:
        self._process.close()

    # Messages from the process

    def _ask_for_clip(self, meanwhile: str) -> None:
        self._say(Content.styled(meanwhile, "$text-muted"))
        self._process.ask(Show(self._place, self.preset, self._seed, self.settings))

    def _answered(self, answer: Answer | Refused) -> None:
        match answer:
            case Shown():
                self._shown = answer
                for picture in answer.pictures:
                    self._picture(picture.effect).show(
                        Image(picture.bands, picture.levels, picture.hz, picture.seconds)
                    )
                self._mark_playing("")
                self._say(Content(""))
            case Playing(effect, seconds):
                self._mark_playing(effect, seconds)
                self._say(Content(""))
            case Written(folder, files):
                written = f"✓ {counted(files, 'file')} in "
                self._say(Content.styled(written + shown(Path(folder), self.size.width - len(written) - 4), "$good"))
            case Refused(error):
                self._say(Content.styled(f"! {error}", "$warn"))

    def _picture(self, effect: str) -> EffectPicture:
        return next(picture for picture in self.query(EffectPicture) if picture.effect == effect)

    def _mark_playing(self, effect: str, seconds: float = 0.0) -> None:
        if self._silence is not None:
            self._silence.stop()
        for picture in self.query(EffectPicture):
            picture.mark_playing(picture.effect == effect)
        self._silence = self.set_timer(seconds, lambda: self._mark_playing("")) if effect else None

    # The head

    def _say(self, line: Content) -> None:
        self._saying = line
        self._show_head()

    def _show_head(self) -> None:
        lines = [self._saying if self._saying.plain else self._explanation()]
        if self.app.height_class == "tall" and self._stands_in:
            lines.insert(0, self._why_another())
        self.query_one("#head", TextLines).show(lines)
        hints = [(key_of(self, f"augmentation.{name}"), what) for name, what in KEYS.items()]
        frame(self.query_one("#pictures"), self._title(), hints)

    def _title(self) -> str:
        """The clip, shortened so that the rest is whole: its place, its length, the recipe and the seed."""
        if (now := self._shown) is None:
            return f"Augmentation of {self._source}"
        sound = "" if now.has_sound else " · from a feature pack, without audio"
        place = f"{now.request.place % now.clips + 1:,} of {now.clips:,}"
        rest = f" · {place} · first {now.seconds:.3g} s · {self._source} · seed {now.request.seed}{sound}"
        return shortened(now.clip, max(FEWEST_NAME, self.size.width - FRAME - cell_len(rest))) + rest

    def _explanation(self) -> Content:
        if self.app.height_class != "tall" and self._stands_in:
            return self._why_another()
        text = "% is the probability in training."
        if self.settings.mixup:
            text += f" Mixup ({self.settings.mixup * 100:g}%) is not shown."
        return Content.styled(text, "$text-muted")

    def _why_another(self) -> Content:
        return Content(f"This recipe has no augmentation. Shown is that of the preset {self.preset}.")

    # Size

    def on_resize(self) -> None:
        super().on_resize()
        self._show_head()

    def _redraw(self) -> None:
        for picture in self.query(EffectPicture):
            picture.refresh()

    # Keys

    def action_move(self, by: int) -> None:
        pictures = list(self.query(EffectPicture))
        here = next((place for place, picture in enumerate(pictures) if picture.has_focus), 0)
        pictures[max(0, min(len(pictures) - 1, here + by))].focus()

    def action_move_row(self, by: int) -> None:
        self.action_move(by * self.query_one(EffectGrid).columns)

    def action_clip(self, by: int) -> None:
        self._place = max(0, self._place + by)
        self._ask_for_clip("Drawing …")

    def action_seed(self) -> None:
        self._seed += 1
        self._ask_for_clip("Drawing …")

    def action_play(self) -> None:
        chosen = next((picture for picture in self.query(EffectPicture) if picture.has_focus), None)
        if self._shown is None or chosen is None:
            return
        if not chosen.playing:
            self._say(Content.styled("Computing the sound …", "$text-muted"))
        self._process.ask(Play("" if chosen.playing else chosen.effect))

    def action_write(self) -> None:
        if self._shown is not None:
            self._say(Content.styled("Computing the sounds and writing files …", "$text-muted"))
            self._process.ask(Write())

    def action_leave_pictures(self) -> None:
        self.dismiss()
