"""The server's answers, over HTTP."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.webclient import ask, send

from zoo import __version__
from zoo.commands.web.app import PAGE
from zoo.jobs.predict import load

if TYPE_CHECKING:
    from pathlib import Path


def content(*paths: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in paths]


def test_it_is_healthy_and_says_what_it_serves(server) -> None:
    status, found = ask(f"{server.address}/health")
    assert (status, found) == (200, {"status": "ok", "version": __version__, "models": ["dEf-113k", "tiny"]})
    _, found = ask(f"{server.address}/api/models")
    first, second = found["models"]
    assert (first["label"], first["unit"], first["level"]) == ("Formation energy ΔE_f", "eV/atom", None)
    assert (second["label"], second["target"]) == ("e", "e")
    assert found["known"]


def test_predictions_are_those_of_the_model(server, cifs: dict[str, Path]) -> None:
    status, found = send(server.address, *content(cifs["NaCl"], cifs["SrTiO3"]))
    assert status == 200
    assert [each["formula"] for each in found["crystals"]] == ["NaCl", "SrTiO3"]
    expected = load("dEf-113k").predict([cifs["NaCl"], cifs["SrTiO3"]]).prediction.tolist()
    predicted = [each["predictions"][0]["prediction"] for each in found["crystals"]]
    assert predicted == pytest.approx(expected, abs=1e-5)
    assert predicted[0] == pytest.approx(-2.1, abs=0.2)  # eV/atom, from -411 kJ/mol in the CRC Handbook
    assert found["crystals"][0]["known"][0]["id"] == "mp-22862"
    # An untrained network has seen oxygen alone.
    assert found["crystals"][0]["predictions"][1]["note"] == "Cl, Na never occurred in the training set"


def test_the_table_has_the_columns_of_predict(server, cifs: dict[str, Path]) -> None:
    _, found = send(server.address, *content(cifs["ZnO"]))
    (row,) = csv.DictReader(io.StringIO(found["csv"]))
    assert list(row)[:5] == ["id", "prediction_dEf-113k", "unit_dEf-113k", "spread_dEf-113k", "note_dEf-113k"]
    assert list(row)[-3:] == ["formula", "atoms", "file"]
    prediction = found["crystals"][0]["predictions"][0]["prediction"]
    assert float(row["prediction_dEf-113k"]) == pytest.approx(prediction, rel=1e-5)


def test_what_can_be_used_is_predicted_and_the_rest_has_reasons(server, cifs: dict[str, Path]) -> None:
    status, found = send(server.address, ("notes.cif", b"no crystal"), *content(cifs["Si"]))
    assert status == 200
    assert [each["id"] for each in found["crystals"]] == ["Si"]
    (rejected,) = found["rejected"]
    assert rejected["file"] == "notes.cif"
    assert "data_" in rejected["reason"]


def test_contributions_of_what_was_predicted(server, cifs: dict[str, Path]) -> None:
    _, predicted = send(server.address, *content(cifs["CsCl"]))
    (crystal,) = predicted["crystals"]
    body = json.dumps(crystal["structure"]).encode()
    status, found = ask(f"{server.address}/api/contributions", body, content_type="application/json")
    assert status == 200
    values = found["contributions"][0]["values"]
    assert sum(values) / 2 == pytest.approx(crystal["predictions"][0]["prediction"], abs=0.2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not a structure: Invalid JSON"),
        (b"{}", "not a structure: lattice: Field required"),
        (b'{"lattice": [[3,0,0],[0,3,0],[0,0,3]], "symbols": ["Xy"], "positions": [[0,0,0]]}', "unknown element: Xy"),
        (b'{"lattice": [[3,0,0],[0,3,0],[0,0,0]], "symbols": ["Si"], "positions": [[0,0,0]]}', "volume"),
        (b'{"lattice": [[3,0,0],[0,3,0],[0,0,3]], "symbols": ["Si"], "positions": []}', "positions"),
    ],
    ids=["no JSON", "nothing", "element", "flat", "short"],
)
def test_a_structure_that_is_none_is_refused(server, body: bytes, message: str) -> None:
    status, found = ask(f"{server.address}/api/contributions", body, content_type="application/json")
    assert status == 422
    assert message in found["error"]


def test_fifty_requests_at_once_get_the_same_answer(server, cifs: dict[str, Path]) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send(server.address, *content(cifs["ZnO"])), range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({found["crystals"][0]["predictions"][0]["prediction"] for _, found in answers}) == 1


def test_the_page_loads_nothing_from_elsewhere(server) -> None:
    for name in ("", "docs", *(f"page/{each.name}" for each in PAGE.iterdir())):
        status, text = ask(f"{server.address}/{name}")
        assert status == 200
        assert "http://" not in text
        assert "https://" not in text


@pytest.mark.parametrize("path", ["nothing", "page/", "../serve.py", "page/../serve.py", "page/%2e%2e/serve.py"])
def test_other_addresses_are_refused_in_json(server, path: str) -> None:
    status, found = ask(f"{server.address}/{path}")
    assert status == 404
    assert found["error"].endswith(" here; /docs lists what there is")


def test_what_is_sent_to_is_not_read(server) -> None:
    status, found = ask(f"{server.address}/api/predict")
    assert (status, found["error"]) == (405, "/api/predict takes POST and not GET; /docs says what is sent there")
    status, found = ask(f"{server.address}/", b"")
    assert (status, found["error"]) == (405, "/ takes GET, HEAD and not POST; /docs says what is sent there")
