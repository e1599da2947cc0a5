"""Names as people give them, many, long, wide or combining, and every screen driven with them, without workers."""

import os
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import AsyncMock

import msgspec
import pytest
from textual.pilot import Pilot

from core.dataset.clip import Excluded
from core.dataset.report import DataReport, GenreReport
from core.features.settings import AugmentationSettings
from core.inference.find_model import list_models
from core.inference.live_events import LivePrediction
from core.inference.types import MergedSegment, Prediction, Reason, Segment, TrainingClip
from core.inference.workers.file_worker import Classified, Classify, Load, Loaded
from core.inference.workers.live_worker import DevicesFound
from core.labelling.label_worker import Looked, Opened, Row
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.notes import Notes
from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from tests.support import example_run, example_sound
from tests.support.pilot import until, until_shown
from tui.app import GenreApp
from tui.augmentation.screen import AugmentationScreen
from tui.augmentation.worker import Picture, Show, Shown
from tui.charts.chart import Chart
from tui.classify.places import GoToScreen, read_places
from tui.classify.results import ResultList
from tui.classify.screen import REDRAW_SECONDS, ClassifyScreen
from tui.dialogs.pickers import ModelPicker
from tui.dialogs.questions import PromptScreen
from tui.label.panels import ClipTable
from tui.label.screen import LabelScreen
from tui.listen.audio_forwarding import THERE, Route
from tui.listen.screen import ListenScreen
from tui.new_run.dataset_process import DatasetSummary, Found, Scan
from tui.new_run.dataset_process import Message as Answer
from tui.new_run.screen import NewRunScreen
from tui.runs.detail import RunDetail
from tui.widgets.file_tree import AudioTree

SEQUENCES = [
    "\x1b]0;PWN\x07",
    "\x1b[66m",
    "\x9b66m",
    "\x1b[2J",
    "\x1b[H",
    "\x1bc",
    "\x1bP+q\x1b\\",
    "\x1b[6n",
    "\x1b[?47l",
]
INVISIBLE = "\u202e\u2066\u200f\u2028\u200b\ufeff"
HOSTILE = (*SEQUENCES, *map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *INVISIBLE, *"[red]ab é日🎵\u0301\u200d")
"""What a terminal would obey, and what it would show."""
Scene = Callable[[Pilot[None], "Names"], Awaitable[None]]
STARTED = 1_700_000_000.0


@dataclass(frozen=True)
class Names:
    genres: Sequence[str]
    name: str
    """Of a run, a clip, an artist, a model, and, with a suffix, of a file."""
    text: str
    """Of errors, warnings, notes and log lines."""
    tag: str = "paper"


LONG = Names(
    [f"a genre whose name takes forty cells {n}" for n in range(100, 106)],
    "2026-11-22_14-03-11_the-whole-collection-of-my-grandfather_statistics-experts_seed-17",
    "The file was recorded with a sample rate that no decoder of this machine can read, not even the one of FFmpeg.",
    "a-tag-of-some-length-for-a-paper",
)
MANY = Names(
    [f"{n:02d} {'genre' * (n % 3)}{'abcdefghij'[n % 10]}" for n in range(50)], "fifty-genres", "no memory left"
)
WIDE = Names(
    ["ジャズ", "ロック", "クラシック音楽", "日本の民謡", "한국 음악", "中国古典音乐", "🎵 k-pop 🎤"],
    "東京事変のコレクション・二十世紀の名曲集・第三巻・完全版・リマスター",
    "音が聞こえない。ファイルが壊れているかもしれない。もう一度録音してください。",
    "論文",
)
COMBINING = Names(
    [
        "bole\u0301ro",
        "canc\u0327a\u0303o",
        "n\u0303u\u0308-metal",
        "หมอลำ",
        "हिन्दी गीत",
        "z\u0300\u0301\u0302\u0303algo",
    ],
    "cafe\u0301-de\u0301ja\u0300-vu-หมอลำ-हिन्दी",
    "le cafe\u0301 est ferme\u0301",
    "the\u0300se",
)


FORBIDDEN_IN_NAMES = "/\0"
MOST_BYTES = 200
"""Of a file's name, with room for what is added to it."""


