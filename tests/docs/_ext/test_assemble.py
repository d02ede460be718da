"""The pages of the documentation site: where they lie, what their links lead to, what is written from the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from zoo.cli import main

from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
MODULES = ("assemble", "backbone_pages", "command_pages", "project")


@pytest.fixture
def assemble(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import assemble

    yield assemble
    for name in MODULES:
        sys.modules.pop(name, None)


def test_every_document_and_card_is_a_page(assemble: Any) -> None:
    pages = assemble.pages()
    assert pages["docs/index.md"] == "index.md"
    assert pages["docs/paper/README.md"] == "paper/index.md"
    assert pages["CHANGELOG.md"] == "changelog.md"
    assert {f"backbones/{card.name}.md" for card in backbones.shelf()} <= set(pages.values())
    assert len(set(pages.values())) == len(pages)


def test_numbers_stay_with_their_units_and_digests_may_be_broken(assemble: Any) -> None:
    digest, fence = "0123456789abcdef" * 4, "```text\n0.1 ± 0.02\n```"
    text = f"| 0.1 ± 0.02, p < 0.01 | 4 against 158 ms | **−5 %** | {digest} |\n\n{fence}\n"
    broken = "<wbr>".join(["0123456789abcdef"] * 4)
    cells = f"| 0.1 ±~0.02, p~<~0.01 | 4~against~158~ms | **−5~%** | {broken} |".replace("~", "\u00a0")
    assert assemble.translate(text, "README.md", {"README.md": "index.md"}) == f"{cells}\n\n{fence}\n"


def test_a_study_has_its_title_and_then_its_finding(assemble: Any) -> None:
    text = "# Transfer helps.\n\nBulk modulus: 5,771 crystals."
    shown = assemble.titled(text, "paper/bulk-modulus/index.md")
    assert shown == "# Bulk modulus\n\n**Transfer helps.**\n\nBulk modulus: 5,771 crystals."
    assert assemble.titled(text, "paper/index.md") == text


@pytest.mark.parametrize(
    ("file", "link", "expected"),
    [
        ("docs/how-to/extend.md", "pretrain.md#data", "pretrain.md#data"),
        ("docs/how-to/extend.md", "../../CONTRIBUTING.md#speed", "../contributing.md#speed"),
        ("docs/how-to/extend.md", "../paper/README.md", "../paper/index.md"),
        ("CONTRIBUTING.md", "docs/benchmarks/performance.md", "benchmarks/performance.md"),
        ("benchmarks/tasks.md", "../docs/images/tasks.png", "../images/tasks.png"),
        ("docs/how-to/extend.md", "../../zoo/errors.py", "{repository}/blob/main/zoo/errors.py"),
        ("docs/how-to/extend.md", "../../studies", "{repository}/tree/main/studies"),
        ("docs/how-to/finetune.md", "{site}reference/commands/study.html", "../reference/commands/study.md"),
        ("docs/how-to/finetune.md", "https://www.dgl.ai", "https://www.dgl.ai"),
        ("docs/how-to/finetune.md", "#then-predict", "#then-predict"),
    ],
)
def test_links_lead_to_the_page_or_to_the_repository(assemble: Any, file: str, link: str, expected: str) -> None:
    link, expected = (each.format(site=assemble.SITE, repository=assemble.REPOSITORY) for each in (link, expected))
    fence = "```text\n[x](y.md)\n```"
    shown = assemble.translate(f"[a]({link})\n\n{fence}\n", file, assemble.pages())
    assert shown == f"[a]({expected})\n\n{fence}\n"


def test_a_page_that_is_named_by_its_path_has_its_title_on_the_site(assemble: Any) -> None:
    text = "([docs/how-to/serve.md](docs/how-to/serve.md#limits-and-safety)), `docs/index.md`, [docs/index.md]\n"
    shown = assemble.translate(text, "CHANGELOG.md", assemble.pages())
    assert shown == "([](how-to/serve.md#limits-and-safety)), `docs/index.md`, [docs/index.md]\n"


def test_a_link_that_leads_nowhere_is_an_error(assemble: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"docs/index.md: no-such-page.md"):
        assemble.translate("[a](no-such-page.md)", "docs/index.md", assemble.pages())


def test_the_readme_is_short_and_its_links_are_absolute(assemble: Any) -> None:
    """The package index shows it too."""
    import command_pages

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 150
    commands = [command.name for found in command_pages.sections().values() for command in found]
    pages = {*assemble.pages().values(), "index.md", "backbones/index.md", "reference/commands/index.md"}
    pages |= {f"reference/commands/{name}.md" for name in commands}
    raw = assemble.REPOSITORY.replace("github.com", "raw.githubusercontent.com")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert link.startswith("https://")
        if link.startswith(assemble.SITE):
            assert (link.removeprefix(assemble.SITE) or "index.html").replace(".html", ".md") in pages
        for start in (f"{assemble.REPOSITORY}/blob/main/", f"{raw}/main/"):
            if link.startswith(start):
                assert (ROOT / link.removeprefix(start)).is_file()


def test_a_page_of_a_command_has_all_its_options(assemble: Any) -> None:
    import command_pages

    page = command_pages.page(main.commands["finetune"])
    assert page.startswith("# zoo finetune\n")
    assert page.index("## Data") < page.index("`--max-rejected") < page.index("## Common options")
    assert "zoo finetune --task dielectric data.csv\n" in page
    nested = command_pages.page(main.commands["plugins"])
    assert "## zoo plugins list" in nested


def test_the_page_of_a_backbone_has_its_facts(assemble: Any) -> None:
    import backbone_pages

    page = backbone_pages.page(backbones.get("multi-113k"))
    assert page.startswith("# multi-113k\n")
    assert "| training rows | 96,001 |" in page
    assert page.count("transfer.svg") == 1
    untrained = backbone_pages.page(backbones.get("dEf-113k-mp"))
    assert "not published yet" in untrained
    assert "transfer.svg" not in untrained
    data = backbone_pages.changes().set_index(["property", "size", "backbone"])["change"]
    assert data["GW gap", 100, "multi-113k"] == pytest.approx(-43.7, abs=0.05)  # docs/benchmarks/transfer.md
