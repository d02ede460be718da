"""``zoo doctor`` and ``zoo cache``: what is installed on this machine, and what zoo keeps there."""

from __future__ import annotations

import click

from zoo._utils.wording import counted
from zoo.commands.console import show_json, show_table, show_text
from zoo.commands.options import common, json_option


@click.command()
@click.option("--online", is_flag=True, help="Also check that the Hub can be reached.")
@json_option
@common
def doctor(online: bool, as_json: bool) -> None:
    """Report what is installed and whether it works, and say how to repair what does not."""
    from zoo.jobs.doctor import report

    checks = report(online)
    if as_json:
        show_json([{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks])
    else:
        marks = {True: "ok", False: "PROBLEM", None: ""}
        show_table(("", "", ""), ((check.name, marks[check.ok], check.detail) for check in checks))
    if any(check.ok is False for check in checks):
        raise SystemExit(1)


@click.group()
@common
def cache() -> None:
    """Manage the graphs of large tables that are kept on disk."""


@cache.command("info")
@json_option
@common
def cache_info(as_json: bool) -> None:
    """Show where graphs are kept and how much space they take."""
    from zoo.data.graphs import store

    there, tables = store.entries(), store.fetched_tables()
    if as_json:
        stores, fetched = [entry.overview() for entry in there], [{"file": str(p), "bytes": n} for p, n in tables]
        show_json({"folder": str(store.cache_folder()), "stores": stores, "tables": fetched})
        return
    rows = [
        (entry.folder.name[:12], f"{entry.crystals:,}", f"{entry.atoms:,}", f"{entry.bytes / 1e6:.1f} MB")
        for entry in there
    ]
    if rows:
        show_table(("store", "crystals", "atoms", "size"), rows)
    total = sum(entry.bytes for entry in there) / 1e6
    show_text(f"{counted(len(there), 'store')}, {total:.1f} MB, in {store.cache_folder()} (set ZOO_CACHE to change it)")
    for path, size in tables:
        show_text(f"fetched table, {size / 1e6:.1f} MB: {path}")


@cache.command("clear")
@click.option("--tables", is_flag=True, help="Also remove downloaded tables.")
@common
def cache_clear(tables: bool) -> None:
    """Remove all stored graphs; they are rebuilt when needed."""
    from zoo.data.graphs import store

    count, size = store.clear(tables=tables)
    what = counted(count, "item" if tables else "store")
    show_text(f"{what} removed, {size / 1e6:.1f} MB, from {store.cache_folder()}")
