"""The description of the interface for tools: schemas made from the very structs that are sent, with examples."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from core.inference.types import Prediction, Unreadable
from core.runs.summary import Summary
from core.server.problems import MEDIA_TYPE

PREDICTION = {
    "path": "take five.mp3",
    "genre": "jazz",
    "probability": 0.91,
    "probabilities": {"jazz": 0.91, "blues": 0.06, "classical": 0.03},
    "uncertain": False,
    "reason": None,
    "duration_s": 5.2,
    "segments": [
        {
            "start_s": 0.0,
            "end_s": 3.0,
            "genre": "jazz",
            "probabilities": {"jazz": 0.94, "blues": 0.04, "classical": 0.02},
            "uncertain": False,
            "reason": None,
        },
        {
            "start_s": 2.2,
            "end_s": 5.2,
            "genre": "jazz",
            "probabilities": {"jazz": 0.87, "blues": 0.09, "classical": 0.04},
            "uncertain": False,
            "reason": None,
        },
    ],
    "stretches": [{"start_s": 0.0, "end_s": 5.2, "genre": "jazz", "probability": 0.905, "reason": None}],
    "model": "2026-11-22_14-03-11_gtzan-mini_small-cnn",
    "warning": None,
    "labels": ["jazz"],
}
UNREADABLE = {"path": "notes.txt", "error": "is not audio, or its beginning is damaged"}
SUMMARY = {
    "name": "2026-11-22_14-03-11_gtzan-mini_small-cnn",
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
STATE = {"name": SUMMARY["name"], "state": "running", "epoch": 8, "epochs": 20, "history": [
    {"epoch": 7, "train_loss": 0.171, "train_accuracy": 0.969, "val_loss": 0.951, "val_accuracy": 0.71},
]}  # fmt: skip
EVENT = (
    "id: 41\nevent: epoch_finished\n"
    'data: {"kind":"epoch_finished","schema":1,"seq":41,"time":1795442632.1,"epoch":7,"train_loss":0.171,'
    '"train_accuracy":0.969,"val_loss":0.951,"val_accuracy":0.71,"learning_rate":0.001,"is_best":true}\n\n'
)
MODEL = {
    "name": SUMMARY["name"],
    "network": "small_cnn",
    "genres": ["blues", "classical", "jazz"],
    "sample_rate": 22050,
    "window_seconds": 3.0,
    "temperature": 1.3,
    "device": "cpu",
}


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
                one_file_as_the_body=PREDICTION,
                a_form_with_two_files={"results": [PREDICTION, UNREADABLE]},
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
                runs={"runs": [SUMMARY]},
            ),
        },
        **UNAUTHORISED,
    }
}
RUN: dict[str, Any] = {
    "responses": {
        "200": {"description": "The folded journal", "content": _json({"type": "object"}, part_of_it=STATE)},
        **UNAUTHORISED,
        **NO_SUCH_RUN,
    }
}
EVENTS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "Server-sent events, until the client goes away",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EVENT}},
        },
        **UNAUTHORISED,
        **NO_SUCH_RUN,
    }
}
MODELS: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "What answers `/v1/classify` and `/v1/live`",
            "content": _json({"type": "object"}, models={"models": [MODEL]}),
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
