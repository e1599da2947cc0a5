"""The confusion matrix: headings that tell genres apart, cells that are in view, clips behind a cell."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.support import example_run
from tests.support.pilot import text, until, until_shown
from tui.app import GenreApp
from tui.charts.confusion import ConfusionView, abbreviations

SCRIPTS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=40)


@given(st.lists(SCRIPTS, unique=True, max_size=60), st.integers(4, 20))
def test_every_heading_is_different_and_fits(names: list[str], width: int) -> None:
    shorts = abbreviations(names, width)
    assert len(set(shorts)) == len(names)
    assert all(cell_len(short) <= width for short in shorts)


@pytest.mark.parametrize(
    ("names", "width", "shorts"),
    [
        (["hip_hop", "hip_rock", "jazz"], 4, ["hi_h", "hi_r", "jazz"]),
        (["genre number 1", "genre number 12", "genre number 23"], 5, ["gen1", "gen12", "gen 2"]),
        (["classical", "country"], 4, ["clas", "coun"]),
    ],
)
def test_what_tells_names_apart_is_kept(names: list[str], width: int, shorts: list[str]) -> None:
    assert abbreviations(names, width) == shorts


def with_genres(folder: Path, genres: list[str]) -> Path:
    return example_run.write_run(folder / "run", example_run.with_genres(genres))


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_headings_stay_while_fifty_genres_scroll(tmp_path: Path, size: tuple[int, int], ascii: bool) -> None:
    genres = [f"{name}{'-x' * 18}{n}"[:40] for n, name in enumerate(["rock", "jazz", "pop", "folk", "dub"] * 10)]
    run = with_genres(tmp_path, [f"{n:02d}{name}"[:40] for n, name in enumerate(genres)])
    async with GenreApp(run.parent, watch=run, ascii=ascii).run_test(size=size) as pilot:
        await until_shown(pilot, "test 78.0%")
        view = next(view for view in pilot.app.screen.query(ConfusionView))
        while not any(view.has_focus for view in pilot.app.screen.query(ConfusionView)):
            await pilot.press("tab")
        view = next(view for view in pilot.app.screen.query(ConfusionView) if view.has_focus)
        await pilot.press("plus", "end")
        await until(pilot, lambda: view.cursor == (49, 49))
        await until_shown(pilot, "49dub", "8 of 8 49dub", "predicted as 49dub")
        assert "00rock" not in text(pilot).replace("8 of 8", "")


async def test_a_cell_lists_its_clips_and_escape_comes_back(tmp_path: Path) -> None:
    run = with_genres(tmp_path, ["ジャズ", "ロック", "クラシック音楽"])
    async with GenreApp(run.parent, watch=run).run_test(size=(200, 60)) as pilot:
        await until_shown(pilot, "test 78.0%")
        view = pilot.app.screen.query_one("#beside-confusion", ConfusionView)
        view.focus()
        await pilot.press("right", "right")
        await until_shown(pilot, "2 of 10 ジャズ predicted as クラシック音楽")
        await pilot.press("enter")
        await until_shown(pilot, "[mistakes]", "test: ジャズ → クラシック音楽", "0.wav", "1.wav")
        await pilot.press("escape")
        await until(pilot, lambda: view.has_focus)


async def test_escape_in_classify_comes_back_to_the_clips(tmp_path: Path) -> None:
    run = with_genres(tmp_path, ["a", "b"])
    app = GenreApp(run.parent, watch=run)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "test 78.0%")
        await app.classify_paths([])
        await until(pilot, lambda: app.current_mode == "classify")
        await pilot.press("escape")
        await until(pilot, lambda: app.current_mode == "watch")
        await pilot.press("3", "escape")
        await until(pilot, lambda: app.current_mode == "classify")
