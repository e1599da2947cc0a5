"""The page in a real browser: files, a microphone that plays a file, and a run that goes on while one looks."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from core.audio.files.decode import decode
from core.runs.journal.events import RunFinished
from tests.support.browser import asked_for, chromium, complaints, needs_chromium
from tests.support.served import TOKEN, Serve, Served, a_run, epoch
from tests.support.small_model import GENRES, a_sound
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    y, rate = decode(a_sound("saw-wall"))
    path = tmp_path_factory.mktemp("microphone") / "song.wav"
    soundfile.write(path, np.stack([y, y], axis=1), rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator["Chrome"]:
    with chromium(microphone) as driver:
        yield driver


@pytest.fixture
def page(browser: "Chrome", server: Served) -> "Chrome":
    browser.get(server.url)
    wait_until(lambda: browser.find_elements("css selector", "body[data-ready]"), "the page")
    return browser


def find(page: "Chrome", selector: str) -> "WebElement":
    return page.find_element("css selector", selector)


def texts(page: "Chrome", selector: str) -> list[str]:
    """At one moment: elements come and go while one looks at them."""
    script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText)"
    found: list[str] = page.execute_script(script, selector)
    return found


def is_painted(page: "Chrome", selector: str) -> bool:
    """Whether a canvas holds more than one colour."""
    script = """
        const canvas = document.querySelector(arguments[0]);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size > 3;
    """
    return bool(page.execute_script(script, selector))


def has_colour(page: "Chrome", selector: str, name: str) -> bool:
    """Whether a canvas holds a colour of the style sheet."""
    script = """
        const canvas = document.querySelector(arguments[0]), pen = document.createElement("canvas").getContext("2d");
        const colours = (context, w, h) => new Uint32Array(context.getImageData(0, 0, w, h).data.buffer);
        pen.fillStyle = getComputedStyle(canvas).getPropertyValue(arguments[1]);
        pen.fillRect(0, 0, 1, 1);
        return colours(canvas.getContext("2d"), canvas.width, canvas.height).includes(colours(pen, 1, 1)[0]);
    """
    return bool(page.execute_script(script, selector, name))


def test_files_are_answered_with_bars_timeline_and_picture(page: "Chrome") -> None:
    files = [a_sound("organ-hymn"), a_sound("saw-wall")]
    find(page, "#files").send_keys("\n".join(map(str, files)))
    wait_until(lambda: "2 of 2" in find(page, "#classify-status").text, "both predictions", 60)
    articles = page.find_elements("css selector", "article")
    assert {article.find_element("css selector", "h3").text for article in articles} == {file.name for file in files}
    for article in articles:
        genre = article.find_element("css selector", "h3").text.split(".")[0]
        assert genre in article.find_element("css selector", ".prediction").text
        assert len(article.find_elements("css selector", ".bars meter")) == len(GENRES)
        stretch = article.find_element("css selector", ".timeline li")
        assert (stretch.get_attribute("title") or "").startswith("0:00 to 0:1")
        assert article.find_element("css selector", ".legend").text == genre
        swatch = article.find_element("css selector", ".swatch")
        assert stretch.value_of_css_property("background-color") == swatch.value_of_css_property("background-color")
    assert is_painted(page, "article .spectrogram")


def test_a_file_that_is_not_audio_says_so(page: "Chrome", tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no audio")
    find(page, "#files").send_keys(str(path))
    wait_until(lambda: "is not audio" in find(page, "article").text, "the refusal")
    assert "No picture" in find(page, "article").text


def test_the_microphone_is_heard_as_it_plays(page: "Chrome") -> None:
    find(page, "#record").click()
    wait_until(lambda: len(texts(page, "#live-history li")) >= 3, "three predictions", 60)
    assert find(page, "#record").get_attribute("aria-pressed") == "true"
    assert any("saw-wall" in line for line in texts(page, "#live-history li"))
    assert len(page.find_elements("css selector", "#live-bars meter")) == len(GENRES)
    assert float(find(page, "#level").get_attribute("value") or 0) > 0
    assert is_painted(page, "#live-spectrogram")
    find(page, "#record").click()
    wait_until(lambda: find(page, "#live-status").text == "Stopped.", "the end")
    assert find(page, "#record").text == "Listen"


def test_a_run_is_drawn_while_it_trains(page: "Chrome", runs_dir: Path) -> None:
    _, journal = a_run(runs_dir, "watched")
    journal.write(epoch(1))
    page.refresh()
    wait_until(lambda: "watched" in find(page, "#run").text, "the run in the list")
    find(page, "#run option[value=watched]").click()
    wait_until(lambda: len(texts(page, "#epochs tr")) == 1, "the first epoch")
    assert is_painted(page, "#loss")  # one point, in the middle
    for number in range(2, 6):
        journal.write(epoch(number))
    wait_until(lambda: len(texts(page, "#epochs tr")) == 5, "the epochs that came since")
    assert texts(page, "#epochs tr.best td")[0] == "5"
    for chart in ("#loss", "#accuracy"):
        assert has_colour(page, chart, "--first") and has_colour(page, chart, "--second")
    assert "after epoch 5: train 0.20" in (find(page, "#loss").get_attribute("aria-label") or "")
    journal.write(RunFinished(seconds=9, best_epoch=5, best_val_accuracy=0.4))
    wait_until(lambda: "finished" in find(page, "#run-status").text, "the end of the run")


def test_the_colour_blind_palette_recolours_everything_and_is_remembered(page: "Chrome", runs_dir: Path) -> None:
    _, journal = a_run(runs_dir, "coloured")
    journal.write(epoch(1))
    journal.write(epoch(2))
    page.refresh()
    wait_until(lambda: "coloured" in find(page, "#run").text, "the run in the list")
    find(page, "#run option[value=coloured]").click()
    find(page, "#files").send_keys(str(a_sound("organ-hymn")))
    wait_until(lambda: "1 of 1" in find(page, "#classify-status").text, "the prediction", 60)
    wait_until(lambda: has_colour(page, "#loss", "--first"), "the curve")
    picture = "return document.querySelector('article .spectrogram').toDataURL()"
    before = find(page, ".swatch").value_of_css_property("background-color"), page.execute_script(picture)
    find(page, "#colour-blind").click()
    after = find(page, ".swatch").value_of_css_property("background-color"), page.execute_script(picture)
    assert before[0] != after[0] and before[1] != after[1]
    wait_until(lambda: has_colour(page, "#loss", "--first"), "the curve in its new colour")
    page.refresh()
    wait_until(lambda: page.find_elements("css selector", "body[data-ready]"), "the page")
    assert find(page, "#colour-blind").is_selected()
    find(page, "#colour-blind").click()


def test_everything_can_be_reached_and_used_with_the_keyboard(page: "Chrome") -> None:
    from selenium.webdriver import ActionChains, Keys

    reached = []
    for _ in range(20):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(page.execute_script("return document.activeElement.id || document.activeElement.className"))
    assert reached[0] == "skip"
    # After the last comes the first again.
    assert [name for name in dict.fromkeys(reached) if name in ("files", "record", "run")] == ["files", "record", "run"]
    page.execute_script("document.getElementById('record').focus()")
    ActionChains(page).send_keys(Keys.SPACE).perform()
    wait_until(lambda: find(page, "#record").get_attribute("aria-pressed") == "true", "the recording")
    ActionChains(page).send_keys(Keys.SPACE).perform()
    wait_until(lambda: find(page, "#record").get_attribute("aria-pressed") == "false", "its end")


def test_a_screen_reader_finds_names_for_everything(page: "Chrome") -> None:
    find(page, "#files").send_keys(str(a_sound("organ-hymn")))
    wait_until(lambda: "1 of 1" in find(page, "#classify-status").text, "the prediction", 60)
    selector = "button, input, select, meter, progress, canvas, a, [role], section"
    shown = [element for element in page.find_elements("css selector", selector) if element.is_displayed()]
    unnamed = [
        element.get_attribute("outerHTML")
        for element in shown
        if element.aria_role not in ("status", "none", "generic") and not element.accessible_name
    ]
    assert unnamed == []
    for status in ("classify-status", "live-status", "run-status"):
        assert find(page, f"#{status}").get_attribute("role") == "status"
    assert find(page, "html").get_attribute("lang") == "en"


def test_nothing_is_fetched_from_elsewhere_and_nothing_complains(page: "Chrome", server: Served) -> None:
    find(page, "#files").send_keys(str(a_sound("drums-fast")))
    wait_until(lambda: "1 of 1" in find(page, "#classify-status").text, "the prediction", 60)
    addresses = [address for address in asked_for(page) if not address.startswith(("blob:", "data:", "chrome"))]
    assert addresses
    assert {address.split("/")[2] for address in addresses} == {f"127.0.0.1:{server.port}"}
    assert [said for said in complaints(page) if "422" not in said] == []


def test_with_a_token_the_page_asks_for_it_once(browser: "Chrome", serve: Serve) -> None:
    with serve(token=TOKEN) as served:
        browser.get(served.url)
        wait_until(lambda: find(browser, "#locked").is_displayed(), "the question for the token")
        find(browser, "#locked input").send_keys(TOKEN + "\n")
        wait_until(lambda: browser.find_elements("css selector", "body[data-ready]"), "the page")
        assert "token" not in browser.current_url
        find(browser, "#files").send_keys(str(a_sound("organ-hymn")))
        wait_until(lambda: "organ-hymn," in find(browser, "#results").text, "the prediction", 60)
