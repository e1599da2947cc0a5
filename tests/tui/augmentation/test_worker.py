"""The process that shows, plays and writes what an augmentation does."""

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from PIL import Image

from core.dataset.pack import pack
from core.dataset.synthetic import make_demo
from core.features.settings import FrontEndSettings, effects_of
from core.training.presets import preset
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from tui.augmentation.worker import Answer, Play, Request, Show, Shown, Write, Written

PATIENCE = 120.0
EFFECTS = ["original", *effects_of(preset("best", "").augmentation), "all"]

Ask = Callable[[Request], Answer | Refused]


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("data") / "demo", clips_per_genre=2, seconds=1.0)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[Path], Ask]]:
    """What a question to a process for a dataset is answered."""
    begun: list[JsonlProcess[Request, Answer]] = []

    def begin(data: Path) -> Ask:
        answers: queue.Queue[Answer | Refused] = queue.Queue()
        process: JsonlProcess[Request, Answer] = JsonlProcess(
            "tui.augmentation.worker",
            Answer,
            lambda answer, request: answers.put(answer),
            arguments=[path_to_json(data), path_to_json(tmp_path / "out")],
            crashed="it died",
        )
        begun.append(process)

        def ask(request: Request) -> Answer | Refused:
            process.ask(request)
            return answers.get(timeout=PATIENCE)

        return ask

    yield begin
    for process in begun:
        process.close()


def test_a_clip_is_shown_under_each_effect_and_written(genres: Path, begin: Callable[[Path], Ask]) -> None:
    ask = begin(genres)
    first = ask(Show(0, "best", 0))
    assert isinstance(first, Shown)
    assert [picture.effect for picture in first.pictures] == EFFECTS
    assert all(len(picture.levels) % picture.bands == 0 for picture in first.pictures)
    assert len({picture.levels for picture in first.pictures}) == len(EFFECTS)
    assert first.has_sound
    assert first.clips == 20

    again, other = ask(Show(0, "best", 0)), ask(Show(0, "best", 1))
    assert again == first
    assert isinstance(other, Shown)
    assert other.pictures[0] == first.pictures[0]
    assert all(ours != theirs for ours, theirs in zip(other.pictures[1:], first.pictures[1:], strict=True))

    clips = [shown.clip for place in (0, 1, 10, 20) if isinstance(shown := ask(Show(place, "best", 0)), Shown)]
    assert clips == ["arpeggio-bells.00000", "bass-pulse.00000", "arpeggio-bells.00001", "arpeggio-bells.00000"]

    written = ask(Write())
    assert isinstance(written, Written)
    folder = Path(written.folder)
    assert folder.name == "arpeggio-bells.00000-best-0"
    assert {path.name for path in folder.iterdir()} == {f"{name}.{kind}" for name in EFFECTS for kind in ("png", "wav")}
    assert written.files == 2 * len(EFFECTS)
    assert Image.open(folder / "all.png").height == first.pictures[0].bands
    assert 0.9 < soundfile.info(folder / "all.wav").duration < 1.1


def test_a_feature_pack_is_shown_without_sound(genres: Path, tmp_path: Path, begin: Callable[[Path], Ask]) -> None:
    pack(genres, tmp_path / "pack", FrontEndSettings(hop_length=1709, seconds=1.0, n_mels=64))
    ask = begin(tmp_path / "pack")
    shown = ask(Show(0, "best", 0))
    assert isinstance(shown, Shown)
    assert not shown.has_sound
    assert [(picture.effect, picture.bands) for picture in shown.pictures] == [(effect, 64) for effect in EFFECTS]
    refused = ask(Play("all"))
    assert refused == Refused("A feature pack holds no audio, so there is nothing to hear.")
    written = ask(Write())
    assert isinstance(written, Written)
    assert {path.suffix for path in Path(written.folder).iterdir()} == {".png"}


def test_a_file_that_is_gone_costs_one_question(genres: Path, tmp_path: Path, begin: Callable[[Path], Ask]) -> None:
    data = make_demo(tmp_path / "own", clips_per_genre=1, seconds=0.5)
    ask = begin(data)
    assert isinstance(ask(Show(0, "best", 0)), Shown)
    gone = next((data / "bass-pulse").iterdir())
    gone.unlink()
    refused = ask(Show(1, "best", 0))
    assert isinstance(refused, Refused)
    assert gone.name in refused.error
    assert isinstance(ask(Show(2, "best", 0)), Shown)


def test_what_cannot_be_written_is_one_sentence(genres: Path, tmp_path: Path, begin: Callable[[Path], Ask]) -> None:
    (tmp_path / "out").touch()
    ask = begin(genres)
    ask(Show(0, "best", 0))
    refused = ask(Write())
    assert isinstance(refused, Refused)
    assert "cannot be written: not a directory" in refused.error


def test_no_dataset_is_one_sentence(tmp_path: Path, begin: Callable[[Path], Ask]) -> None:
    refused = begin(tmp_path / "none")(Show(0, "best", 0))
    assert isinstance(refused, Refused)
    assert "There is no folder" in refused.error
