import hmac
from pathlib import Path

import pytest

from core.server import auth as access
from core.server.auth import Auth, Refused, choose_token, is_loopback
from core.util.errors import UserError

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org", ""])
def test_other_addresses(host: str) -> None:
    assert not is_loopback(host)


def test_only_other_addresses_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(access.TOKEN_VARIABLE, raising=False)
    assert choose_token("127.0.0.1", None, insecure=False) is None
    made = choose_token("0.0.0.0", None, insecure=False)
    assert made is not None and len(made) >= 32
    assert made != choose_token("0.0.0.0", None, insecure=False)
    assert choose_token("0.0.0.0", None, insecure=True) is None
    assert choose_token("127.0.0.1", None, insecure=False, always=True) is not None


def test_a_token_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(access.TOKEN_VARIABLE, TOKEN)
    assert choose_token("127.0.0.1", None, insecure=False) == TOKEN
    file = tmp_path / "token"
    file.write_text("another-token-of-length\n")
    assert choose_token("127.0.0.1", file, insecure=False) == "another-token-of-length"
    file.write_text("short")
    with pytest.raises(UserError, match="16 or more"):
        choose_token("127.0.0.1", file, insecure=False)
    with pytest.raises(UserError, match="cannot be read"):
        choose_token("127.0.0.1", tmp_path / "absent", insecure=False)


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    digest = hmac.compare_digest

    def recorded(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return digest(a, b)

    monkeypatch.setattr(hmac, "compare_digest", recorded)
    Auth(TOKEN, "0.0.0.0", 80).check_token({"authorization": f"Bearer {TOKEN}"})
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer \u00e9"},
        {"cookie": "genre_tui_token_80=wrong"},
        {"cookie": f"genre_tui_token_81={TOKEN}"},
    ],
)
def test_without_the_token_nothing_is_answered(headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        Auth(TOKEN, "0.0.0.0", 80).check_token(headers)
    assert refused.value.status == 401


def test_the_token_comes_in_a_header_or_a_cookie() -> None:
    rule = Auth(TOKEN, "0.0.0.0", 80)
    rule.check_token({"authorization": f"bearer {TOKEN}"})
    rule.check_token({"cookie": f"other=1; genre_tui_token_80={TOKEN}"})
    for other_place in ({"x-token": TOKEN}, {"cookie": f"genre_tui_token_81={TOKEN}"}):
        with pytest.raises(Refused):
            rule.check_token(other_place)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:81", "http://localhost:80.evil.example"]
)
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    with pytest.raises(Refused) as refused:
        Auth(TOKEN, "127.0.0.1", 80).check_origin({"host": "localhost:80", "origin": origin})
    assert refused.value.status == 403


@pytest.mark.parametrize("host", ["evil.example:80", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
def test_a_foreign_name_for_a_loopback_server_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        Auth(None, "127.0.0.1", 80).check_origin({"host": host})


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1:80", "[::1]:80", "localhost"])
def test_this_machine_s_own_names_are_served(host: str) -> None:
    rule = Auth(None, "127.0.0.1", 80)
    rule.check_origin({"host": host, "origin": f"http://{host}"})
    with pytest.raises(Refused):
        rule.check_origin({"host": host, "origin": f"http://{host.partition(':8')[0]}:81"})
