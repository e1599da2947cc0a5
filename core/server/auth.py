"""Access control: listening addresses, tokens, cross-site requests and DNS rebinding.

A server on a loopback address requires no token by default, but web pages that its user visits can reach it by
cross-origin requests or by a host name that resolves to 127.0.0.1 (DNS rebinding). Both are detected by the headers
Origin and Host, which pages cannot forge.
"""

import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from core.util.errors import UserError, reason
from core.util.files import read_input

COOKIE = "genre_tui_token"
TOKEN_VARIABLE = "GENRE_TUI_TOKEN"


class Refused(Exception):
    """A request was refused; ``status`` is 401 or 403."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Auth:
    """The access rules of one server. Header names are lower-case.

    Attributes:
        public_url: the address that a proxy gives the server, without a trailing slash; empty without a proxy.
    """

    def __init__(self, token: str | None, host: str, port: int, public_url: str = "") -> None:
        """
        Raises:
            UserError: ``public_url`` is not an http or https address.
        """
        self._token = token
        self.public_url = public_url.rstrip("/")
        try:
            parts = urlsplit(self.public_url)
            self._public_host, self._prefix = parts.hostname or "", parts.path
        except ValueError:
            self._public_host = ""
        if public_url and (not self._public_host or parts.scheme not in ("http", "https") or parts.query):
            raise UserError(f"--public-url takes an address such as https://example.org/genres, not {public_url}")
        self._public_origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._loopback = is_loopback(host)
        # Cookies are shared between ports, but two servers on one machine have different tokens.
        self.cookie = f"{COOKIE}_{port}"

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Check that no page of another origin sends the request, and that the host name is this machine's.

        Raises:
            Refused: 403, one of them does not hold.
        """
        host = headers.get("host", "")
        origin = headers.get("origin")
        same = origin is None or origin.lower().partition("://")[2] == host.lower()
        if not same and not (self.public_url and str(origin).lower() == self._public_origin):
            raise Refused(
                403, "pages of another origin may not use this server; behind a proxy, start it with --public-url"
            )
        # The token suffices: behind a proxy the server may have any name.
        name = _hostname(host)
        known = is_loopback(name) or (self._public_host != "" and name == self._public_host)
        if self._token is None and self._loopback and not known:
            raise Refused(
                403,
                f"this server is reached as localhost, not {host!r}; behind a proxy, start it with --public-url",
            )

    def local_path(self, path: str) -> str:
        """The request's path without the prefix of the public address, which some proxies leave in place."""
        inner = path.removeprefix(self._prefix)
        return inner if inner != path and inner.startswith("/") else path

    def check_token(self, headers: Mapping[str, str]) -> None:
        """Check the token in the headers: a bearer token or a cookie.

        Raises:
            Refused: 401, a token is required, and none or a wrong one was sent.
        """
        if not any(self.is_token(given) for given in self._given(headers) or [""]):
            raise Refused(401, "a token is needed: send it as Authorization: Bearer TOKEN")

    @property
    def needs_token(self) -> bool:
        return self._token is not None

    def is_token(self, given: str) -> bool:
        """Compare in constant time; always True if no token is required."""
        return self._token is None or hmac.compare_digest(
            given.encode("utf-8", "surrogateescape"), self._token.encode()
        )

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
    """The token that clients must send; None if none is required.

    It is read from ``token_file`` or GENRE_TUI_TOKEN, which other users cannot see, unlike command-line arguments. A
    new one is generated if one is required and none is given.

    Args:
        insecure: the user asked for no token explicitly.
        always: require a token on a loopback address too.

    Raises:
        UserError: the file cannot be read, or the token is too short.
    """
    if insecure:
        return None
    given = os.environ.get(TOKEN_VARIABLE)
    if token_file is not None:
        try:
            given = read_input(token_file).decode(errors="replace")  # no valid token holds the replacement
        except OSError as error:
            raise UserError(f"the token file {token_file} cannot be read: {reason(error)}") from error
    if given is not None:
        given = given.strip()
        if len(given) < 16 or not given.isascii() or not given.isprintable() or any(c in given for c in ' ";,\\'):
            raise UserError("a token needs 16 or more ASCII characters without spaces and quotes")
        return given
    return secrets.token_urlsafe(24) if always or not is_loopback(host) else None


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 chooses a free port.

    Raises:
        UserError: the address does not belong to this machine, or is in use.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"a port is a number from 0 to 65535, not {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UserError(f"cannot listen on {host} port {port}: {reason(error)}") from error
