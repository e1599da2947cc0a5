"""``GET /v1/runs``: training runs, one run, and its journal as server-sent events."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from core.runs.directory import list_runs
from core.runs.folder import RunFolder
from core.server.openapi import EVENTS, RUN, RUNS
from core.server.problems import Problem
from core.server.routes.event_stream import EventStream
from core.server.service import Service

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.get("", summary="What runs there are", openapi_extra=RUNS)
async def runs(request: Request) -> Response:
    """The newest first, each as `genre-tui runs --json` prints it, without its place on the server's disk."""
    service: Service = request.app.state.service
    async with service.runs_lock:
        summaries = await asyncio.to_thread(service.runs.refresh)
    plain: list[dict[str, Any]] = msgspec.to_builtins(summaries)
    for summary in plain:
        del summary["path"]
    return _json({"runs": plain})


@router.get("/{name}", summary="The state of a run", openapi_extra=RUN)
async def run(request: Request, name: str) -> Response:
    """As `genre-tui show --json` prints it."""
    folder = await _find(request, name)
    state = await asyncio.to_thread(folder.state)
    return _json(state.as_dict())


@router.get(
    "/{name}/events", summary="A run's journal, as it is written", response_class=Response, openapi_extra=EVENTS
)
async def events(
    request: Request,
    name: str,
    first: Annotated[int, Query(alias="from", ge=0, description="sequence number to begin with")] = 0,
    follow: Annotated[bool, Query(description="go on with what is written from now on")] = True,
    last_event_id: Annotated[str | None, Header(description="what a browser sends when it connects again")] = None,
) -> Response:
    """Server-sent events: `id` is the sequence number, `event` the kind, `data` the event as JSON."""
    if last_event_id is not None and last_event_id.isdecimal():
        first = int(last_event_id) + 1
    return EventStream(request.app.state.service, await _find(request, name), first, follow=follow)


async def _find(request: Request, name: str) -> RunFolder:
    """Only what is listed can be asked for: a name is compared, never made into a path."""
    service: Service = request.app.state.service
    for folder in await asyncio.to_thread(list_runs, service.runs_dir):
        if folder.name == name:
            return folder
    raise Problem(404, "no-such-run", "there is no run of that name")


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
