"""The description of the interface for tools: schemas made from the very structs that are sent, with examples."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from core.inference.prediction import Prediction, Unreadable
from core.runs.summary import Summary
from core.serving import examples
from core.serving.problems import MEDIA_TYPE

ABOUT = """
Music genres from sound. Every answer to a refused request is `application/problem+json`.

Sound that is still being made goes to the socket `/v1/live?rate=HZ`, which OpenAPI has no words for: send binary
messages of 16-bit little-endian mono PCM; every full window is answered with a text message
`{"type": "segment", "start_s", "end_s", "genre", "probabilities", ...}`. The text message `end` asks for the window
that ends with the sound, and is answered with `{"type": "end", "seconds"}`. `overlap`, from 0 to 0.9, makes windows
follow each other faster.
"""


def _json(schema: dict[str, Any], **examples: object) -> dict[str, Any]:
    named = {name.replace("_", " "): {"value": example} for name, example in examples.items()}
    return {"application/json": {"schema": schema, "examples": named}}


def _ref(struct: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


def _refusal(status: int, kind: str, title: str, detail: str) -> dict[str, Any]:
    example = {"type": f"urn:genre-tui:{kind}", "title": title, "status": status, "detail": detail}
    return {
        "description": detail[0].upper() + detail[1:],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


UNAUTHORISED = {
    "401": _refusal(401, "unauthorised", "Unauthorized", "a token is needed: send it as Authorization: Bearer TOKEN")
}
NO_SUCH_RUN = {"404": _refusal(404, "no-such-run", "Not Found", "there is no run of that name")}
BINARY = {"type": "string", "format": "binary"}

CLASSIFY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One audio file as the body, or several as the parts of a form. Any format that "
        "`genre-tui classify` takes; the content decides, not the type or the name.",
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "array", "items": BINARY}}}
            },
            "audio/*": {"schema": BINARY},
            "application/octet-stream": {"schema": BINARY},
        },
    },
    "responses": {
        "200": {
            "description": "The verdict on the body, or `results` with one entry a file of the form",
            "content": _json(
                {
                    "oneOf": [
                        _ref(Prediction),
                        {
                            "type": "object",
                            "required": ["results"],
                            "properties": {
                                "results": {
                                    "type": "array",
                                    "items": {"oneOf": [_ref(Prediction), _ref(Unreadable)]},
                                }
                            },
                        },
                    ]
                },
                one_file_as_the_body=examples.PREDICTION,
                a_form_with_two_files={"results": [examples.PREDICTION, examples.UNREADABLE]},
            ),
        },
        "400": _refusal(400, "bad-form", "Bad Request", "the multipart form breaks off before its end"),
        **UNAUTHORISED,
        "408": _refusal(408, "body-too-slow", "Request Timeout", "the body comes too slowly"),
        "413": _refusal(413, "body-too-large", "Request Entity Too Large", "a body may hold 104,857,600 bytes at most"),
        "422": _refusal(422, "unreadable", "Unprocessable Entity", "the file is not audio"),
        "503": _refusal(503, "busy", "Service Unavailable", "128 requests are under way; try again soon"),
    },
}
RUNS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "The runs, newest first",
            "content": _json(
                {"type": "object", "properties": {"runs": {"type": "array", "items": _ref(Summary)}}},
                runs={"runs": [examples.SUMMARY]},
            ),
        },
        **UNAUTHORISED,
    }
}
RUN: dict[str, Any] = {
    "responses": {
        "200": {"description": "The folded journal", "content": _json({"type": "object"}, part_of_it=examples.STATE)},
        **UNAUTHORISED,
        **NO_SUCH_RUN,
    }
}
EVENTS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "Server-sent events, until the client goes away",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": examples.EVENT}},
        },
        **UNAUTHORISED,
        **NO_SUCH_RUN,
    }
}
MODELS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "What answers `/v1/classify` and `/v1/live`",
            "content": _json({"type": "object"}, models={"models": [examples.MODEL]}),
        },
        **UNAUTHORISED,
    }
}
HEALTH: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "It is well",
            "content": _json({"type": "object"}, well={"status": "ok", "seconds": 12.3}),
        }
    }
}
METRICS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "Prometheus text format",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "genre_tui_windows_total 640.0\n"}},
        },
        **UNAUTHORISED,
    }
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
        _, structs = msgspec.json.schema_components(
            (Prediction, Unreadable, Summary), ref_template="#/components/schemas/{name}"
        )
        structs["Prediction"]["properties"]["labels"] = {"type": "array", "items": {"type": "string"}}
        structs["Summary"]["properties"].pop("path")
        structs["Summary"]["required"].remove("path")
        components = document.setdefault("components", {})
        components["schemas"] = {**structs, "Problem": _problem_schema()}
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}, {}]
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            # What FastAPI says of parameters it does not like is answered as a problem here.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                operation["responses"]["422"] = _refusal(422, "bad-parameter", "Unprocessable Entity", "top: too small")
        app.openapi_schema = document
    return app.openapi_schema


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "Why a request was refused (RFC 9457). `type` is stable.",
        "properties": {"type": text, "title": text, "status": {"type": "integer"}, "detail": text},
        "required": ["type", "title", "status", "detail"],
    }
