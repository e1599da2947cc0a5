"""The server behind nginx: under another name, port and path, with and without TLS in front."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import websockets.sync.client as sockets
from websockets.typing import Origin

from core.server.auth import Auth, Refused
from core.util.errors import UserError
from tests.support.paths import ROOT
from tests.support.served import Serve, Served, chord, encoded
from tests.support.waiting import wait_until

NGINX = shutil.which("nginx")
TOKEN = "a-token-of-some-length"
Proxy = Callable[[int, int], AbstractContextManager[None]]


def snippet() -> str:
    """The location that docs/server.md tells people to use."""
    text = (ROOT / "docs" / "server.md").read_text()
    return text[text.index("location /genres/") : text.index("}", text.index("location /genres/")) + 1]


@pytest.fixture
def proxy(tmp_path: Path) -> Proxy:
    @contextmanager
    def start(public: int, port: int) -> Iterator[None]:
        config = tmp_path / "nginx.conf"
        location = snippet().replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        temporary = "".join(
            f"{kind}_temp_path {tmp_path};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{public}; {location} }} }}"
        )
        process = subprocess.Popen(
            [str(NGINX), "-e", str(tmp_path / "error.log"), "-p", str(tmp_path), "-c", str(config)]
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    return start


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize("token", [None, TOKEN])
def test_page_uploads_and_live_sound_go_through_nginx(
    serve: Serve, proxy: Proxy, free_port: int, token: str | None
) -> None:
    base = f"http://localhost:{free_port}/genres"
    with serve(token=token, public_url=base) as served, proxy(free_port, served.port):
        client = httpx.Client(headers={"Origin": f"http://localhost:{free_port}"}, trust_env=False, timeout=60)
        wait_until(lambda: _answers(client, f"{base}/v1/health"), "nginx")
        page = client.get(f"{base}/?token={TOKEN}", follow_redirects=True)
        assert (page.status_code, str(page.url)) == (200, f"{base}/")
        assert 'href="/' not in page.text and 'action="/"' not in page.text
        answer = client.post(f"{base}/v1/classify", content=encoded(chord(3)))
        assert answer.status_code == 200 and answer.json()["genre"]
        assert client.get(f"{base}/openapi.json").json()["servers"] == [{"url": base}]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        address = base.replace("http", "ws") + "/v1/live?rate=8000"
        origin = Origin(f"http://localhost:{free_port}")
        with sockets.connect(address, additional_headers=headers, origin=origin) as socket:
            socket.send("end")
            assert "end" in str(socket.recv(10))
        assert client.get(f"{base}/v1/models", headers={"Origin": "http://evil.example"}).status_code == 403


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("prefix", ["", "/genres"])
def test_a_proxy_that_changes_host_port_and_path_is_told_by_the_public_url(serve: Serve, prefix: str) -> None:
    """As nginx does with a plain ``proxy_pass``, with and without a path of its own."""
    with serve(public_url="https://music.example:8443/genres/") as served:
        own = {"Origin": "https://music.example:8443"}
        for host in ("127.0.0.1:8080", "music.example"):
            answer = served.client.get(f"{prefix}/v1/models", headers=own | {"Host": host})
            assert answer.status_code == 200
        for origin in ("http://music.example:8443", "https://music.example", "https://evil.example"):
            assert served.client.get(f"{prefix}/v1/models", headers={"Origin": origin}).status_code == 403
        assert served.client.get("/v1/models", headers={"Host": "evil.example"}).status_code == 403


def test_without_a_public_url_the_refusal_says_what_to_do(server: Served) -> None:
    answer = server.client.get("/v1/models", headers={"Origin": "https://music.example"})
    assert "--public-url" in answer.json()["detail"]


@pytest.mark.parametrize("url", ["music.example", "ftp://music.example", "https://", "https://[", "https://x/?a=b"])
def test_a_public_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="--public-url"):
        Auth(None, "127.0.0.1", 80, url)


def test_a_prefix_is_taken_off_whole_parts_of_a_path_only() -> None:
    auth = Auth(None, "127.0.0.1", 80, "https://music.example/genres")
    paths = ["/genres/v1/health", "/v1/health", "/genres/", "/genres", "/genres2/x", "/"]
    assert [auth.local_path(path) for path in paths] == ["/v1/health", "/v1/health", "/", "/genres", "/genres2/x", "/"]
    with pytest.raises(Refused):
        auth.check_origin({"host": "127.0.0.1", "origin": "null"})
