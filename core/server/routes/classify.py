"""``POST /v1/classify``: the verdict on uploaded files."""

import asyncio
from contextlib import ExitStack
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from core.inference.batch.labels import Labels
from core.inference.types import Prediction, Result, Unreadable, as_plain
from core.server.openapi import CLASSIFY
from core.server.problems import Problem
from core.server.service import Service
from core.server.uploads.multipart import receive_uploads

router = APIRouter(prefix="/v1", tags=["classify"])


@router.post("/classify", summary="Classify audio files", openapi_extra=CLASSIFY)
async def classify(
    request: Request,
    top: Annotated[int | None, Query(ge=1, description="name only so many of the likeliest genres")] = None,
    segments: Annotated[bool, Query(description="the verdict on every window too")] = True,
) -> Response:
    """One file as the body is answered with one object, a multipart form with `{"results": [...]}`, an object a file
    in the order of its parts. Each is what `genre-tui classify --json` prints."""
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
    """One file's refusal does not cost the others their answers."""
    if isinstance(answer, Problem):
        return Unreadable(path=name, error=answer.detail)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _plain(result: Result, top: int | None, segments: bool) -> dict[str, Any]:
    plain = as_plain(result, Labels().of(result) if isinstance(result, Prediction) else [], top)
    if not segments:
        plain.pop("segments", None)
    return plain


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
