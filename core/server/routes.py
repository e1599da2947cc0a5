"""The HTTP routes: classify uploads, list and follow runs, health and metrics."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.inference.batch.export import LabelRules
from core.inference.types import Prediction, Result, Unreadable, as_plain
from core.runs.directory import list_runs
from core.runs.folder import RunFolder
from core.runs.journal.events import AnyEvent
from core.runs.journal.journal import JournalReader
from core.server import schemas
from core.server.schemas import Problem
from core.server.service import Service
from core.server.uploads import receive_uploads

# The middleware checks the token; this says so in the description.
router = APIRouter(dependencies=[Depends(HTTPBearer(scheme_name="token", auto_error=False))])
open_router = APIRouter()
"""Answered without a token."""


@router.post(
    "/v1/classify",
    tags=["classify"],
    summary="Classify audio files",
    response_model=schemas.Prediction | schemas.Results,
    responses=schemas.refusals(400, 401, 408, 413, 422, 503),
    openapi_extra=schemas.CLASSIFY_BODY,
)
async def classify(
    request: Request,
    top: Annotated[int | None, Query(ge=1, description="only this many of the likeliest genres")] = None,
    segments: Annotated[bool, Query(description="include the prediction for every window")] = True,
) -> Response:
    """One file as the body is answered with one object, a multipart form with `{"results": [...]}`, one object per
    file in the order of its parts. Each is what `genre-tui classify --json` prints."""
    service: Service = request.app.state.service
    with ExitStack() as held:
        uploads, is_form = await receive_uploads(request, service.spool, service.limits, held)
        async with service.requests.one():
            answers = await asyncio.gather(*map(service.classify, uploads), return_exceptions=True)
    if is_form:
        results = [_result(upload.name, answer) for upload, answer in zip(uploads, answers, strict=True)]
        return _json({"results": [_plain(result, top, segments) for result in results]})
    if isinstance(answers[0], BaseException):
        raise answers[0]
    if isinstance(answers[0], Unreadable):
        raise Problem(422, "unreadable", f"the file {answers[0].error}")
    return _json(_plain(answers[0], top, segments))


def _result(name: str, answer: Result | BaseException) -> Result:
    """One file that cannot be used does not affect the others."""
    if isinstance(answer, Problem):
        return Unreadable(path=name, error=answer.detail)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _plain(result: Result, top: int | None, segments: bool) -> dict[str, Any]:
    plain = as_plain(result, LabelRules().labels_of(result) if isinstance(result, Prediction) else [], top)
    if not segments:
        plain.pop("segments", None)
    return plain


@router.get(
    "/v1/runs",
    tags=["runs"],
    summary="The training runs, newest first",
    response_model=schemas.Runs,
    responses=schemas.refusals(401),
)
async def runs(request: Request) -> Response:
    """Each run as `genre-tui runs --json` prints it, without its path on the server."""
    service: Service = request.app.state.service
    async with service.runs_lock:
        summaries = await asyncio.to_thread(service.runs.refresh)
    plain: list[dict[str, Any]] = msgspec.to_builtins(summaries)
    for summary in plain:
        del summary["path"]
    return _json({"runs": plain})


@router.get(
    "/v1/runs/{name}",
    tags=["runs"],
    summary="The state of a run",
    response_model=dict[str, Any],
    responses=schemas.refusals(401, 404),
)
async def run(request: Request, name: str) -> Response:
    """The run's state as `genre-tui show --json` prints it."""
    folder = await _find(request, name)
    state = await asyncio.to_thread(folder.state)
    return _json(state.as_dict())


PIECE = 256 * 1024
"""Bytes of the journal read at a time."""
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15
"""Seconds between comments that keep the connection alive through proxies while a run is quiet."""
GRACE_SECONDS = 5
"""Seconds that an event stream has to end when the server stops."""
MOST_DIGITS = 18


class EventStream(EventSourceResponse):
    """Server-sent events, for a limited number of clients at a time."""

    def __init__(self, service: Service, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, ping=HEARTBEAT_SECONDS, sep="\n", shutdown_grace_period=GRACE_SECONDS)
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._service.followers.one():
                await super().__call__(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)


@router.get(
    "/v1/runs/{name}/events",
    tags=["runs"],
    summary="The journal of a run, as it is written",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": schemas.EVENT}}},
        **schemas.refusals(401, 404, 422, 503),
    },
)
async def events(
    request: Request,
    name: str,
    first: Annotated[int, Query(alias="from", ge=0, description="sequence number to begin with")] = 0,
    follow: Annotated[bool, Query(description="continue with what is written from now on")] = True,
    last_event_id: Annotated[str | None, Header(description="sent by a browser that reconnects")] = None,
) -> Response:
    """Server-sent events: `id` is the sequence number, `event` the kind, `data` the event as JSON."""
    if last_event_id and last_event_id.isdecimal():
        if len(last_event_id) > MOST_DIGITS:
            raise Problem(422, "bad-parameter", "last-event-id: no event has such a number")
        first = int(last_event_id) + 1
    service: Service = request.app.state.service
    folder = await _find(request, name)
    return EventStream(service, _follow(service, folder, first, follow=follow))


async def _follow(service: Service, run: RunFolder, first: int, *, follow: bool) -> AsyncIterator[bytes]:
    """The events from sequence number ``first`` on, as text; until the server stops, with ``follow``."""
    reader = JournalReader(run.journal_path)
    while not service.stopping.is_set():
        found = await asyncio.to_thread(reader.read, PIECE)
        if text := b"".join(_as_text(event) for event in found if event.seq >= first):
            yield text
        if not found and not follow:
            return
        if not found:
            try:
                await asyncio.wait_for(service.stopping.wait(), POLL_SECONDS)
            except TimeoutError:
                continue


def _as_text(event: AnyEvent) -> bytes:
    plain = msgspec.to_builtins(event)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, plain["kind"].encode(), msgspec.json.encode(plain))


async def _find(request: Request, name: str) -> RunFolder:
    """Find a listed run by name: a name is compared, never turned into a path."""
    service: Service = request.app.state.service
    for folder in await asyncio.to_thread(list_runs, service.runs_dir):
        if folder.name == name:
            return folder
    raise Problem(404, "no-such-run", "there is no run of that name")


@open_router.get("/v1/health", tags=["about"], summary="The health of the server")
@open_router.head("/v1/health", include_in_schema=False)
async def health(request: Request) -> schemas.Health:
    """Needs no token."""
    service: Service = request.app.state.service
    seconds = round(time.time() - service.started, 1)
    return schemas.Health(status="stopping" if service.stopping.is_set() else "ok", seconds=seconds)


@router.get("/v1/models", tags=["about"], summary="The model in use", responses=schemas.refusals(401))
async def models(request: Request) -> schemas.Models:
    """The model behind `/v1/classify` and `/v1/live`."""
    service: Service = request.app.state.service
    classifier, network = service.classifier, service.network
    model = schemas.Model(
        name=classifier.model,
        network=network.name,
        genres=classifier.genres,
        sample_rate=classifier.sample_rate,
        window_seconds=round(classifier.window_seconds, 3),
        temperature=network.calibration.temperature,
        device=classifier.device,
    )
    return schemas.Models(models=[model])


@router.get(
    "/metrics",
    tags=["about"],
    summary="Counters, for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": "genre_tui_windows_total 640.0\n"}}},
        **schemas.refusals(401),
    },
)
async def metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
