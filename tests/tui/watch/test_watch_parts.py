"""What the Watch screen says, as pure functions of a run's state."""

from dataclasses import replace

import pytest
from textual.content import Content

from core.runs.journal import events as ev
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState, Validation
from tests.support import example_run as made_up_run
from tests.support.event_sequences import numbered
from tests.support.example_run import GENRES
from tui import formatting
from tui.charts.genres import Shading, genre_bars, matrix_cell, report_lines, worst_pairs
from tui.watch.lines import progress_line, setup_lines
from tui.watch.row_panes import columns_for
from tui.widgets.run_header import device_strip, run_header

COLOUR = Shading("#000000", right="#00ff00", wrong="#ff0000")
PLAIN = COLOUR._replace(colour=False)


def folded(events: list[ev.Event], *, alive: bool = True) -> RunState:
    return replace(reduce(RunState.empty(), numbered(events)), name="a-run", alive=alive)


def plain(lines: list[Content]) -> str:
    return "\n".join(line.plain for line in lines)


# Header


def test_the_header_names_the_run_its_state_and_its_device() -> None:
    state = folded(made_up_run.midway())
    (line,) = run_header(state, state.time, 118)
    for part in ("gtzan-mini · seed_cnn · ● running · epoch 8/20", "GPU 87%", "1.9/80 GB", "212 W", "54 °C"):
        assert part in line.plain
    assert line.cell_length == 118


@pytest.mark.parametrize("width", [20, 40, 78, 118, 198])
@pytest.mark.parametrize("events", [made_up_run.midway(), made_up_run.whole(), made_up_run.failed()])
def test_no_width_loses_the_state_or_the_epoch(width: int, events: list[ev.Event]) -> None:
    state = folded(events, alive=events[-1].__class__ is ev.BatchProgress)
    lines = run_header(state, state.time, width)
    assert all(line.cell_length <= width for line in lines)
    assert state.status in plain(lines)
    assert f"epoch {state.epoch if state.alive else state.epochs_done}/20" in plain(lines)


def test_silence_is_shown_as_such_and_not_as_a_death() -> None:
    state = folded(made_up_run.midway())
    state.observed = 1000.0
    assert "silent" not in plain(run_header(state, 1005.0, 118))
    assert "running" in plain(run_header(state, 1040.0, 118))
    assert "silent for 40 s" in plain(run_header(state, 1040.0, 118))


def test_damage_to_the_journal_is_counted_in_the_header() -> None:
    state = folded(made_up_run.midway())
    assert "damaged" not in plain(run_header(state, 0.0, 118))
    state.damaged = 2
    assert "2 damaged events" in plain(run_header(state, 0.0, 118))


def test_a_tiny_terminal_has_the_state_first() -> None:
    state = folded(made_up_run.midway())
    first, *others = run_header(state, state.time, 20, short=True)
    assert first.plain.startswith("● running")
    assert all(line.cell_length <= 20 for line in (first, *others))


def test_a_finished_run_says_what_it_reached() -> None:
    state = folded(made_up_run.whole(), alive=False)
    assert "best 90.0%" in plain(run_header(state, 0.0, 118))
    assert "test 78.0%" in plain(run_header(state, 0.0, 118))


# Device


def test_without_a_gpu_the_strip_is_of_the_processor() -> None:
    sample = ev.DeviceSample(cpu_percent=187.4, rss=1_200_000_000, ram_used=3_000_000_000, ram_total=8_000_000_000)
    assert device_strip(sample, 80).plain == "CPU 187%  memory 1.2 GB  RAM 3.0/8 GB"


def test_the_strip_leaves_out_whole_figures_and_cuts_none() -> None:
    assert device_strip(made_up_run.sample(7), 20).plain == "GPU 87%  1.9/80 GB"
    assert device_strip(made_up_run.sample(7), 3).plain == ""
    assert device_strip(None, 80).plain == ""


def test_figures_that_a_gpu_does_not_tell_are_left_out() -> None:
    sample = ev.DeviceSample(cpu_percent=1, rss=1, ram_used=1, ram_total=2, gpu_percent=50.0, gpu_temperature=90.0)
    assert device_strip(sample, 80).plain == "GPU 50%  90 °C!"


# Progress


def test_progress_inside_an_epoch() -> None:
    line = progress_line(folded(made_up_run.midway()), 100).plain
    assert line.endswith("train 31/50 · 1,840 clips/s")
    assert 0.6 < line.count("━") / (line.count("━") + line.count("─")) < 0.64


def test_progress_of_the_features_before_training() -> None:
    begun = made_up_run.beginning(20)[:2]
    state = folded([*begun, ev.FeaturesProgress(done=50, total=200, cached=20, clips_per_second=8.25)])
    assert progress_line(state, 100).plain.endswith("features 50/200 · 20 from the store · 8.2 clips/s")


def test_progress_fits_a_small_terminal() -> None:
    begun = made_up_run.beginning(20)[:2]
    told = ev.FeaturesProgress(done=1050, total=10_200, cached=1020, clips_per_second=1234.0)
    assert progress_line(folded([*begun, told]), 78).cell_length <= 78


def test_the_end_is_shown_with_its_reason() -> None:
    assert "CUDA out of memory" in progress_line(folded(made_up_run.failed(), alive=False), 100).plain
    assert (
        "trainer died (killed, out of memory or rebooted) after 7 epochs"
        in progress_line(folded(made_up_run.midway(), alive=False), 100).plain
    )


