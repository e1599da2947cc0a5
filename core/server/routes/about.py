"""What the server is: its model, whether it is well, and what it has counted."""

import time

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from core.server.openapi import HEALTH, METRICS, MODELS
from core.server.service import Service

router = APIRouter(tags=["about"])


@router.get("/v1/health", summary="Whether the server is well", openapi_extra=HEALTH)
async def health(request: Request) -> dict[str, object]:
    """Answered without a token."""
    service: Service = request.app.state.service
    status = "stopping" if service.stopping.is_set() else "ok"
    return {"status": status, "seconds": round(time.time() - service.started, 1)}


@router.get("/v1/models", summary="The model that answers", openapi_extra=MODELS)
async def models(request: Request) -> dict[str, object]:
    """One for now; a list, so that clients need not change when there are more."""
    service: Service = request.app.state.service
    classifier, network = service.classifier, service.network
    return {
        "models": [
            {
                "name": classifier.model,
                "network": network.name,
                "genres": classifier.genres,
                "sample_rate": classifier.sample_rate,
                "window_seconds": round(classifier.window_seconds, 3),
                "temperature": network.calibration.temperature,
                "device": classifier.device,
            }
        ]
    }


@router.get("/metrics", summary="What was counted, for Prometheus", response_class=Response, openapi_extra=METRICS)
async def metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)
