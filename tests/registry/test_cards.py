from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
import zoo.cards

from zoo.errors import CardError
from zoo.registry.cards import Card, CardArchitecture, CardResult, CardRows, File, GraphConfig, Hub, Training

SHIPPED = sorted(Path(zoo.cards.__path__[0]).glob("*.md"))

TEXT = """\
---
license: cc-by-4.0
datasets: [someone/their-set]
inference: false
zoo:
  name: net-1
  aliases: [Ünë]
  title: A network
  repo_id: owner/net-1
  revision: 0123456789abcdef0123456789abcdef01234567
  files:
    - {name: model.safetensors, size: 300000, sha256: AAA}
    - {name: config.json, size: 1200, sha256: BBB}
  target: K_VRH
  unit: GPa
  transform: log10
  architecture: {atom_features: 92, width: 64, convolutions: 3, head: 128, head_layers: 1, gaussians: 41}
  graph: {cutoff: 8, neighbors: 12, ties: environment}
  elements: [O, Si, "No"]
  training: {source: somewhere, license: CC0, rows: {train: 8, val: 1, test: 1}, ids: splits/net-1.json}
  results:
    - {metric: rmse, value: 20.5, unit: GPa, rows: test rows, n: 10}
    - {metric: mae, value: 0.07, unit: log10(GPa), rows: test rows, n: 10}
    - {metric: mae, value: 12.25, unit: GPa, rows: 10 test rows, n: 10, command: zoo evaluate net-1}
---

# Prose

---

with a rule in it.
""".replace("AAA", "a" * 64).replace("BBB", "b" * 64)


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


def test_fields_and_properties() -> None:
    card = Card.parse(TEXT, "net-1.md")
    assert card.name == "net-1"
    assert card.elements == ["O", "Si", "No"]
    assert card.architecture is not None
    assert card.architecture.width == 64
    assert card.graph == GraphConfig(cutoff=8.0, neighbors=12, ties="environment")
    assert card.test_mae == 12.25, "the mean absolute error in the card's unit, not the first number"
    assert card.published
    assert card.size == 301_200
    assert card.body == "# Prose\n\n---\n\nwith a rule in it."
    assert card.hub.license == "cc-by-4.0"
    assert card.hub.datasets == ["someone/their-set"]


def test_list_and_overview() -> None:
    card = Card.parse(TEXT)
    assert card.row("cached") == ("net-1", "K_VRH", "GPa", "8", "12.2", "0.30 MB", "cached")
    overview = json.loads(json.dumps(card.overview("cached")))
    assert overview["weights"] == "cached"
    assert overview["test_mae"] == 12.25
    assert overview["files"][0] == {"name": "model.safetensors", "size": 300_000, "sha256": "a" * 64}
    assert overview["license"] == "cc-by-4.0"
    planned = Card.read(Path(zoo.cards.__path__[0]) / "dEf-113k-mp.md")
    assert planned.row("not published yet")[3:] == ("", "", "", "not published yet")


def test_round_trip_keeps_everything() -> None:
    card = Card.parse(TEXT)
    again = Card.parse(card.render())
    assert again.body == card.body
    assert again.model_dump(exclude={"hub"}) == card.model_dump(exclude={"hub"})
    assert again.hub.model_extra == {"inference": False}
    assert Card.parse(again.render()) == again


def test_a_card_made_in_memory_renders_and_reads_back() -> None:
    card = Card(
        name="mine",
        title="My fine-tuned network",
        repo_id="me/mine",
        bundled=True,
        files=[File(name=name, size=1, sha256="0" * 64) for name in ("model.safetensors", "config.json")],
        target="n",
        unit="",
        architecture=CardArchitecture(
            atom_features=92, width=64, convolutions=3, head=128, head_layers=1, gaussians=41
        ),
        graph=GraphConfig(cutoff=8.0, neighbors=12, ties="order"),
        elements=["H"],
        training=Training(source="a table", license="mine", rows=CardRows(train=1, val=1, test=1), recipe={"lr": 0.01}),
        results=[CardResult(metric="mae", value=0.5, unit="", rows="1 row", n=1)],
        hub=Hub(license="mit"),
        body="Text.",
    )
    again = Card.parse(card.render())
    assert again.model_dump(exclude={"hub"}) == card.model_dump(exclude={"hub"})
    assert again.test_mae == 0.5
    assert not again.published


def test_model_index_has_the_hubs_shape_and_the_measured_values() -> None:
    from huggingface_hub.repocard_data import model_index_to_eval_results

    front = yaml.safe_load(Card.parse(TEXT).render().split("---")[1])
    name, results = model_index_to_eval_results(front["model-index"])
    assert name == "net-1"
    assert [(r.metric_type, r.metric_value) for r in results] == [
        ("rmse", 20.5),
        ("mae", 0.07),
        ("mae", 12.25),
    ]


