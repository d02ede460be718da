"""``zoo plugins``."""

from __future__ import annotations

import click

from zoo.commands.console import show_json, show_table
from zoo.commands.options import common, json_option


@click.group()
@common
def plugins() -> None:
    """Tasks, featurizers, baselines and backbones: zoo's own and those of other packages."""


@plugins.command("list")
@click.option("--check", is_flag=True, help="Load every plugin and report what is broken.")
@json_option
@common
def list_plugins(check: bool, as_json: bool) -> None:
    """List all plugins without importing them. Exit code 1 if one is known to be broken."""
    from zoo.registry.plugin_checks import status
    from zoo.registry.plugins import plugins as installed

    rows = [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "object": plugin.value,
            "status": status(plugin, load=check),
        }
        for plugin in installed()
    ]
    if as_json:
        show_json(rows)
    else:
        columns = ("kind", "name", "distribution", "version", "status")
        show_table(columns, ([row[key] for key in columns] for row in rows))
    if any("broken:" in row["status"] for row in rows):
        raise SystemExit(1)
