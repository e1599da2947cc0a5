"""Four themes, each with the palette for charts and states.

Colour never carries information alone: states have symbols and names, series have markers. A palette's colours are
strings that CSS and Textual's ``Content`` understand; CSS has those of `ROLES` as ``$accent``, ``$train`` and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.theme import Theme

# The colour maps of matplotlib (van der Walt & Smith 2015, CC0), in sixteen steps.
MAGMA = (
    "#000004",
    "#0b0924",
    "#20114b",
    "#3b0f70",
    "#57157e",
    "#721f81",
    "#8c2981",
    "#a8327d",
    "#c43c75",
    "#de4968",
    "#f1605d",
    "#fa7f5e",
    "#fe9f6d",
    "#febf84",
    "#fddea0",
    "#fcfdbf",
    "",
)
VIRIDIS = (
    "#440154",
    "#481a6c",
    "#472f7d",
    "#414487",
    "#39568c",
    "#31688e",
    "#2a788e",
    "#23888e",
    "#1f988b",
    "#22a884",
    "#35b779",
    "#54c568",
    "#7ad151",
    "#a5db36",
    "#d2e21b",
    "#fde725",
    "",
)


ROLES = ("train", "val", "running", "good", "warn", "bad", "faint")


@dataclass(frozen=True)
class Palette:
    """Colours with a meaning: one for each role, the same on all screens."""

    train: str
    """Training, and as ``$accent`` the focus, keys and what is chosen."""
    val: str
    running: str
    good: str
    warn: str
    bad: str
    faint: str
    """Rules, hints, raw values behind smoothed ones."""
    series: tuple[str, ...]
    """Eight distinguishable colours, for the runs of a comparison."""
    heat: tuple[str, str]
    """Background of a cell from lowest to highest value, as ``#rrggbb``."""
    right: str
    """Background of clips that were classified correctly: blue or green, as ``#rrggbb``."""
    wrong: str
    """Background of clips that were not: orange or red."""
    spectrogram: tuple[str, ...] = MAGMA
    """Sixteen colours from the lowest to the highest level."""

    @property
    def variables(self) -> dict[str, str]:
        return {"accent": self.train, **{role: getattr(self, role) for role in ROLES}}


DARK = Palette(
    train="#7aa2f7",
    val="#e5b567",
    running="#5fc4c0",
    good="#8fc17d",
    warn="#e59a6f",
    bad="#e8788a",
    faint="#5d6675",
    series=("#7aa2f7", "#e5b567", "#8fc17d", "#e8788a", "#b58fe0", "#5fc4c0", "#e59a6f", "#c3cad6"),
    heat=("#171a20", "#7aa2f7"),
    right="#7aa2f7",
    wrong="#e8788a",
)
LIGHT = Palette(
    train="#2459b3",
    val="#a85a00",
    running="#007a78",
    good="#2d7a38",
    warn="#8f6200",
    bad="#b3263f",
    faint="#9aa1ab",
    series=("#2459b3", "#a85a00", "#2d7a38", "#b3263f", "#7440a8", "#007a78", "#8a4b2a", "#50565f"),
    heat=("#f7f7f5", "#2459b3"),
    right="#2459b3",
    wrong="#b3263f",
)
COLOUR_BLIND = Palette(
    # Okabe & Ito (2008), "Color Universal Design": distinguishable with every common colour vision deficiency.
    train="#56b4e9",
    val="#e69f00",
    running="#cc79a7",
    good="#009e73",
    warn="#f0e442",
    bad="#e66a1f",
    faint="#69707c",
    series=("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#4f8fd0", "#d55e00", "#d0d0d0"),
    heat=("#15171b", "#f0e442"),
    right="#56b4e9",
    wrong="#d55e00",
    spectrogram=VIRIDIS,
)
SIXTEEN = Palette(
    # Names, not values: the terminal's own 16 colours.
    train="ansi_bright_blue",
    val="ansi_bright_yellow",
    running="ansi_bright_cyan",
    good="ansi_green",
    warn="ansi_yellow",
    bad="ansi_red",
    faint="ansi_bright_black",
    series=(
        "ansi_bright_blue",
        "ansi_bright_yellow",
        "ansi_bright_green",
        "ansi_bright_red",
        "ansi_bright_magenta",
        "ansi_bright_cyan",
        "ansi_yellow",
        "ansi_white",
    ),
    heat=("#000000", "#ffffff"),
    right="#0087d7",
    wrong="#d70000",
)