@pytest.mark.parametrize(
    ("text", "field", "why"),
    [
        (changed("  target: K_VRH\n", ""), "zoo.target", "is missing"),
        (changed("  target:", "  traget:"), "zoo.target", "is missing; and 1 more"),
        (changed("  unit: GPa\n", "  unit: GPa\n  uint: x\n"), "zoo.uint", "no such field"),
        (changed("a" * 64, "a" * 63), "zoo.files.0.sha256", "it is 'aaa"),
        (changed("a" * 64, "A" * 64), "zoo.files.0.sha256", "it is 'AAA"),
        (changed("name: config.json", "name: ../../evil.json"), "zoo.files.1.name", "evil"),
        (changed("name: config.json", "name: model.pkl"), "zoo.files.1.name", "model.pkl"),
        (changed("name: config.json", "name: README.md"), "zoo", "config.json is missing"),
        (changed("name: config.json", "name: model.safetensors"), "zoo", "twice"),
        (changed("size: 1200", "size: -1"), "zoo.files.1.size", "-1"),
        (changed("  revision: 0123", "  revision: main #"), "zoo.revision", "'main'"),
        (changed("owner/net-1", "owner/net/1"), "zoo.repo_id", "owner/net/1"),
        (changed("name: net-1", "name: ../net-1"), "zoo.name", "../net-1"),
        (changed("transform: log10", "transform: ln"), "zoo.transform", "'ln'"),
        (changed("width: 64", "width: 64000000"), "zoo.architecture.width", "64000000"),
        (changed("cutoff: 8,", "cutoff: 0,"), "zoo.graph.cutoff", "must be more than 0"),
        (changed('"No"', "No"), "zoo.elements.2", "must be text"),  # YAML reads a bare No as false
        (changed('elements: [O, Si, "No"]', "elements: []"), "zoo", "elements: must be given"),
        (changed("ids: splits/net-1.json", "ids: ../../secret"), "zoo.training", "'..'"),
        (changed("license: cc-by-4.0\n", ""), "license", "is missing"),
        (changed("license: cc-by-4.0\n", "license: [1, 2]\n"), "license", "must be text"),
        ("---\nlicense: mit\n---\n", "zoo", "is missing"),
    ],
)
def test_a_broken_card_names_the_file_and_the_field(text: str, field: str, why: str) -> None:
    with pytest.raises(CardError) as caught:
        Card.parse(text, "shelf/net-1.md")
    message = str(caught.value)
    assert message.startswith(f"shelf/net-1.md: {field}: ")
    assert why in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "first line must be '---'"),
        ("# Prose only\n", "first line must be '---'"),
        ("---\nlicense: mit\n", "no end"),
        ("---\n- a\n---\n", "mapping of fields, not list"),
        ("---\na: 1\nb: [1, 2\n---\n", "not YAML at line 4"),
        (
            "---\nzoo: !!python/object/apply:os.getcwd []\n---\n",
            "the YAML tag tag:yaml.org,2002:python/object/apply:os.getcwd is not read .line 2.",
        ),
        ("---\na: 1\nb: .nan\n---\n", "the number nan is not finite .line 3."),
        ("---\na: 1\na: 2\n---\n", "the key 'a' is given twice .line 2."),
        (f"---\na: 1{'0' * 400}\n---\n", "the number 100000000000… is out of range .line 2."),
        ("---\na: \x00\n---\n", "not YAML"),
        ("---\na: &x [1, 2]\nb: [*x, *x]\n---\n", "has YAML aliases (.x), which zoo does not read"),
    ],
)
def test_front_matter_that_is_none(text: str, why: str) -> None:
    with pytest.raises(CardError, match=f"^x.md: .*{why.replace('(', '.').replace(')', '.')}") as caught:
        Card.parse(text, "x.md")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"none\.md: cannot be read: No such file"):
        Card.read(tmp_path / "none.md")
    (tmp_path / "binary.md").write_bytes(b"---\n\xff\xfe---\n")
    with pytest.raises(CardError, match=r"binary\.md: not UTF-8 text \(byte 4\)"):
        Card.read(tmp_path / "binary.md")
    (tmp_path / "huge.md").write_bytes(b"---\n" + b"#" * 1_000_001)
    with pytest.raises(CardError, match=r"huge\.md: larger than 1 MB"):
        Card.read(tmp_path / "huge.md")


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    assert Card.parse("\ufeff" + TEXT.replace("\n", "\r\n")) == Card.parse(TEXT)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_cards_are_valid_and_round_trip(path: Path) -> None:
    card = Card.read(path)
    assert card.name == path.stem
    assert card.repo_id == f"crystal-zoo/{path.stem}"
    assert card.unit == ("eV" if path.stem == "Eg-NM" else "eV/atom")
    assert Card.parse(card.render(), card.source) == card
    # A card without weights must say so in words; one with weights must not.
    assert ("not published yet" in card.body.lower()) == (not card.files)
    if card.files:
        assert card.test_mae is not None
        assert card.training.rows is not None


def test_the_names_are_there() -> None:
    assert [path.stem for path in SHIPPED] == [
        "Eg-NM",
        "dEf-10k",
        "dEf-113k-mp",
        "dEf-113k",
        "dEf-54k",
        "dEf-91k",
        "dEf-NM",
        "multi-113k-gatedgcn",
        "multi-113k-wide",
        "multi-113k",
    ]
    text = (Path(zoo.cards.__path__[0]) / "dEf-113k-mp.md").read_text(encoding="utf-8")
    assert "113,000 labelled structures are only available through the Materials Project's API" in " ".join(
        text.split()
    )