# Genres and confusion


def test_the_worst_pairs_are_those_with_the_largest_share_of_a_genre() -> None:
    pairs = worst_pairs([[1, 3, 0], [0, 30, 10], [0, 0, 0]], ["a", "b", "c"])
    assert [(pair.genre, pair.predicted, pair.count, pair.total) for pair in pairs] == [
        ("a", "b", 3, 4),
        ("b", "c", 10, 40),
    ]


def test_every_genre_has_its_bar_its_share_and_its_counts() -> None:
    lines = [line.plain for line in genre_bars(folded(made_up_run.midway()), 50)]
    assert [line.split()[0] for line in lines[:10]] == GENRES
    assert all(len(line) <= 50 for line in lines[:10])
    assert "80%" in lines[0] and "8/10" in lines[0]
    assert "3 of 10 classical predicted as country" in lines


def test_a_genre_without_clips_in_the_validation_has_no_share() -> None:
    state = folded(made_up_run.midway())
    state.validation = Validation(7, [None, *[0.5] * 9], [[0] * 10, *[[1] * 10] * 9])
    assert "no clips" in genre_bars(state, 50)[0].plain


def test_without_colour_the_shade_is_a_character() -> None:
    assert matrix_cell(10, 1.0, 4, True, PLAIN).plain == " 10█"
    assert matrix_cell(6, 0.6, 4, True, PLAIN).plain == "  6▓"
    assert matrix_cell(10, 1.0, 4, True, PLAIN._replace(ascii_only=True)).plain == " 10#"


def test_right_is_green_and_wrong_is_red_and_the_shade_grows_with_the_share_of_the_row() -> None:
    cells = [(9, 0.9, True), (1, 0.1, False), (5, 0.5, False), (5, 0.5, True)]
    drawn = [matrix_cell(count, share, 4, diagonal, COLOUR) for count, share, diagonal in cells]
    right, little, much, half = [str(cell.spans[0].style).split(" on ")[1] for cell in drawn]
    assert right[5:] == half[5:] == "00" and right[1:3] == half[1:3] == "00" and right > half > "#000000"
    assert little[3:] == much[3:] == "0000" and much > little > "#000000"


# Report and setup


def test_the_report_has_every_genre_both_averages_and_the_worst_confusions() -> None:
    state = folded(made_up_run.whole(), alive=False)
    shown = plain(report_lines(state, 50))
    assert "test accuracy 78.0% · model of epoch 20" in shown
    for name in (*GENRES, "macro avg", "weighted avg", "precision", "recall", "F1", "support"):
        assert name in shown
    assert "2 of 10 blues predicted as classical" in shown


@pytest.mark.parametrize("width", [36, 41, 46, 50, 90])
def test_the_report_is_whole_at_every_width(width: int) -> None:
    state = folded(made_up_run.whole(), alive=False)
    table = report_lines(state, width)[3 : 3 + len(GENRES) + 4]
    assert table[0].plain.split() == ["precision", "recall", "F1", "support"]
    assert table[1].plain.split()[-1] == "10"
    assert all(line.cell_length <= width for line in table)
    assert len({line.cell_length for line in table}) == 1


def test_the_setup_names_what_was_left_out_and_why() -> None:
    shown = plain(setup_lines(folded(made_up_run.midway()), 60))
    for part in (
        "999 clips · 10 genres · 8.3 h",
        "train 799 · valid 100 · test 100",
        "! 2 files left out",
        "jazz/jazz.00054.wav  cannot be decoded: garbage header",
        "640 of them from the store",
        "NVIDIA H100 on gpu-box",
        "169,035,530 parameters",
    ):
        assert part in shown


def test_a_long_path_that_was_left_out_keeps_its_end() -> None:
    state = folded(made_up_run.midway())
    state.excluded = [ev.ExcludedClip(path="a/very/long/folder/of/music/jazz.00054.wav", reason="silent")]
    shown = setup_lines(state, 40)
    assert any("jazz.00054.wav  silent" in line.plain and line.cell_length <= 40 for line in shown)


def test_before_the_dataset_was_looked_at_there_is_the_recipe() -> None:
    shown = plain(setup_lines(folded(made_up_run.beginning(20)[:1]), 60))
    assert "scanning the dataset" in shown and "/music/gtzan-mini/genres" in shown


# Figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (41.4, "00:41"), (59.7, "01:00"), (3600, "1:00:00"), (90_000, "1 d 01:00"), (-3, "00:00")],
)
def test_clock(seconds: float, text: str) -> None:
    assert formatting.clock(seconds) == text


def test_what_is_not_known_is_a_dash() -> None:
    assert [formatting.loss(None), formatting.loss(float("nan")), formatting.percent(float("inf"))] == ["–"] * 3


def test_losses_keep_their_size() -> None:
    assert [formatting.loss(0.17143), formatting.loss(1234567.8), formatting.loss(0.0)] == [
        "0.1714",
        "1.235e+06",
        "0.0000",
    ]


def test_epoch_columns_are_given_up_from_the_right() -> None:
    assert [column.title for column in columns_for(200)][-1] == "clips/s"
    assert [column.title for column in columns_for(51)] == ["epoch", "train loss", "train acc", "val loss", "val acc"]
    assert [column.title for column in columns_for(3)] == ["epoch"]
