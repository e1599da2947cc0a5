"""Whatever is wrong with some files, each gets its line and all others their predictions."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.inference import Classifier
from core.inference.batch.cache import PredictionCache
from core.inference.batch.classify_files import classify_files
from core.inference.batch.find_files import find_files
from core.inference.classifier import PendingSound
from core.inference.types import Prediction, Result, Unreadable
from tests.support.recordings import ENCODERS, tone, write_sound
from tests.support.small_model import GENRES, a_sound, shared_model, shared_sounds

RATE = 22_050


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(shared_model())


def results(classifier: Classifier, *arguments: Path, **options: object) -> dict[str, Result]:
    found = list(find_files(arguments))
    made = classify_files(classifier, found, jobs=2, **options)  # type: ignore[arg-type]
    return {Path(result.path).name: result for result in made}


def test_a_folder_of_genres(classifier: Classifier) -> None:
    made = list(classify_files(classifier, list(find_files([shared_sounds()])), jobs=2))
    paths = [Path(result.path) for result in made]
    assert paths == sorted(shared_sounds().rglob("*.au"))
    assert [result.genre for result in made if isinstance(result, Prediction)] == [path.parent.name for path in paths]


@pytest.mark.parametrize("suffix", [*ENCODERS, ".wav", ".aiff", ".ogg", ".au"])
def test_every_format(classifier: Classifier, tmp_path: Path, suffix: str) -> None:
    y, rate = soundfile.read(a_sound("saw-wall"), dtype="float32")
    path = write_sound(
        tmp_path / f"music{suffix}", np.repeat(y, 2)[: 2 * rate * 8], 2 * rate if suffix != ".opus" else 48_000
    )
    [result] = results(classifier, path).values()
    assert isinstance(result, Prediction)
    assert set(result.probabilities) == set(GENRES)
    assert result.duration_s == pytest.approx(8, abs=1.0)


def make_bad_files(folder: Path) -> dict[str, str]:
    """Files of every kind of trouble; name → a part of what is said about it."""
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("this is no music\n" * 100)
    (folder / "header-only.wav").write_bytes(a_sound("saw-wall").read_bytes()[:24])
    nan = tone(4, RATE)
    nan[1000] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    write_sound(folder / "one-hertz.wav", tone(100, 1), 1)
    (folder / "garbage.au").write_bytes(b".snd" + os.urandom(2000))
    os.mkfifo(folder / "pipe.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "dangling.wav").symlink_to("nowhere.wav")
    whole = write_sound(folder / "drm.m4a", tone(4, 44_100), 44_100).read_bytes()
    start, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    (folder / "drm.m4a").write_bytes((whole[:start] + os.urandom(end - start) + whole[end:]).replace(b"mp4a", b"drms"))
    said = {
        "empty.wav": "empty",
        "text.mp3": "not audio",
        "header-only.wav": "",
        "nan.wav": "NaN or infinite",
        "one-hertz.wav": "1 Hz",
        "garbage.au": "",
        "pipe.wav": "not a regular file",
        "loop.wav": "cannot be read",
        "dangling.wav": "no such file",
        "drm.m4a": "",
    }
    if os.geteuid() != 0:
        (folder / "secret.wav").touch(mode=0o000)
        said["secret.wav"] = "no permission"
    return said


def make_odd_files(folder: Path) -> set[str]:
    """Files that look like trouble and can be classified; the names as they are shown."""
    whole = a_sound("saw-wall").read_bytes()
    (folder / "truncated.au").write_bytes(whole[: len(whole) // 2])
    (folder / "lies.au").write_bytes(whole[:8] + struct.pack(">I", 2_000_000_000) + whole[12:])
    (folder / "folder.wav").mkdir()
    (folder / "folder.wav" / "inside.au").write_bytes(whole)
    soundfile.write(folder / "many.wav", np.tile(tone(4, RATE)[:, None], 32), RATE)
    soundfile.write(folder / "fast.wav", tone(4, 384_000), 384_000)
    (folder / "new\nline.au").write_bytes(whole)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.au")).write_bytes(whole)
    return {"truncated.au", "lies.au", "inside.au", "many.wav", "fast.wav", "new\\nline.au", "caf\\xe9.au"}


def test_bad_files_have_their_reasons_and_the_others_their_genres(classifier: Classifier, tmp_path: Path) -> None:
    said, odd = make_bad_files(tmp_path), make_odd_files(tmp_path)
    defects: list[str] = []
    made = results(classifier, tmp_path, on_defect=defects.append)

    assert made.keys() == said.keys() | odd
    for name, part in said.items():
        result = made[name]
        assert isinstance(result, Unreadable), name
        assert part in result.error
        assert "\n" not in result.error
    for name in odd:
        assert isinstance(made[name], Prediction), made[name]
    assert {name for name, result in made.items() if isinstance(result, Prediction) and result.warning} == {
        "truncated.au",
        "lies.au",
    }
    assert defects == []


def test_a_file_that_is_deleted_while_it_waits(classifier: Classifier, tmp_path: Path) -> None:
    found = [a_sound("saw-wall"), tmp_path / "gone.au", a_sound("organ-hymn")]
    (tmp_path / "gone.au").write_bytes(a_sound("saw-wall").read_bytes())
    listed = list(find_files(found))
    (tmp_path / "gone.au").unlink()
    one, gone, other = classify_files(classifier, listed, jobs=1)
    assert isinstance(one, Prediction)
    assert gone == Unreadable(path=str(tmp_path / "gone.au"), error="no such file")
    assert isinstance(other, Prediction)


def test_a_defect_of_the_program_costs_one_file(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Classifier.measure_file

    def defective(self: Classifier, path: Path, *args: object, **options: object) -> PendingSound:
        if path.name == "bass-pulse.00000.au":
            raise ZeroDivisionError("boom")
        return whole(self, path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "measure_file", defective)
    stories: list[str] = []
    made = results(classifier, a_sound("bass-pulse"), a_sound("saw-wall"), on_defect=stories.append)
    broken = made["bass-pulse.00000.au"]
    assert isinstance(broken, Unreadable)
    assert "ZeroDivisionError: boom" in broken.error
    assert "Traceback" in stories[0]
    assert isinstance(made["saw-wall.00000.au"], Prediction)


def test_what_the_cache_knows_is_not_classified_again(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = PredictionCache(tmp_path / "cache.sqlite", "a model")
    first = results(classifier, a_sound("saw-wall"), cache=cache)
    copy = tmp_path / "copy.au"
    copy.write_bytes(a_sound("saw-wall").read_bytes())
    monkeypatch.setattr(Classifier, "measure_file", lambda *args, **options: pytest.fail("it was classified again"))
    again = results(classifier, copy, a_sound("saw-wall"), cache=cache, skip_existing=True)
    assert again["saw-wall.00000.au"] == first["saw-wall.00000.au"]
    assert again["copy.au"].path == str(copy)


def test_files_in_one_batch_get_what_each_gets_alone(classifier: Classifier) -> None:
    found = [a_sound(genre) for genre in GENRES] * 6
    together = list(classify_files(classifier, found, jobs=1))
    for path, result in zip(found, together, strict=True):
        alone = classifier.classify_file(path)
        assert isinstance(result, Prediction)
        assert (result.path, result.genre, result.reason) == (alone.path, alone.genre, alone.reason)
        assert result.probabilities == pytest.approx(alone.probabilities, abs=1e-4)
        assert [one.start_s for one in result.segments] == [one.start_s for one in alone.segments]


def test_a_batch_that_fails_is_taken_apart(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it is too large for the device's memory: every file is then classified by itself."""
    one_file = len(classifier.classify_file(a_sound(GENRES[0])).segments)
    whole = classifier.network.forward

    def small_batches(*waves_BN: np.ndarray) -> object:
        if sum(map(len, waves_BN)) > one_file:
            raise RuntimeError("out of memory")
        return whole(*waves_BN)

    monkeypatch.setattr(classifier.network, "forward", small_batches)
    found = [a_sound(genre) for genre in GENRES] * 6
    made = list(classify_files(classifier, found, jobs=1))
    assert [result.path for result in made] == [str(path) for path in found]
    assert all(isinstance(result, Prediction) for result in made)


def test_whoever_stops_reading_waits_for_no_more_than_the_files_at_work(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending: list[Path] = []
    whole = Classifier.measure_file

    def counted(self: Classifier, path: Path, *args: object, **options: object) -> PendingSound:
        pending.append(path)
        return whole(self, path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "measure_file", counted)
    results = classify_files(classifier, [a_sound(GENRES[0])] * 400, jobs=2)
    next(results)
    results.close()
    assert len(pending) < 100
