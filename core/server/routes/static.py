"""The page's files, by name. They are read once: no request ever leads to a path."""

import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGE = Path(__file__).parents[1] / "page"


def page_routes() -> list[Route]:
    """A route for every file of the page, and ``/`` for its first."""
    routes = [_route(f"/{path.name}", path) for path in sorted(PAGE.iterdir())]
    return [_route("/", PAGE / "index.html"), *routes]


def _route(address: str, path: Path) -> Route:
    content, kind = path.read_bytes(), mimetypes.guess_type(path.name)[0]

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return Route(address, answer, include_in_schema=False)
