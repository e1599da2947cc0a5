"""The HTTP application: routes, the page, and one way to say no."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from core.server.auth import Auth
from core.server.middleware import AuthMiddleware
from core.server.openapi import describe
from core.server.problems import Problem
from core.server.routes import about, classify, live, runs
from core.server.routes.static import page_routes
from core.server.service import Service


def create_app(service: Service, access: Auth) -> ASGIApp:
    """The application for one service."""
    # FastAPI's own documentation pages fetch their script from elsewhere; /openapi.json is what tools read.
    app = FastAPI(title="genre-tui", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.service = service
    for routes in (classify, live, runs, about):
        app.include_router(routes.router)
    app.router.routes.extend(page_routes())
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
    return AuthMiddleware(app, access, service.metrics)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg'].lower()}" for e in error.errors())
    return Problem(422, "bad-parameter", said, unread=True).response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return Problem(error.status_code, kind, str(error.detail), error.headers, unread=True).response()


async def _failed(_: Request, error: Exception) -> Response:
    return Problem(500, "failed", "the server failed; its log says why").response()