def hostile_names(chance: random.Random) -> Names:
    """Control characters, escape sequences, overrides of the direction, invisible characters, and very long texts."""

    def text(length: int) -> str:
        return "x" + "".join(chance.choice(HOSTILE) for _ in range(length))

    name = "".join(char for char in text(40) if char not in FORBIDDEN_IN_NAMES)
    while len(os.fsencode(name)) > MOST_BYTES:
        name = name[:-1]
    return Names([text(n) for n in (3, 8, 40, 300)], name, text(5000), text(30))


def write_runs(runs: Path, names: Names) -> list[Path]:
    """Three runs on these genres: a finished one with notes, one that failed, one on another dataset."""
    finished = example_run.with_genres(list(names.genres))
    start = msgspec.structs.replace(
        example_run.run_started(3, dataset=names.name), model=names.name, device_name=names.name, host=names.name
    )
    said: list[ev.Event] = [start, *finished[1:4], ev.Warned(message=names.text)]
    ended = ev.RunFailed(error=names.text, traceback=f"Traceback\n  {names.text}\n{names.text}")
    folders = [
        example_run.write_run(runs / names.name, [*said, *finished[4:]]),
        example_run.write_run(runs / f"2-{names.name}", [*said, *example_run.epochs(1, 2), ended]),
        example_run.write_run(runs / "plain", example_run.whole(3)),
    ]
    (folders[0] / "notes.json").write_bytes(
        msgspec.json.encode(Notes(note=names.text, tags=[names.tag], pinned=STARTED))
    )
    for folder in folders:
        RunFolder(folder).best_model_path.touch()
    return folders