PALETTES: dict[str, Palette] = {"dark": DARK, "light": LIGHT, "colour-blind": COLOUR_BLIND, "16-colour": SIXTEEN}
"""Theme name → palette."""


def _true_colour(
    name: str, palette: Palette, *, dark: bool, background: str, panel: str, foreground: str, muted: str
) -> Theme:
    return Theme(
        name=name,
        dark=dark,
        primary=palette.train,
        secondary=palette.val,
        accent=palette.train,
        success=palette.good,
        warning=palette.warn,
        error=palette.bad,
        background=background,
        surface=background,
        panel=panel,
        foreground=foreground,
        variables={
            **palette.variables,
            "text-muted": muted,
            "block-cursor-background": panel,
            "block-cursor-foreground": foreground,
            "block-cursor-blurred-background": background,
            "block-cursor-blurred-foreground": foreground,
            "footer-key-foreground": palette.train,
            "border": palette.faint,
            "border-blurred": palette.faint,
            "scrollbar": palette.faint,
            "scrollbar-hover": palette.faint,
            "scrollbar-active": palette.train,
            "scrollbar-background": background,
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "scrollbar-corner-color": background,
        },
    )


THEMES = (
    _true_colour("dark", DARK, dark=True, background="#14161b", panel="#262b35", foreground="#d3d8e0", muted="#8d96a5"),
    _true_colour(
        "light", LIGHT, dark=False, background="#fbfbf9", panel="#dfe5ef", foreground="#24282f", muted="#666d78"
    ),
    _true_colour(
        "colour-blind",
        COLOUR_BLIND,
        dark=True,
        background="#121417",
        panel="#2a2e35",
        foreground="#e2e4e8",
        muted="#9aa1ab",
    ),
    Theme(
        name="16-colour",
        ansi=True,
        dark=True,
        primary="ansi_bright_blue",
        secondary="ansi_bright_yellow",
        accent="ansi_bright_blue",
        success="ansi_green",
        warning="ansi_yellow",
        error="ansi_red",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables={
            **SIXTEEN.variables,
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "block-cursor-blurred-foreground": "ansi_default",
            "block-cursor-blurred-background": "ansi_default",
            "footer-key-foreground": "ansi_bright_blue",
            "border": "ansi_bright_black",
            "border-blurred": "ansi_bright_black",
            "scrollbar": "ansi_bright_black",
            "scrollbar-hover": "ansi_bright_black",
            "scrollbar-active": "ansi_white",
            "scrollbar-background": "ansi_default",
            "scrollbar-background-hover": "ansi_default",
            "scrollbar-background-active": "ansi_default",
            "input-cursor-text-style": "reverse",
        },
    ),
)


def palette_for(theme: Theme) -> Palette:
    """The theme's palette; for one of Textual's own themes, the palette that suits its background."""
    return PALETTES.get(theme.name) or (SIXTEEN if theme.ansi else DARK if theme.dark else LIGHT)


def choose_theme(wanted: str, environment: Mapping[str, str], color_system: str | None) -> str:
    """The name of the theme for the setting ``theme``; ``auto`` depends on the terminal.

    ``color_system`` is Rich's; ``standard`` means 16 colours. ``COLORFGBG`` ends in the number of the
    background colour if the terminal sets it; 7 and 15 are white.
    """
    if wanted != "auto":
        return wanted
    if color_system == "standard":
        return "16-colour"
    return "light" if environment.get("COLORFGBG", "").rpartition(";")[2] in {"7", "15"} else "dark"
