"""The pictures in the README, made from real runs: ``python -m tools.pictures DATA [--out docs] [--epochs 20]``.

Two runs are trained on DATA (a folder of genres); the app shows the second while it trains and when it has finished,
both compared, the list of runs, one clip of each genre classified by its model, and doubtful labels. The home folder is
a temporary one, so that no path of this machine is in a picture. Needs ``rsvg-convert`` (librsvg).
"""

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from PIL import Image
from textual.pilot import Pilot

from core.runs.directory import create
from core.runs.folder import RunFolder, dataset_name
from core.runs.journal.state import RunState
from core.runs.launch import launch
from core.training.presets import preset
from core.training.recipe import to_dict
from tools.screen_svg import redrawn
from tui.app import GenreApp
from tui.classify.results import ResultList
from tui.label.panels import ClipTable
from tui.label.screen import LabelScreen
from tui.shell.settings import Settings

SIZE = (120, 40)
COLOURS = 96
"""In a picture's palette: a quarter of the bytes of true colour, and no difference to see."""
SEEN_AT = 0.7
"""The share of its epochs after which the running run is looked at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    given, out = args.data.absolute(), args.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"HOME": home, "XDG_STATE_HOME": f"{home}/.state", "XDG_CONFIG_HOME": f"{home}/.config"}
        os.chdir(home)
        Path(given.parent.name).symlink_to(given.parent)
        data = Path(home, given.parent.name, given.name)
        first = train(data, args.epochs, seed=1)
        wait(first, lambda state: state.end is not None)
        second = train(data, args.epochs, seed=0)
        wait(second, lambda state: state.epochs_done >= SEEN_AT * args.epochs)
        asyncio.run(picture(out / "watch", watch=second))
        wait(second, lambda state: state.end is not None)
        asyncio.run(picture(out / "report", watch=second))
        asyncio.run(picture(out / "confusion", watch=second, keys="tab tab tab"))
        asyncio.run(picture(out / "runs"))
        asyncio.run(picture(out / "compare", compare=[first, second]))
        clips = [sorted(genre.iterdir())[0] for genre in sorted(data.iterdir())]
        asyncio.run(picture(out / "classify", classify=clips, model=second / "best_model.pth"))
        asyncio.run(picture(out / "label", label=data, keys="down down"))


def train(data: Path, epochs: int, *, seed: int) -> Path:
    recipe = msgspec.structs.replace(preset("quick", str(data)), epochs=epochs, seed=seed)
    run = create(Path("runs"), to_dict(recipe), dataset_name(data), recipe.model)
    launch(run)
    return run.path


def wait(run: Path, until: Callable[[RunState], bool]) -> None:
    while not until(state := RunFolder(run).state()):
        if state.alive is False:
            raise SystemExit(f"{run} ended: {state.end_message or state.status}")
        time.sleep(1)


async def picture(
    place: Path,
    *,
    watch: Path | None = None,
    compare: list[Path] | None = None,
    classify: list[Path] | None = None,
    model: Path | None = None,
    label: Path | None = None,
    keys: str = "",
) -> None:
    """One screenshot as ``place``.png."""
    app = GenreApp(Path("runs"), watch=watch, settings=Settings(theme="dark"))
    async with app.run_test(size=SIZE) as pilot:
        if compare:
            await app.compare_runs(compare)
        if classify:
            await app.classify_paths(classify, model)
            results = app.screen.query_one(ResultList)
            await reached(lambda: [sound.state for sound in results.sounds] == ["classified"] * len(classify))
        if label:
            screen = await app.show_mode("label")
            assert isinstance(screen, LabelScreen)
            screen.open_dataset(label)
            await reached(lambda: bool(screen.query_one(ClipTable).clips))
        await at_rest(pilot, 2)
        await pilot.press(*keys.split())
        await at_rest(pilot, 3 if label else 1)
        svg = place.with_suffix(".svg")
        svg.write_text(redrawn(app.export_screenshot(title="genre-tui")), encoding="utf-8")
    png = place.with_suffix(".png")
    subprocess.run(["rsvg-convert", "-o", png, svg], check=True)
    Image.open(png).convert("RGB").quantize(COLOURS).save(png, optimize=True)
    svg.unlink()


async def reached(condition: Callable[[], bool]) -> None:
    """A worker process loads models and computes features beside the screen."""
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.2)


async def at_rest(pilot: Pilot[None], seconds: float) -> None:
    """Journals are read and models loaded beside the screen."""
    await asyncio.sleep(seconds)
    await pilot.pause()


if __name__ == "__main__":
    main()
