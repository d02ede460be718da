"""The description agrees with what is served."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from support.webclient import ask, send

from zoo.commands.web.openapi import document

if TYPE_CHECKING:
    from pathlib import Path


def schema_of(operation: dict[str, Any], code: str) -> dict[str, Any]:
    return operation["responses"][code]["content"]["application/json"]["schema"]


def check(value: Any, schema: dict[str, Any]) -> None:
    """Check a value against a schema, as far as our own schemas go."""
    if "$ref" in schema:
        check(value, document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif "anyOf" in schema:
        kinds = {"number": (int, float), "string": str, "null": type(None)}
        assert isinstance(value, tuple(kinds[each["type"]] for each in schema["anyOf"]))  # type: ignore[arg-type]
    elif "enum" in schema:
        assert value in schema["enum"]
    elif schema["type"] == "object" and "properties" in schema:
        assert value.keys() <= schema["properties"].keys()
        assert set(schema.get("required", ())) <= value.keys()
        for name, each in value.items():
            check(each, schema["properties"][name])
    elif schema["type"] == "array":
        for each in value:
            check(each, schema["items"])
    else:
        kinds = {"string": str, "number": int | float, "integer": int, "boolean": bool, "object": dict}
        assert isinstance(value, kinds[schema["type"]]), (value, schema)


def test_answers_have_the_described_form(server, cifs: dict[str, Path]) -> None:
    paths = document()["paths"]
    assert ask(f"{server.address}/openapi.json")[1] == document()
    check(ask(f"{server.address}/health")[1], schema_of(paths["/health"]["get"], "200"))
    check(ask(f"{server.address}/api/models")[1], schema_of(paths["/api/models"]["get"], "200"))
    predict = paths["/api/predict"]["post"]
    _, found = send(server.address, (cifs["ZnO"].name, cifs["ZnO"].read_bytes()), ("x.cif", b""))
    check(found, schema_of(predict, "200"))
    status, refused = send(server.address, ("x.cif", b""))
    check(refused, schema_of(predict, str(status)))
    body = json.dumps(found["crystals"][0]["structure"]).encode()
    _, found = ask(f"{server.address}/api/contributions", body, content_type="application/json")
    check(found, schema_of(paths["/api/contributions"]["post"], "200"))


def test_all_references_are_there() -> None:
    text = json.dumps(document())
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names
    assert names <= document()["components"]["schemas"].keys()
