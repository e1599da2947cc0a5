"""The filter language, without a screen."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.summaries import summary
from tui.runs.filter import FilterError, parse_filter

NOON = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, -1))
ROW = summary(
    "2026-11-22_12-00-00_gtzan-mini_seed-cnn",
    dataset="gtzan-mini",
    epochs_done=20,
    epochs=40,
    best_val_accuracy=0.7104,
    started=NOON,
    seconds=3_700.0,
    recipe={"optimiser.learning_rate": 0.003, "optimiser.schedule": "cosine", "crop_seconds": None, "seed": 3},
    tags=["paper", "v2"],
    note="with mixup",
    difference=0.025,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "seed",
        "SEED",
        "gtzan finished",
        "!jazz",
        "/seed.cnn$/",
        "/SEED_(cnn|net)/",
        "/finish ?ed/",
        "!/lost|failed/",
        '"gtzan-mini"',
        '!"gtzan mini"',
        "model=seed_cnn",
        "MODEL=Seed_CNN",
        "model!=crnn",
        "model=/cnn/",
        "state=finished",
        "name=/2026-11/",
        "val>0.7",
        "val>70%",
        "val>=71.04%",
        "val<.72",
        "val=71%",
        "val=71.0%",
        "val=0.7",
        "!val>0.8",
        "test!=0.5",
        "!test>0",
        "progress=50%",
        "progress<1",
        "epochs>=20",
        "time>1h",
        "time<62m",
        "time>3600",
        "started=2026-11-22",
        "started<2026-11-23",
        "started>2026-11-21",
        "started>=2026-11-22T12:00",
        "val>0.7 model=seed_cnn !lost",
        "lr>0.001",
        "lr=3e-3",
        "optimiser.learning_rate<=0.003",
        "optimiser.schedule=cosine",
        "optimiser.schedule=/cos/",
        "optimiser.schedule!=constant",
        "crop_seconds!=6",
        "seed=3",
        "tag=paper tag=V2 !tag=draft",
        "tag!=draft",
        "note=/mixup/",
        "mixup paper",
        "base>2",
    ],
)
def test_fits(text: str) -> None:
    assert parse_filter(text)(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "jazz",
        "!seed",
        "seed jazz",
        "/^seed/ /crnn/",
        "model=seed",
        "model!=seed_cnn",
        "val>0.72",
        "val<0.7104",
        "val=72%",
        "test>0",
        "test=0",
        "test<1",
        "epochs<20",
        "time>2h",
        "started>2026-11-22",
        "started<2026-11-22",
        "started!=2026-11-22",
        "lr>0.003",
        "lr<1e-3",
        "optimiser.schedule=constant",
        "crop_seconds>0",
        "tag=pap",
        "tag!=paper",
        "base<0",
    ],
)
def test_does_not_fit(text: str) -> None:
    assert not parse_filter(text)(ROW)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("val>", "val>"),
        ("((", "(("),
        ("(jazz", "(jazz"),
        ("jazz !rock)", "rock)"),
        ("model=/((/", "(("),
        ("val>x", "x"),
        ("val>1h", "h"),
        ("accuracy>0.5", "accuracy"),
        ("model>seed", "model"),
        ("lr>fast", "fast"),
        ("optimiser.fame=1", "optimiser.fame"),
        ("/(/", "/(/"),
        ("!", "!"),
        ("started>yesterday", "yesterday"),
        ("seed val>.", "val"),
    ],
)
def test_a_term_that_means_nothing_is_named(text: str, names: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    assert names in str(raised.value)


def test_a_regular_expression_may_hold_spaces_and_slashes() -> None:
    row = replace(ROW, name="my own run")
    assert parse_filter("/my own/ finished")(row)
    assert not parse_filter("/my other/ finished")(row)
    assert parse_filter(r"/gtzan\/x|my own/")(row)


def test_today_is_a_day() -> None:
    assert parse_filter("started=today")(replace(ROW, started=time.time()))
    assert not parse_filter("started=today")(replace(ROW, started=time.time() - 2 * 86_400))


@given(st.text(max_size=30))
def test_whatever_is_typed_it_is_a_filter_or_a_sentence(text: str) -> None:
    try:
        parse_filter(text)(ROW)
    except FilterError as error:
        assert str(error)
