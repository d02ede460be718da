"""The pages of the commands: what ``--help`` shows, as Markdown."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click
from zoo.cli import main

from zoo.commands.options import COMMON, Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sections() -> dict[str, list[click.Command]]:
    """Return the commands by the titles of ``zoo --help``."""
    return {title: list(found) for title, found in main.sections.items()}


def page(command: click.Command, above: str = "zoo") -> str:
    """Return the page of a command, with those of its subcommands below."""
    return "\n\n".join(_parts(command, f"{above} {command.name}", 1)) + "\n"


def _parts(command: click.Command, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}"
    context = click.Context(command, info_name=name, help_option_names=["-h", "--help"])
    yield _prose(command)
    yield f"```text\n{' '.join([name, *command.collect_usage_pieces(context)])}\n```"
    for what, line in getattr(command, "examples", ()):
        yield f"{what}:"
        yield f"```sh\n{line}\n```"
    groups = getattr(command, "groups", {})
    titles = {option: title for title, options in groups.items() for option in options}
    titles |= dict.fromkeys(("plugin", "verbose", "quiet", "version", "help"), COMMON)
    rows: dict[str, list[str]] = {"Options": [], **{title: [] for title in groups}, COMMON: []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in parameter.opts:
            names, text = (each.replace("|", r"\|") for each in record)
            rows[titles.get(parameter.name or "", "Options")].append(f"| `{names}` | {_code(text)} |")
    for title, found in rows.items():
        if found and not (title == COMMON and level > 1):
            heading = title if level == 1 else f"{title} of {name}"
            yield f"{'#' * (level + 1)} {heading}"
            yield "\n".join(["| option | meaning |", "|---|---|", *found])
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _parts(each, f"{name} {each.name}", level + 1)


def _prose(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    blocks = text.split("\n\n")
    # A paragraph after \b keeps its lines.
    shown = [f"```text\n{block[2:].strip()}\n```" if block.startswith("\b") else _code(block) for block in blocks]
    return "\n\n".join(shown)


def _code(text: str) -> str:
    """Keep Markdown from reading options, globs and placeholders as markup."""
    for sign in ("\\", "*", "_", "<", "[", "`"):
        text = text.replace(sign, f"\\{sign}") if sign != "\\" else text
    return text.replace("--", r"\--")


def write(folder: Path) -> None:
    """Write a page for each command, and one that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, names = ["# Commands", "Every command has `--help`, which says the same in the terminal."], []
    for title, found in sections().items():
        rows = []
        for command in found:
            assert isinstance(command, Command | click.Group)
            (folder / f"{command.name}.md").write_text(page(command), encoding="utf-8")
            names.append(command.name)
            rows.append(f"| [zoo {command.name}]({command.name}.md) | {_code(command.get_short_help_str(200))} |")
        lines += [f"## {title}", "\n".join(["| command | |", "|---|---|", *rows])]
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *(f"zoo {name} <{name}>" for name in names), "```"])
    (folder / "index.md").write_text("\n\n".join([*lines, toctree]) + "\n", encoding="utf-8")