def without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a process; `SCENES` answer instead."""
    monkeypatch.setattr(JsonlProcess, "ask", lambda process, request, first=False: None)
    monkeypatch.setattr(JsonlProcess, "start", lambda process: None)
    for screen in ("classify", "listen"):
        monkeypatch.setattr(f"tui.{screen}.screen.find_model", lambda name, runs: Path("best.pth"))
    route = Route("a  feed this screen", THERE, "arecord | ssh box genre-tui feed")
    monkeypatch.setattr("tui.listen.screen.routes", lambda: [route])
    monkeypatch.setattr("tui.watch.screen.now", lambda: 0.0)
    monkeypatch.setattr("tui.widgets.fields.CompletionSuggester.get_suggestion", AsyncMock(return_value=None))


def image_of(bands: int = 32, columns: int = 64) -> bytes:
    return bytes((31 * band + 7 * column) % 256 for band in range(bands) for column in range(columns))


def prediction_of(names: Names, first: int = 0, *, uncertain: bool = False) -> Prediction:
    genres = names.genres
    weights = [0.5 ** ((n - first) % len(genres) + 1) for n in range(len(genres))]
    probabilities = {genre: weight / sum(weights) for genre, weight in zip(genres, weights, strict=True)}
    likeliest = genres[first % len(genres)]
    reason = Reason.UNCLEAR if uncertain else None
    segments = [
        Segment(start_s=10 * i, end_s=10 * i + 10, genre=genres[(first + i) % len(genres)], probabilities=probabilities)
        for i in range(3)
    ]
    stretches = [
        MergedSegment(start_s=s.start_s, end_s=s.end_s, genre=s.genre, probability=probabilities[s.genre])
        for s in segments
    ]
    return Prediction(
        genre=likeliest,
        probability=probabilities[likeliest],
        probabilities=probabilities,
        uncertain=uncertain,
        reason=reason,
        duration_s=30.0,
        segments=segments,
        stretches=stretches,
        model=names.name,
        nearest=[TrainingClip(genre, f"{names.name}.{n}") for n, genre in enumerate(genres)],
        warning=names.text if first == 1 else None,
    )


async def runs_scene(pilot: Pilot[None], names: Names) -> None:
    await until_shown(pilot, "failed")
    await pilot.press("g", "space", "down", "space")
    detail = pilot.app.screen.query_one(RunDetail)
    if detail.size:
        await until(pilot, lambda: detail._drawn is not None and bool(detail._compared[0]), "the detail")
        await until(pilot, lambda: all(chart._rendered for chart in detail.query(Chart)), "its curves")


async def watch_scene(pilot: Pilot[None], names: Names) -> None:
    app = pilot.app
    assert isinstance(app, GenreApp)
    await until_shown(pilot, "failed")
    await app.watch_run(app.runs_dir / names.name)
    await until_shown(pilot, "test ")


async def compare_scene(pilot: Pilot[None], names: Names) -> None:
    app = pilot.app
    assert isinstance(app, GenreApp)
    await until_shown(pilot, "failed")
    await app.compare_runs([app.runs_dir / name for name in (names.name, f"2-{names.name}", "plain")])
    await until_shown(pilot, "3 runs compared")


async def new_run_scene(pilot: Pilot[None], names: Names) -> None:
    screen = NewRunScreen(Path("music") / names.name)
    await pilot.app.push_screen(screen)
    panel = screen.panel
    process: JsonlProcess[Scan, Answer] = JsonlProcess("none", Answer, lambda message, request: None, crashed="")
    panel._process = process
    genres = [
        GenreReport(genre, 100 - n, 0.8, 29.9, 30.1, {"flac": 90, "mp3": 10}, {44_100: 100}, n % 3)
        for n, genre in enumerate(names.genres)
    ]
    report = DataReport(
        root="music",
        genres=genres,
        excluded=[Excluded(f"{genre}/{names.name}.wav", names.text) for genre in names.genres],
        duplicates=[[f"{names.genres[0]}/{names.name}.wav", f"{names.genres[0]}/copy of {names.name}.wav"]],
        near_duplicates=None,
        undecoded=10,
        across_genres=[[f"{names.genres[0]}/{names.name}.wav", f"{names.genres[1]}/{names.name}.wav"]],
        refused=None,
        labels=f"genres from the folders of {names.name}",
        matching=None,
        notes=[names.text],
        durations={"up to 30 s": 40, "up to 2 min": 7},
        majority=0.2,
        sharing_artist=7,
        command="genre-tui train music",
    )
    parts = {"train": 80, "valid": 10, "test": 10}
    panel._take(process, Found(DatasetSummary(report, parts, columns=[names.tag])))
    await until_shown(pilot, "train 80")


async def classify_scene(pilot: Pilot[None], names: Names) -> None:
    await pilot.press("3")
    await until(pilot, lambda: isinstance(pilot.app.screen, ClassifyScreen), "Classify")
    screen = pilot.app.screen
    assert isinstance(screen, ClassifyScreen)
    load = Load(path_to_json(Path("best.pth")))
    screen.call_later(screen.take_answer, Loaded(names.name, list(names.genres), 10.0, "cpu"), load)
    folder = Path("music") / names.name
    screen.query_one(AudioTree).reveal(folder / "none")
    files = sorted(path.absolute() for path in folder.iterdir()) if folder.is_dir() else []
    screen._given(files)
    for n, file in enumerate(files):
        prediction = prediction_of(names, n, uncertain=n == 2)
        found = Classified(prediction, 32, image_of())
        answer = Refused(names.text) if n == 3 else found
        screen.call_later(screen.take_answer, answer, Classify(path_to_json(file), load))
    results = screen.query_one(ResultList)
    await until(pilot, lambda: len(results.sounds) == len(files) and not screen._sounds.waiting, "the predictions")
    await pilot.pause(2 * REDRAW_SECONDS)


async def listen_scene(pilot: Pilot[None], names: Names) -> None:
    await pilot.press("4")
    screen = pilot.app.screen
    assert isinstance(screen, ListenScreen)
    screen.call_later(screen.take_answer, DevicesFound([example_sound.MICROPHONE]))
    await until_shown(pilot, "p listens to US")
    await pilot.press("p")
    opened = msgspec.structs.replace(example_sound.opened(), model=names.name, genres=list(names.genres))
    answers = [opened, example_sound.receiving(names.name), *example_sound.levels(2.0)]
    for n, answer in enumerate(answers):
        screen.state.take(answer, STARTED + n)
    for n in range(5):
        made = prediction_of(names, n, uncertain=n == 2)
        said = LivePrediction(
            start_s=2.0 * n,
            end_s=2.0 * n + 3,
            genre=made.genre,
            probability=made.probability,
            probabilities=made.probabilities,
            uncertain=made.uncertain,
            reason=made.reason,
            smoothed=made.probabilities,
            smoothed_genre=None if made.uncertain else made.genre,
            latency_s=0.09,
        )
        screen.state.take(said, STARTED + 5 * n)
    for _ in range(3):
        await until(pilot, lambda: screen.is_drawn, "the picture")


async def label_scene(pilot: Pilot[None], names: Names) -> None:
    await pilot.press("5")
    await until_shown(pilot, "O opens a dataset")
    screen = pilot.app.screen
    assert isinstance(screen, LabelScreen)
    screen.session.data = Path("music") / names.name
    genres = list(names.genres)
    rows = [
        Row(n, f"{names.name}.{n}", genres[n % len(genres)], genres[n * 5 % len(genres)], 1 / (n + 1), names.name, "")
        for n in range(12)
    ]
    for answer in (
        Opened(genres, rows, None, names.text, True, names.text),
        Looked(0, prediction_of(names, 1), [5, 6, 7], 32, image_of()),
    ):
        screen.call_later(screen.take_answer, screen.session, answer, None)
    await until(pilot, lambda: len(screen.query_one(ClipTable).clips) == len(rows), "the clips")


async def augmentation_scene(pilot: Pilot[None], names: Names) -> None:
    screen = AugmentationScreen(Path("music"), "quick", AugmentationSettings(noise=0.5, time_mask=0.5, equaliser=1.0))
    await pilot.app.push_screen(screen)
    pictures = [Picture(e, 16, image_of(16, 40)) for e in ("original", "equaliser", "noise", "time_mask", "all")]
    asked = Show(0, "quick", 0, screen.settings)
    screen._answered(Shown(asked, f"{names.genres[0]}/{names.name}", 30, 7.5, True, pictures))
    await pilot.pause()


async def models_scene(pilot: Pilot[None], names: Names) -> None:
    app = pilot.app
    assert isinstance(app, GenreApp)
    await until_shown(pilot, "failed")
    choices = list_models(app.runs_dir)
    await app.push_screen(ModelPicker(choices, choices[0].path))
    await until_shown(pilot, "Choose a model")


async def question_scene(pilot: Pilot[None], names: Names) -> None:
    await until_shown(pilot, "failed")
    await pilot.press("g", "d")
    await until_shown(pilot, "Delete")


async def folder_scene(pilot: Pilot[None], names: Names) -> None:
    await pilot.press("5")
    await until_shown(pilot, "O opens a dataset")
    await pilot.press("O")
    await until_shown(pilot, "Choose a dataset")
    await pilot.press("down", "right", "down")


async def prompt_scene(pilot: Pilot[None], names: Names) -> None:
    def refuse(text: str) -> None:
        raise UserError(names.text)

    await until_shown(pilot, "failed")
    await pilot.app.push_screen(PromptScreen(names.text[:200], names.name, check=refuse))
    await pilot.press("enter")


async def places_scene(pilot: Pilot[None], names: Names) -> None:
    folder = Path("music") / names.name
    read_places().visit(folder.absolute())
    await pilot.app.push_screen(GoToScreen(folder.absolute()))
    await pilot.press("tab")


async def help_scene(pilot: Pilot[None], names: Names) -> None:
    await until_shown(pilot, "failed")
    await pilot.press("question_mark")
    await until_shown(pilot, "This screen")


SCENES: dict[str, Scene] = {
    "runs": runs_scene,
    "watch": watch_scene,
    "compare": compare_scene,
    "new run": new_run_scene,
    "classify": classify_scene,
    "listen": listen_scene,
    "label": label_scene,
    "augmentation": augmentation_scene,
    "models": models_scene,
    "question": question_scene,
    "folder": folder_scene,
    "prompt": prompt_scene,
    "places": places_scene,
    "help": help_scene,
}


def write_music(names: Names) -> None:
    """Four files, that no one decodes, in ``music/NAME``."""
    folder = Path("music") / names.name
    folder.mkdir(parents=True)
    for n in range(4):
        (folder / f"{names.name} {n}.wav").touch()
    Path("best.pth").touch()
