"""Who may ask: tokens, and what a browser must not be talked into.

A server on a loopback address asks for no token of its own accord, but a web page that somebody visits can reach it
too: by sending requests across origins, or by giving a name of its own this machine's address (DNS rebinding). The
headers that browsers do not let pages forge tell both.
"""

import hmac
import ipaddress
import os
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from core.util.errors import UserError

COOKIE = "genre_tui_token"
TOKEN_VARIABLE = "GENRE_TUI_TOKEN"


class Refused(Exception):
    """``status`` is 401 or 403; the text says why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Auth:
    """The rule of one server. Headers are given with lower-case names."""

    def __init__(self, token: str | None, host: str, port: int) -> None:
        self._token = token
        self._loopback = is_loopback(host)
        # Cookies do not tell ports apart, but two servers on one machine have two tokens.
        self.cookie = f"{COOKIE}_{port}"

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """
        Raises:
            Refused: a page of somebody else's is asking.
        """
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            raise Refused(403, "pages of another origin may not use this server")
        # A token is proof enough; behind a proxy the server may have any name.
        if self._token is None and self._loopback and not is_loopback(_hostname(host)):
            raise Refused(403, f"this server is called localhost, not {host!r}")

    def check_token(self, headers: Mapping[str, str]) -> None:
        """
        Raises:
            Refused: a token is needed, and none or another was sent.
        """
        if not any(self.is_token(given) for given in self._given(headers) or [""]):
            raise Refused(401, "a token is needed: send it as Authorization: Bearer TOKEN")

    def is_token(self, given: str) -> bool:
        """Compares in constant time; always true where no token is needed."""
        return self._token is None or hmac.compare_digest(given.encode(), self._token.encode())

    def _given(self, headers: Mapping[str, str]) -> list[str]:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        given = [credentials.strip()] if scheme.lower() == "bearer" else []
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            morsel = None
        return [*given, morsel.value] if morsel else given


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_token(host: str, token_file: Path | None, *, insecure: bool, always: bool = False) -> str | None:
    """The token that clients must send; None where none is needed.

    It comes from ``token_file`` or the variable GENRE_TUI_TOKEN, which other users of the machine cannot read, as they
    could an argument. Where one is needed and none was given, a new one is made.

    Args:
        insecure: the user has written out that no token is wanted.
        always: a token is needed on a loopback address too.

    Raises:
        UserError: the file cannot be read, or the token is too short to be one.
    """
    if insecure:
        return None
    given = os.environ.get(TOKEN_VARIABLE)
    if token_file is not None:
        try:
            given = token_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the token file {token_file} cannot be read: {error}") from error
    if given is not None:
        given = given.strip()
        if len(given) < 16 or not given.isascii() or not given.isprintable() or any(c in given for c in ' ";,\\'):
            raise UserError("a token needs 16 or more ASCII characters without spaces and quotes")
        return given
    return secrets.token_urlsafe(24) if always or not is_loopback(host) else None
