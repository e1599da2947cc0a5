"""Responses of the HTTP API: types, which FastAPI describes in ``/openapi.json``, and problems (RFC 9457).

Predictions and summaries are msgspec structs; `described` derives a Pydantic model from one, so that fields are
declared once.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import reduce
from http import HTTPStatus
from operator import or_
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.inference import types
from core.runs import summary

MEDIA_TYPE = "application/problem+json"
LINGER_SECONDS = 2.0


class Problem(Exception):
    """An error response. ``kind`` is stable and meant for programs, ``detail`` for people."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, *, unread: bool = False
    ) -> None:
        """Args:
        unread: the request body has not been read to its end.
        """
        super().__init__(detail)
        self.status, self.kind, self.detail, self.unread = status, kind, detail, unread
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, object]:
        title = HTTPStatus(self.status).phrase
        return {"type": f"urn:genre-tui:{self.kind}", "title": title, "status": self.status, "detail": self.detail}

    def response(self) -> Response:
        kind = _ClosingResponse if self.unread else Response
        return kind(msgspec.json.encode(self.as_dict()), self.status, self.headers, MEDIA_TYPE)


class _ClosingResponse(Response):
    """Responds before the request body has been read, discards some of the rest, then closes the connection.

    Otherwise the kernel would answer the rest of the body with a reset, which many clients report instead of the
    response.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        self.headers["connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def described(struct: type[msgspec.Struct], *, without: str = "", example: Any = None, **more: Any) -> type[BaseModel]:
    """Derive a Pydantic model from a struct.

    Args:
        without: a field that is not sent.
        example: the example in the description.
        more: additional fields with their types.
    """
    hints = get_type_hints(struct)
    fields: dict[str, Any] = {
        field.name: (_described_type(hints[field.name]), _default(field))
        for field in msgspec.structs.fields(struct)
        if field.name != without
    }
    fields |= {name: (kind, ...) for name, kind in more.items()}
    config = ConfigDict(json_schema_extra={"examples": [example]} if example else {})
    return create_model(struct.__name__, __config__=config, __doc__=struct.__doc__, **fields)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return Field(default_factory=field.default_factory)
    return ... if field.required else field.default


def _described_type(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return described(kind)
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return reduce(or_, map(_described_type, get_args(kind)))
    if get_origin(kind) is list:
        return list[_described_type(get_args(kind)[0])]  # type: ignore[misc]
    return kind


RUN = "gtzan-mini-quick-3"
_WINDOW = {"start_s": 0.0, "end_s": 5.2, "genre": "jazz", "reason": None}
PREDICTION = {
    "path": "take five.mp3",
    "genre": "jazz",
    "probability": 0.91,
    "probabilities": {"jazz": 0.91, "blues": 0.06, "classical": 0.03},
    "uncertain": False,
    "reason": None,
    "duration_s": 5.2,
    "segments": [_WINDOW | {"probabilities": {"jazz": 0.91, "blues": 0.06, "classical": 0.03}, "uncertain": False}],
    "stretches": [_WINDOW | {"probability": 0.91}],
    "model": RUN,
    "warning": None,
    "labels": ["jazz"],
}
SUMMARY = {
    "name": RUN,
    "state": "running",
    "model": "small_cnn",
    "dataset": "gtzan-mini",
    "epochs_done": 7,
    "epochs": 20,
    "best_val_accuracy": 0.71,
    "test_accuracy": None,
    "started": 1795442591.0,
    "seconds": 41.5,
}
EVENT = (
    "id: 41\nevent: epoch_finished\n"
    'data: {"kind":"epoch_finished","schema":1,"seq":41,"time":1795442632.1,"epoch":7,"train_loss":0.171,'
    '"train_accuracy":0.969,"val_loss":0.951,"val_accuracy":0.71,"learning_rate":0.001,"is_best":true}\n\n'
)

Prediction = described(types.Prediction, example=PREDICTION, labels=list[str])
Unreadable = described(types.Unreadable, example={"path": "notes.txt", "error": "is not audio"})
Summary = described(summary.Summary, without="path", example=SUMMARY)
Results = create_model("Results", results=(list[Prediction | Unreadable], ...))  # type: ignore[valid-type]
Runs = create_model("Runs", runs=(list[Summary], ...))  # type: ignore[valid-type]


class Health(BaseModel):
    status: Literal["ok", "stopping"]
    seconds: float
    """Seconds since the server started."""


class Model(BaseModel):
    name: str
    network: str
    genres: list[str]
    sample_rate: int
    window_seconds: float
    temperature: float
    device: str


class Models(BaseModel):
    """A list of one, so that clients need not change when there are more."""

    models: list[Model]


class ProblemDetail(BaseModel):
    """Why a request was refused (RFC 9457). ``type`` is stable."""

    type: str
    title: str
    status: int
    detail: str


_REFUSALS = {
    400: "The multipart form is damaged, or holds no file",
    401: "A token is needed: send it as Authorization: Bearer TOKEN",
    404: "There is no run of that name",
    408: "The body arrives too slowly",
    413: "The body, a file or its sound is too large",
    422: "A parameter or a file cannot be used",
    503: "The server is busy; Retry-After says when to try again",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can fail with these statuses."""
    content = {MEDIA_TYPE: {"schema": ProblemDetail.model_json_schema()}}
    return {status: {"description": _REFUSALS[status], "content": content} for status in statuses}


_FILE = {"type": "string", "format": "binary"}
CLASSIFY_BODY = {
    "requestBody": {
        "required": True,
        "description": "One audio file as the body, or several as the parts of a form. Any format that "
        "`genre-tui classify` takes; the content decides, not the type or the name.",
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "array", "items": _FILE}}}
            },
            "audio/*": {"schema": _FILE},
            "application/octet-stream": {"schema": _FILE},
        },
    }
}
ABOUT = """
Music genres from sound. Every answer to a refused request is `application/problem+json`.

Live sound goes to the socket `/v1/live?rate=HZ`, which OpenAPI cannot describe: send binary
messages of 16-bit little-endian mono PCM; every full window is answered with a text message
`{"type": "segment", "start_s", "end_s", "genre", "probabilities", ...}`. The text message `end` asks for the window
that ends with the sound, and is answered with `{"type": "end", "seconds"}`. `overlap`, from 0 to 0.9, makes windows
follow each other faster.
"""
