"""Cards that tests make."""

from __future__ import annotations


def card(name: str, aliases: str = "[]") -> str:
    """Return the text of a card of somebody else's."""
    return (
        f"---\nlicense: mit\nzoo:\n  name: {name}\n  aliases: {aliases}\n  title: {name} of a stranger\n"
        f"  repo_id: stranger/{name}\n  target: H_V\n  unit: GPa\n"
        "  training: {source: a table, license: CC0}\n---\n\nProse.\n"
    )
