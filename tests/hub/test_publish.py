"""What is pushed comes back bit by bit, with a card that says what it is."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from zoo.analysis.known_crystals import KnownCrystals
from zoo.errors import HubError, InputError
from zoo.hub import card as hubcard
from zoo.hub import publish, pull
from zoo.models.checkpoint import weights
from zoo.registry import backbones
from zoo.registry.backbones import CRYSTALS_FILE
from zoo.registry.cards import LIBRARY, Card

if TYPE_CHECKING:
    from support.hubmachine import Machine

TOKEN = "hf_" + "s3cr3t" * 5
EXAMPLES = Path(__file__).parents[2] / "examples"


def zoo(machine: Machine, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoo", *arguments]
    env = machine.environment(**environment)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fine-tuning of three seeds' networks, trained for an epoch on real moduli."""
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.run import finetune

    folder = tmp_path_factory.mktemp("runs")
    table, out = folder / "bulk_modulus.csv", folder / "moduli"
    pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#", nrows=200).to_csv(table, index=False)
    options = Options("bulk-modulus", table, mode="mixture", backbone="dEf-10k", seeds=2, epochs=1, n_train=20)
    finetune(options, out, quiet=True)
    return out


def renamed(run: Path, folder: Path) -> Path:
    """Write crystals that a run was trained on as a table with other ids."""
    table = pd.read_csv(run.parent / "bulk_modulus.csv")
    trained = backbones.training_ids(Card.read(run / "README.md"))
    rows = table[table.material_id.isin(trained)].head(5)
    rows.assign(material_id=[f"mine-{row}" for row in range(5)]).to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


def test_a_run_is_pushed_and_predicts_the_same_on_another_machine(machine: Machine, run: Path, tmp_path: Path) -> None:
    machine.server.token = TOKEN
    pushed = zoo(machine, "push", str(run), "ada/moduli", HF_TOKEN=TOKEN)
    assert pushed.returncode == 0, pushed.stderr
    commit = machine.server.repositories["ada/moduli"].commit
    assert f"pull it    zoo pull hf://ada/moduli@{commit}" in pushed.stdout
    assert machine.server.asked("/api/models/ada/moduli/commit/main") == 1, "one commit"

    files = machine.server.repositories["ada/moduli"].files
    assert set(files) == {
        ".gitattributes",
        "model.safetensors",
        "config.json",
        "README.md",
        "metrics.json",
        "splits.json",
        CRYSTALS_FILE,
        "parity.png",
        "coverage.png",
        "elements.png",
    }
    other = {"HF_HOME": str(tmp_path / "other"), "ZOO_CACHE": str(tmp_path / "other-zoo"), "HOME": str(tmp_path / "h")}
    table = str(run.parent / "bulk_modulus.csv")
    here = zoo(machine, "predict", str(run), table, "--out", str(tmp_path / "here.csv"))
    assert here.returncode == 0, here.stderr
    there = zoo(machine, "predict", f"hf://ada/moduli@{commit}", table, "--out", str(tmp_path / "there.csv"), **other)
    assert there.returncode == 0, there.stderr
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()
    assert len((tmp_path / "here.csv").read_text().splitlines()) > 20
    snapshot = tmp_path / "other" / "hub" / "models--ada--moduli" / "snapshots" / commit
    fetched = {"model.safetensors", "config.json", "README.md", "splits.json", CRYSTALS_FILE}
    assert {path.name for path in snapshot.iterdir()} == fetched, "pictures and errors are for people"
    # What it was trained on came along: to fine-tune from it on its own rows is called what it is.
    tune = ["finetune", table, "--task", "bulk-modulus", "--backbone", f"hf://ada/moduli@{commit}", "--mode", "full"]
    tuned = zoo(machine, *tune, "--epochs", "1", "--seed", "5", "--out", str(tmp_path / "tuned"), **other)
    assert tuned.returncode == 0, tuned.stderr
    assert "test rows are crystals that ada/moduli was trained on, on this very property" in tuned.stderr
    # So did the list by which its crystals are recognised, whatever their ids.
    salt = ["predict", f"hf://ada/moduli@{commit}", str(renamed(run, tmp_path)), "--known", "--out"]
    known = zoo(machine, *salt, str(tmp_path / "known.csv"), **other)
    assert known.returncode == 0, known.stderr
    notes = pd.read_csv(tmp_path / "known.csv").note
    assert notes.str.startswith("the same crystal as").all()
    for name in ("model.safetensors", "config.json"):
        assert (snapshot / name).read_bytes() == (run / name).read_bytes(), "bit-equal"

    # The token went to the Hub alone, and into nothing that is written or shown.
    assert machine.server.authorized
    assert not [request for request in machine.server.authorized if request.startswith("localhost")], "not to storage"
    assert TOKEN not in pushed.stdout + pushed.stderr
    assert not [name for name, data in files.items() if TOKEN.encode() in data]

    again = zoo(machine, "push", str(run), "ada/moduli", HF_TOKEN=TOKEN)
    assert f"ada/moduli has these bytes already, at commit {commit}" in again.stdout
    assert machine.server.repositories["ada/moduli"].commit == commit


