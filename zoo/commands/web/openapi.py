"""The description of the JSON interface in OpenAPI 3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from zoo import __version__
from zoo.commands.web.answers import Contributions, Failure, Predictions, Service, Structure
from zoo.commands.web.uploads import LIMITS

if TYPE_CHECKING:
    from pydantic import BaseModel

_BODIES: tuple[type[BaseModel], ...] = (Service, Predictions, Contributions, Failure, Structure)


def document() -> dict[str, Any]:
    """Return the description, as it is served at ``/openapi.json``."""
    schemas, definitions = models_json_schema(
        [(each, "serialization") for each in _BODIES], ref_template="#/components/schemas/{model}"
    )
    references = {each: schemas[each, "serialization"] for each in _BODIES}

    def body(kind: type[BaseModel]) -> dict[str, Any]:
        return {"application/json": {"schema": references[kind]}}

    def answers(kind: type[BaseModel], what: str, *refusals: int) -> dict[str, Any]:
        found: dict[str, Any] = {"200": {"description": what, "content": body(kind)}}
        return found | {str(code): {"description": _REFUSALS[code], "content": body(Failure)} for code in refusals}

    files = {
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "description": f"Structure files: CIF, POSCAR, extended XYZ, JSON; at most {LIMITS.files}, "
                f"{LIMITS.bytes // 1_000_000} MB and {LIMITS.crystals} crystals together.",
            }
        },
    }
    text = {"type": "string"}
    ready = {"status": text, "version": text, "models": {"type": "array", "items": text}}
    health = {"application/json": {"schema": {"type": "object", "properties": ready}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zoo serve",
            "version": __version__,
            "description": "Predictions of properties of crystals. Nothing that is sent is kept.",
        },
        "paths": {
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the server is ready",
                    "responses": {"200": {"description": "It is.", "content": health}},
                }
            },
            "/api/models": {
                "get": {
                    "operationId": "models",
                    "summary": "The models, what they predict, and the limits of a request",
                    "responses": answers(Service, "The models."),
                }
            },
            "/api/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "Predict the crystals in structure files",
                    "description": "Files that cannot be used are listed in `rejected`, with reasons; the others are "
                    "predicted. If none can be used, the answer is an error.",
                    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": files}}},
                    "responses": answers(Predictions, "The predictions.", 400, 408, 413, 415, 422, 503),
                }
            },
            "/api/contributions": {
                "post": {
                    "operationId": "contributions",
                    "summary": "What each model reads from each atom of a crystal",
                    "description": "The prediction that a network reads from each atom's vector alone. On average over "
                    "the atoms it is near the prediction for the crystal. For cells of at most 100 atoms.",
                    "requestBody": {"required": True, "content": body(Structure)},
                    "responses": answers(Contributions, "The contributions.", 400, 408, 413, 422, 503),
                }
            },
        },
        "components": {"schemas": definitions["$defs"]},
    }


_REFUSALS = {
    400: "The request is not one.",
    408: "The request did not arrive in time.",
    413: "The request is too large.",
    415: "The request is not multipart/form-data.",
    422: "No crystal in it can be used.",
    503: "The server is busy; the header Retry-After says when to try again.",
}
