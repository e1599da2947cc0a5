"""A real server over a loopback port: what it answers, and that it is what the classifier says."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client as sockets
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from core.inference import Classifier
from core.inference.batch.export import LabelRules
from core.inference.types import as_plain
from core.runs.directory import register, registered
from core.runs.lock import RunLock
from tests.support.served import PROBLEM, TOKEN, Serve, Served, a_run, chord, encoded, epoch, pcm
from tests.support.small_model import a_sound
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def classifier(model: Path) -> Classifier:
    return Classifier.load(model, "cpu")


def song() -> Path:
    return a_sound("organ-hymn")


def plain(classifier: Classifier, path: Path) -> dict[str, object]:
    """What ``classify --json`` says about a file, but for where it lies."""
    prediction = classifier.classify_file(path)
    return {**as_plain(prediction, LabelRules().labels_of(prediction)), "path": path.name}


def approx(content: object) -> object:
    """Equal but for the last digits: a batch of another size adds in another order."""
    if isinstance(content, float):
        return pytest.approx(content, abs=2e-5)
    if isinstance(content, dict):
        return {key: approx(value) for key, value in content.items()}
    return [approx(value) for value in content] if isinstance(content, list) else content


def test_a_body_is_answered_as_on_the_command_line(server: Served, classifier: Classifier) -> None:
    answer = server.client.post("/v1/classify", content=song().read_bytes(), headers={"X-File-Name": song().name})
    assert answer.status_code == 200
    assert answer.json() == approx(plain(classifier, song()))


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "WAV", "AIFF", "MP3"])
def test_other_formats_and_rates(server: Served, kind: str) -> None:
    answer = server.classify(encoded(chord(7, rate=44_100), 44_100, kind)).json()
    assert answer["duration_s"] == pytest.approx(7, abs=0.1)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_a_form_of_several_files_keeps_their_order_and_names(server: Served, classifier: Classifier) -> None:
    paths = [a_sound("saw-wall"), a_sound("drums-fast"), a_sound("bass-pulse", 1)]
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    files.insert(1, ("file", ("../../etc/notes.txt", b"no audio")))
    results = server.client.post("/v1/classify", files=files, data={"note": "is passed over"}).json()["results"]
    assert results[1] == {"path": "notes.txt", "error": "is not audio, or its beginning is damaged"}
    del results[1]
    assert results == approx([plain(classifier, path) for path in paths])


def test_top_and_segments(server: Served) -> None:
    full = server.classify(song().read_bytes()).json()
    short = server.classify(song().read_bytes(), top=2, segments=False).json()
    assert "segments" not in short
    assert list(short["probabilities"].items()) == approx(
        sorted(full["probabilities"].items(), key=lambda item: -item[1])[:2]
    )
    with_segments = server.classify(song().read_bytes(), top=1).json()["segments"]
    assert [len(segment["probabilities"]) for segment in with_segments] == [1] * len(full["segments"])


@pytest.mark.parametrize(
    ("path", "options", "status", "kind"),
    [
        ("/v1/classify", {"content": b"this is no audio at all"}, 422, "unreadable"),
        ("/v1/classify", {"content": b""}, 400, "empty"),
        ("/v1/classify", {"content": encoded(chord(0.05))}, 422, "unreadable"),
        ("/v1/classify?top=0", {"content": b"x"}, 422, "bad-parameter"),
        ("/v1/classify?segments=perhaps", {"content": b"x"}, 422, "bad-parameter"),
        ("/v1/classify", {"data": {"file": "a field, no file"}, "files": {"x": (None, b"y")}}, 400, "empty"),
        ("/v1/classify", {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
         400, "bad-form"),
        ("/v1/classify", {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad-form"),
        ("/nowhere", {"content": b"x"}, 404, "not-found"),
        ("/v1/models", {"content": b"x"}, 405, "method-not-allowed"),
    ],
)  # fmt: skip
def test_refusals_are_problems(server: Served, path: str, options: dict[str, Any], status: int, kind: str) -> None:
    answer = server.client.post(path, **options)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert answer.json()["type"] == f"urn:genre-tui:{kind}"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_a_form_that_breaks_off_is_refused(server: Served) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.wav"\r\n\r\n' + encoded(chord(3))
    answer = server.client.post(
        "/v1/classify", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 400
    assert "ends too early" in answer.json()["detail"]


def test_no_path_of_the_server_is_read_on_a_client_s_word(server: Served, model: Path) -> None:
    for path in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", f"/{model}"):
        answer = server.client.get(path)
        assert answer.status_code == 404
        assert b"root:" not in answer.content
    for name in ("..", "%2e%2e", "..%2f..", str(model.parent).replace("/", "%2f"), "%00"):
        assert server.client.get(f"/v1/runs/{name}").status_code == 404
        assert server.client.get(f"/v1/runs/{name}/events").status_code == 404
    files = {"file": (str(model), b"file:///etc/passwd")}
    assert "error" in server.client.post("/v1/classify", files=files).json()["results"][0]
    playlist = b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n"
    assert server.classify(playlist).status_code == 422


def test_what_it_says_of_itself(server: Served, classifier: Classifier) -> None:
    assert server.client.get("/v1/health").json()["status"] == "ok"
    (model,) = server.client.get("/v1/models").json()["models"]
    assert (model["name"], model["genres"], model["window_seconds"]) == (classifier.model, classifier.genres, 3.0)
    server.classify(song().read_bytes())
    metrics = server.client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'genre_tui_requests_total{method="POST",route="/v1/classify",status="200"}' in metrics.text
    assert "genre_tui_spooled_bytes 0.0" in metrics.text


def test_the_description_names_every_route_with_examples(server: Served) -> None:
    document = server.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/classify", "/v1/models", "/v1/health", "/v1/runs", "/v1/runs/{name}", "/v1/runs/{name}/events", "/metrics"
    }  # fmt: skip
    known = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["200"]["content"]
    references = _references(document)
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in known
    answer = server.classify(song().read_bytes()).json()
    assert set(answer) == set(known["Prediction"]["properties"])
    assert set(answer["segments"][0]) == set(known["Segment"]["properties"])
    # What is shown as an example looks like what is sent.
    (example,) = known["Prediction"]["examples"]
    assert {"genre", "segments", "labels"} <= set(example) <= set(answer)


def test_health_can_be_asked_for_without_a_body(server: Served) -> None:
    answer = server.client.head("/v1/health")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_file_whose_name_comes_only_in_the_extended_form_is_taken(server: Served) -> None:
    head = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''na%C3%AFve%20song.wav\r\n\r\n"
    body = b"--b\r\n" + head.encode() + encoded(chord(3)) + b"\r\n--b--\r\n"
    answer = server.client.post(
        "/v1/classify", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert [result["path"] for result in answer.json()["results"]] == ["naïve song.wav"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/runs/none/events", {"Last-Event-ID": "9" * 5000}, 422),
        ("/v1/runs/none/events", {"Last-Event-ID": "²"}, 404),
        ("/v1/runs/none/events?from=" + "9" * 5000, {}, 422),
        ("/v1/classify?top=" + "9" * 5000, {}, 422),
        ("/v1/classify", {"Content-Type": "multipart/form-data; boundary=" + "b" * 300}, 400),
        ("/v1/classify", {"Content-Type": "multipart/form-data; boundary*=x'y'%ff"}, 400),
        ("/v1/models", {"Authorization": b"Bearer \xff\xfe\xe9"}, 200),
        ("/v1/models", {"Cookie": b"genre_tui_token_80=\xff; =;;;\x80"}, 200),
        ("/?token=%ff%00", {}, 303),
    ],
)
def test_odd_requests_are_answered_with_a_reason(
    server: Served, path: str, headers: dict[str, str | bytes], status: int
) -> None:
    raw = {name: value.encode() if isinstance(value, str) else value for name, value in headers.items()}
    method = "POST" if "classify" in path else "GET"
    answer = server.client.request(method, path, headers=raw, content=b"x" if method == "POST" else None)  # type: ignore[arg-type]
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["content-type"] == PROBLEM and answer.json()["detail"]


def _references(content: object) -> list[str]:
    if isinstance(content, dict):
        own = [content["$ref"]] if "$ref" in content else []
        return own + [found for value in content.values() for found in _references(value)]
    return [found for value in content for found in _references(value)] if isinstance(content, list) else []


def listen(server: Served, data: bytes, size: int, address: str) -> list[dict[str, Any]]:
    with sockets.connect(server.url.replace("http", "ws") + address) as socket:
        for start in range(0, len(data), size):
            socket.send(data[start : start + size])
        socket.send("end")
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["type"] == "segment":
            messages.append(json.loads(socket.recv(30)))
    return messages


def test_live_sound_gets_the_segments_of_the_same_file(server: Served) -> None:
    y = chord(10.3, rate=16_000)
    whole = server.classify(encoded(y, 16_000)).json()
    # Pieces of an odd number of bytes: a sample may be cut in two.
    *segments, end = listen(server, pcm(y), 3333, "/v1/live?rate=16000")
    assert end == {"type": "end", "seconds": 10.3}
    for segment, expected in zip(segments, whole["segments"], strict=True):
        assert segment.pop("type") == "segment"
        expected.pop("probabilities"), segment.pop("probabilities")
        assert segment == approx(expected)


def test_live_sound_is_answered_while_it_comes(server: Served) -> None:
    with sockets.connect(server.url.replace("http", "ws") + "/v1/live?rate=8000&overlap=0.5") as socket:
        socket.send(pcm(chord(3.2, rate=8000)))
        first = json.loads(socket.recv(30))
        assert (first["start_s"], first["end_s"]) == (0.0, 3.0)
        socket.send(pcm(chord(1.5, rate=8000)))
        second = json.loads(socket.recv(30))
        assert (second["start_s"], second["end_s"]) == (1.5, 4.5)


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("/v1/live", "state the sample rate"),
        ("/v1/live?rate=fast", "whole number"),
        ("/v1/live?rate=1", "outside"),
        ("/v1/live?rate=8000&overlap=1", "from 0 to 0.9"),
        ("/v1/live?rate=8000&overlap=nan", "from 0 to 0.9"),
    ],
)
def test_a_live_socket_that_cannot_be_is_refused_with_a_problem(server: Served, address: str, detail: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        sockets.connect(server.url.replace("http", "ws") + address)
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert detail in json.loads(response.body)["detail"]


def test_a_word_that_is_not_sound_ends_a_live_socket(server: Served) -> None:
    with sockets.connect(server.url.replace("http", "ws") + "/v1/live?rate=8000") as socket:
        socket.send("hello")
        assert json.loads(socket.recv(30))["status"] == 400
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(30)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def test_runs_and_their_state(server: Served, runs_dir: Path) -> None:
    _, journal = a_run(runs_dir, "listed")
    journal.write(epoch(1))
    (run,) = [run for run in server.client.get("/v1/runs").json()["runs"] if run["name"] == "listed"]
    assert (run["epochs_done"], run["epochs"]) == (1, 9)
    assert "path" not in run
    state = server.client.get("/v1/runs/listed").json()
    assert [row["epoch"] for row in state["history"]] == [1]
    assert server.client.get("/v1/runs/absent").json()["type"] == "urn:genre-tui:no-such-run"


def test_only_runs_of_its_own_folder_are_served(server: Served, tmp_path: Path) -> None:
    run, _ = a_run(tmp_path, "of-another-folder")
    register(run)
    assert run in registered()
    with RunLock(run.lock_path):
        assert run.name not in [listed["name"] for listed in server.client.get("/v1/runs").json()["runs"]]
        assert server.client.get(f"/v1/runs/{run.name}").status_code == 404
        assert server.client.get(f"/v1/runs/{run.name}/events").status_code == 404


def events(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_events_from_any_number_on(server: Served, runs_dir: Path) -> None:
    _, journal = a_run(runs_dir, "told")
    for number in range(1, 6):
        journal.write(epoch(number))
    for first in range(8):
        text = server.client.get("/v1/runs/told/events", params={"follow": False, "from": first}).text
        assert [seq for seq, _, _ in events(text)] == list(range(first, 6))
    seq, kind, event = events(text := server.client.get("/v1/runs/told/events?follow=false&from=5").text)[0]
    assert (seq, kind, event["epoch"], event["kind"]) == (5, "epoch_finished", 5, "epoch_finished")
    again = server.client.get("/v1/runs/told/events?follow=false", headers={"Last-Event-ID": "3"}).text
    assert [seq for seq, _, _ in events(again)] == [4, 5]
    assert text


def test_events_are_sent_as_they_are_written(server: Served, runs_dir: Path) -> None:
    _, journal = a_run(runs_dir, "followed")
    with server.client.stream("GET", "/v1/runs/followed/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: run_started"
        for number in (1, 2):
            journal.write(epoch(number))
            assert next(line for line in lines if line.startswith("id:")) == f"id: {number}"


def test_a_token_is_asked_for_everywhere_but_for_health_and_the_empty_page(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(token=TOKEN) as served:
        assert served.client.get("/v1/models").status_code == 200
        served.client.headers.pop("Authorization")
        for path in ("/v1/models", "/v1/runs", "/v1/runs/x/events", "/metrics"):
            answer = served.client.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.headers["content-type"] == PROBLEM
        assert served.classify(encoded(chord(3))).status_code == 401
        with pytest.raises(InvalidStatus) as refused:
            sockets.connect(served.url.replace("http", "ws") + "/v1/live?rate=8000")
        assert refused.value.response.status_code == 401
        assert capfd.readouterr().err == ""  # the log has no line for each
        assert served.client.get("/v1/health").status_code == 200
        assert served.client.get("/").status_code == 200
        assert served.client.get("/?token=wrong").status_code == 401
        welcome = served.client.get(f"/?token={TOKEN}")
        assert (welcome.status_code, welcome.headers["location"]) == (303, "./")
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert served.client.get("/v1/models").status_code == 200  # by the cookie


def test_other_origins_are_kept_out(server: Served) -> None:
    assert server.client.get("/v1/models", headers={"Origin": "http://evil.example"}).status_code == 403
    assert server.client.get("/v1/models", headers={"Host": "evil.example"}).status_code == 403
    assert server.client.get("/v1/models", headers={"Origin": server.url}).status_code == 200
    with pytest.raises(InvalidStatus) as refused:
        sockets.connect(server.url.replace("http", "ws") + "/v1/live?rate=8000", origin=Origin("http://evil.example"))
    assert refused.value.response.status_code == 403


def test_the_page_fetches_nothing_from_elsewhere(server: Served) -> None:
    page = server.client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("", "main.js", "live.js", "runs.js", "files.js", "style.css", "recorder-worklet.js"):
        text = server.client.get(f"/{name}").text
        assert "://" not in text.replace("http://www.w3.org", "")


def test_told_to_stop_it_answers_what_it_has_taken_in(serve: Serve, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with serve(runs=runs, audio_seconds=2000.0) as served:
        a_run(runs, "followed")
        answers = []
        body = encoded(chord(300))
        asking = threading.Thread(target=lambda: answers.append(served.classify(body)))
        with (
            served.client.stream("GET", "/v1/runs/followed/events") as stream,
            sockets.connect(served.url.replace("http", "ws") + "/v1/live?rate=8000") as socket,
        ):
            lines = stream.iter_lines()
            next(lines)
            asking.start()
            wait_until(lambda: _windows(served) > 0, "the first window")
            assert served.stop() == 0
            asking.join(30)
            assert [answer.status_code for answer in answers] == [200]
            assert answers[0].json()["duration_s"] == 300
            assert list(lines)  # it has ended, in order
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012


def _windows(served: Served) -> float:
    lines = served.client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("genre_tui_windows_total")).split()[1])


def test_nothing_is_left_behind(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve() as served:
        (spool,) = tmp_path.glob("genre-tui-uploads-*")
        served.classify(song().read_bytes())
        served.classify(b"no audio")
        assert not list(spool.iterdir())
        decoders = served.decoders()
        assert decoders
        assert served.stop() == 0
        assert not spool.exists()
        assert not [decoder for decoder in decoders if decoder.is_running()]