def test_the_card_of_a_run(here: Machine, run: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard, ModelCardData

    parcel = publish.pack(run, "ada/moduli", license="cc-by-4.0")
    assert here.server.requests == [], "a card is written without the Hub"
    data = ModelCard(parcel.readme).data  # as the Hub's own client reads it
    assert isinstance(data, ModelCardData)
    assert data.to_dict()["library_name"] == LIBRARY
    assert data.license == "cc-by-4.0"
    assert data.base_model == "crystal-zoo/dEf-10k"
    assert data.get("base_model_relation") == "finetune"
    assert data.datasets == ["bulk_modulus"]
    assert data.metrics == ["mae"]
    metrics = json.loads((run / "metrics.json").read_text())
    measured = metrics["methods"][metrics["model"]]["test"]
    assert data.eval_results is not None
    results = {result.metric_type: result for result in data.eval_results}
    assert {kind: result.metric_value for kind, result in results.items()} == {
        kind: pytest.approx(measured[kind]["mean"], rel=5e-4) for kind in measured
    }
    assert results["mae"].metric_name == "mae (GPa)"
    assert results["mae"].task_name == "K_VRH (GPa)"
    assert results["mae"].dataset_name == "20 test rows, mean over 2 seeds"

    card = Card.parse(parcel.readme)
    assert (card.name, card.repo_id, card.revision, card.bundled) == ("moduli", "ada/moduli", None, False)
    sizes = {item.name: (item.size, item.sha256) for item in parcel.items}
    assert {file.name: (file.size, file.sha256) for file in card.files} == {
        name: sizes[name] for name in ("model.safetensors", "config.json")
    }
    for section in (
        "## Results on test rows",
        "## Intended use",
        "## How to load",
        "## Limits",
        "## Training elements",
    ):
        assert parcel.readme.count(section) == 1
    assert "path/to" not in parcel.readme, "the run's own advice is for its folder"
    assert "not an error bar" in parcel.readme

    # What the card says of loading is run as it stands.
    publish.push(parcel)
    (code,) = re.findall(r"```python\n(.*?)```", parcel.readme, re.DOTALL)
    (tmp_path / "load.py").write_text(code, encoding="utf-8")
    scope = runpy.run_path(str(tmp_path / "load.py"))
    assert scope["model"].predict(scope["salt"]).unit[0] == "GPa"


def test_a_dry_run_shows_everything_and_opens_no_socket(machine: Machine, run: Path) -> None:
    forbid = "import sys\ndef refuse(event, args):\n    if event in ('socket.connect', 'socket.getaddrinfo'):\n        "
    forbid += "raise SystemExit('a socket was opened')\nsys.addaudithook(refuse)\nfrom zoo.cli import main\nmain()"
    command = [sys.executable, "-c", forbid, "push", str(run), "ada/moduli", "--dry-run"]
    environment = machine.environment(HF_TOKEN=TOKEN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert machine.server.requests == []
    parcel = publish.pack(run, "ada/moduli")
    for item in parcel.items:
        assert re.search(rf"^{re.escape(item.name)} +{item.size:,} +{item.sha256}$", done.stdout, re.MULTILINE)
    assert parcel.readme.strip() in done.stdout
    assert "dry run: nothing was sent to ada/moduli" in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_private_branches_and_pull_requests(here: Machine, run: Path) -> None:
    parcel = publish.pack(run, "ada/moduli")
    secret = publish.push(parcel, private=True)
    assert here.server.repositories["ada/moduli"].private
    assert secret.changed
    assert secret.entry.revision == secret.commit

    other = publish.pack(run, "ada/other")
    first = publish.push(other, revision="trial")
    found = here.server.repositories["ada/other"]
    assert found.branches == {"trial": first.commit}
    assert set(found.files) == {".gitattributes"}, "the main branch is as it was"
    request = publish.push(other, create_pr=True)
    assert request.pull_request == f"{here.server.url}/ada/other/discussions/1"
    assert found.branches["refs/pr/1"] == request.commit
    assert set(found.files) == {".gitattributes"}

    with pytest.raises(HubError, match=r"ada/other exists on .* and is public; nothing was sent"):
        publish.push(other, private=True)
    with pytest.raises(InputError, match="leave --revision out"):
        publish.push(other, create_pr=True, revision="trial")
    with pytest.raises(InputError, match="is not the name of a branch"):
        publish.push(other, revision="../main")


def test_the_entry_registers_what_was_pushed(here: Machine, run: Path, shelf: object, tmp_path: Path) -> None:
    parcel = publish.pack(run, "ada/moduli")
    pushed = publish.push(parcel)
    shelf("zoo-ada", {"moduli.md": pushed.entry.render()})  # type: ignore[operator]
    assert pull.status(backbones.get("moduli")) == "on the Hub"
    pulled = pull.pull("moduli")
    assert (pulled.origin, pulled.revision) == ("hub", pushed.commit)
    assert (pulled.directory / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()

    publish.write_package(pushed.entry, tmp_path / "package", parcel.items)
    card = Card.read(tmp_path / "package" / "zoo_moduli" / "moduli.md")
    assert card.revision == pushed.commit
    assert backbones.training_ids(card) == backbones.training_ids(Card.read(run / "README.md")) != frozenset()
    path = backbones.crystals_file(card)
    assert path is not None
    assert set(KnownCrystals.read(path).ids) == backbones.training_ids(card)
    project = (tmp_path / "package" / "pyproject.toml").read_text()
    assert '[project.entry-points."zoo.backbones"]\nzoo-moduli = "zoo_moduli"' in project
    with pytest.raises(InputError, match="already exists"):
        publish.write_package(pushed.entry, tmp_path / "package", parcel.items)


def test_nothing_is_pushed_that_should_not_be(here: Machine, run: Path, tmp_path: Path) -> None:
    for repo in ("moduli", "a/b/c", "a/../b", "a b/c", "-a/b"):
        with pytest.raises(InputError, match="is not the name of a repository; write owner/name"):
            publish.pack(run, repo)
    with pytest.raises(InputError, match="not an identifier of a licence"):
        publish.pack(run, "ada/moduli", license="CC BY; DROP")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("model.safetensors", "config.json", "README.md"):
        (copy / name).write_bytes((run / name).read_bytes())
    (copy / "README.md").write_text((run / "README.md").read_text() + f"\nI used {TOKEN}.\n")
    with pytest.raises(InputError, match=r"README\.md seems to contain a token"):
        publish.pack(copy, "ada/moduli")
    (copy / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes()[:-4])
    with pytest.raises(Exception, match="is damaged"):
        publish.pack(copy, "ada/moduli")
    assert here.server.requests == []


def test_weights_that_nobody_could_pull_are_not_pushed(
    here: Machine, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.hub.publish.limit_of", lambda name: 1000 if name == "model.safetensors" else 10**6)
    with pytest.raises(
        InputError, match="zoo pulls at most 1,000, so it does not push more; fit it with fewer --seeds"
    ):
        publish.pack(run, "ada/moduli")
    assert here.server.requests == []


def test_a_checkpoint_without_a_card(here: Machine, run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("model.safetensors", "config.json"):
        (bare / name).write_bytes((run / name).read_bytes())
    card = Card.parse(publish.pack(bare, "ada/bare").readme)
    assert (card.target, card.unit, card.transform) == ("K_VRH", "GPa", "log10")
    assert card.training.source == "not recorded"
    assert card.elements == weights.read_config(run).elements


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("bad token", "does not accept the token|requires authentication"),
        ("forbidden", r"forbids write to ada/moduli \(403\); check the token's permissions"),
        ("out of order", r"has a server error \(status 503\); try again later"),
        ("too many", r"too many requests from here \(429\); wait"),
        ("html", "is not a Hugging Face Hub"),
    ],
)
def test_a_hub_that_refuses_a_push(here: Machine, run: Path, fault: str, said: str) -> None:
    parcel = publish.pack(run, "ada/moduli")
    here.server.fault = fault  # type: ignore[assignment]
    with pytest.raises(HubError, match=said) as caught:
        publish.push(parcel)
    assert "\n" not in str(caught.value)
    assert here.server.repositories == {}


def test_the_shelf_is_published_once_and_pinned(here: Machine, tmp_path: Path) -> None:
    ours = tmp_path / "cards"
    shutil.copytree(backbones.card_folder(backbones.get("dEf-10k")), ours)

    planned = (
        "license: mit\nzoo:\n  name: planned\n  title: to come\n  repo_id: x/planned\n  target: H_V\n  unit: GPa\n"
    )
    planned += "  training: {source: a table, license: CC0}\n"
    (ours / "planned.md").write_text(f"---\n{planned}---\n\nNot published yet.\n")

    def cards() -> list[Card]:
        return [Card.read(ours / f"{name}.md") for name in ("dEf-10k", "multi-113k", "planned")]

    before = {path: path.read_bytes() for path in ours.rglob("*") if path.is_file()}
    said: list[str] = []
    assert [pushed for _, _, pushed in publish.publish_shelf(cards(), "ada", dry_run=True)] == [None, None]
    assert here.server.requests == []
    first = list(publish.publish_shelf(cards(), "ada", say=said.append))
    assert said == ["planned: left out, it has no weights yet"]
    assert [(card.name, pushed.repo, pushed.changed) for card, _, pushed in first if pushed] == [
        ("dEf-10k", "ada/dEf-10k", True),
        ("multi-113k", "ada/multi-113k", True),
    ]
    for _, parcel, pushed in first:
        assert pushed is not None
        card = Card.read(ours / f"{pushed.entry.name}.md")
        assert (card.repo_id, card.revision) == (pushed.repo, pushed.commit)
        assert card.published
        assert hubcard.NOT_THERE not in " ".join(card.body.split()), "the prose no longer says so"
        assert hubcard.NOT_THERE not in " ".join(parcel.readme.split())
        there = pull.pull(f"hf://{pushed.repo}@{pushed.commit}")
        assert pull.verify(there.directory, card), "and it is what the card pins"
        assert there.card is not None
        assert backbones.training_ids(there.card) == backbones.training_ids(card) != frozenset()
        listed = set(KnownCrystals.read(there.directory / CRYSTALS_FILE).ids)
        assert len(listed) > 0.99 * len(backbones.training_ids(card))
        assert listed <= backbones.training_ids(card)
        recipe = here.server.repositories[pushed.repo].files["recipe.toml"]
        assert there.card.training.recipe == "recipe.toml"
        assert recipe == (ours / str(card.training.recipe)).read_bytes()
    changed = {path.name for path, data in before.items() if path.read_bytes() != data}
    assert changed == {"dEf-10k.md", "multi-113k.md"}
    assert set(before) == {path for path in ours.rglob("*") if path.is_file()}, "nothing is left over"

    after = {path: path.read_bytes() for path in before}
    second = list(publish.publish_shelf(cards(), "ada"))
    assert [pushed.changed for _, _, pushed in second if pushed] == [False, False]
    assert here.server.asked("POST /api/models/ada/dEf-10k/commit") == 1
    assert {path: path.read_bytes() for path in before} == after
