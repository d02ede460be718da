"""The command line: commands that parse, call one function of zoo, and show what it returns."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click

from zoo import __version__
from zoo._utils.wording import counted
from zoo.commands import console, hub
from zoo.commands.console import common, show_json, show_table
from zoo.commands.fetch import fetch
from zoo.commands.study import study

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
ANY = click.Path(path_type=Path)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)


@click.group(cls=console.ErrorGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "--version", prog_name="zoo")
@common
def main() -> None:
    """Pretrained crystal graph networks, fine-tuned on your few hundred crystals.

    \b
    zoo pull dEf-10k                              fetch a pretrained backbone
    zoo finetune --task dielectric data.csv       fine-tune it on your data
    zoo predict runs/dielectric-multi-113k new/   predict new crystals with the result
    """  # noqa: D301 - \b is meant
    console.collect_seldom()
    console.set_up_logging()


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def list_backbones(as_json: bool) -> None:
    """List the registered backbones."""
    from zoo.jobs.shelf import shelf

    cards = shelf()
    if as_json:
        show_json([{**card.overview, "weights": card.status} for card in cards])
        return
    header = ("name", "target", "unit", "training rows", "test MAE", "size", "weights")
    show_table(header, ([*card.cells, card.status] for card in cards), keep=("name", "weights"))
    for card in cards:
        if labels := card.overview["training"]["labels"]:
            click.echo(f"{card.overview['name']}: {labels}")


@main.command()
@click.argument("name", shell_complete=console.names("backbone"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def show(name: str, as_json: bool) -> None:
    """Show the model card of NAME: a backbone, a run's folder, or hf://owner/repo@rev."""
    from zoo.hub.pull_many import look_up

    card, status = look_up(name)
    if as_json:
        show_json({**card.overview(status), "card": card.body})
        return
    console.show_card(card, status)


@main.command()
@click.argument("data", type=ANY)
@click.option(
    "--task",
    required=True,
    shell_complete=console.names("task"),
    help="Target property; zoo plugins list shows them.",
)
@click.option(
    "--backbone",
    default="auto",
    shell_complete=console.names("backbone"),
    help="Name, folder, hf://owner/repo@rev, all for the best on validation rows, or none for random weights.  "
    "[default: the task's own]",
)
@click.option(
    "--mode",
    type=click.Choice(["mixture", "full", "head", "layerwise"]),
    default="mixture",
    show_default=True,
    help="What is trained: everything, beside a head on all backbones as they are; everything; the head alone; "
    "everything, the early layers more slowly.",
)
@click.option("--seeds", default=1, show_default=True, help="Repetitions, each with its own split.")
@console.table_options
@click.option("--n-train", type=int, help="Use only so many training rows.")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    shell_complete=console.names("baseline"),
    help="Compare with it; repeatable.",
)
@click.option("--compare", type=click.Choice(["scratch"]), multiple=True, help="Compare with training from scratch.")
@click.option("--batch-size", type=int, help="Crystals per step.  [default: tuned]")
@click.option("--learning-rate", type=float, help="Peak learning rate.  [default: tuned]")
@click.option("--patience", type=int, help="Stop after so many validations without a better one.  [default: never]")
@click.option(
    "--precision", type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]), help="Number type.  [default: 32-true]"
)
@click.option("--out", type=FOLDER, help="Folder of the run.  [default: runs/TASK-BACKBONE]")
@device_option
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
@common
@click.pass_context
def finetune(
    ctx: click.Context,
    /,
    out: Path | None,
    device: Any,
    resume: bool,
    as_json: bool,
    compare: tuple[str, ...],
    backbone: str,
    **options: Any,
) -> None:
    """Fine-tune a backbone on the table DATA and compare it honestly.

    DATA is CSV, TSV, JSON, JSONL or Parquet with a structure and a target in each row, or the folder of an id_prop.csv.
    """
    from zoo.errors import InputError
    from zoo.jobs.comparison_table import comparison_rows, intervals, verdict
    from zoo.jobs.finetune.folder import metrics
    from zoo.jobs.finetune.options import Options, default_out
    from zoo.jobs.finetune.run import finetune as run

    quiet = console.is_quiet(ctx)
    if backbone.lower() == "none" and ctx.get_parameter_source("mode") is click.core.ParameterSource.COMMANDLINE:
        raise InputError("--mode says how a backbone is used; leave it out, or name a --backbone")
    request = Options(backbone=backbone, compare_scratch=bool(compare), **options)
    folder = out or default_out(request, resume=resume)
    result = run(
        request,
        folder,
        device=device,
        resume=resume,
        quiet=quiet,
        say=None if quiet else partial(click.echo, err=True),
    )
    if as_json:
        show_json(metrics(result))
        return
    header, rows = comparison_rows(result)
    show_table(header, rows, title=f"Errors on test rows, {len(result.splits)} seed(s)", keep=header[:1])
    lines = [verdict(result), intervals(result), *console.rejections(result.table.rejected, folder / "rejected.csv")]
    click.echo("\n".join([*filter(None, lines), f"picture     {folder / 'parity.png'}", f"checkpoint  {folder}"]))


@main.command()
@click.argument("model", shell_complete=console.names("backbone"))
@click.argument("inputs", nargs=-1, required=True, type=ANY)
@click.option("--out", type=FILE, default=Path("predictions.csv"), show_default=True, help="CSV file to write.")
@click.option("--structures", type=FOLDER, help="Folder of structure files, for tables that hold ids alone.")
@click.option("--target", help="The property, of a backbone that was trained on several.  [default: the first]")
@click.option(
    "--interval",
    type=float,
    metavar="P",
    help="Also give the ends of an interval that holds the value with this probability, such as 0.9.",
)
@device_option
@common
@click.pass_context
def predict(
    ctx: click.Context,
    model: str,
    inputs: tuple[Path, ...],
    out: Path,
    structures: Path | None,
    target: str | None,
    interval: float | None,
    device: Any,
) -> None:
    """Predict crystals with MODEL: a backbone, a run's folder, or hf://owner/repo@rev.

    INPUTS are structure files, folders of them, or tables.
    """
    from zoo.data.tables.inputs import count_records, iter_records
    from zoo.data.tables.structure_files import spare_workers

    with closing(iter_records(inputs, structures=structures, workers=spare_workers())) as rows:  # it begins to read
        from zoo._utils.progress import progress
        from zoo.jobs.comparison_table import prediction_rows
        from zoo.jobs.predict.files import predict_files
        from zoo.jobs.predict.model import load

        loaded = load(model, target=target, device=device)
        with progress("predicting", count_records(inputs), "crystals", quiet=console.is_quiet(ctx)) as bar:
            done = predict_files(loaded, inputs, out, rows=rows, interval=interval, bar=bar)
    if not console.is_quiet(ctx):
        show_table(*prediction_rows(done, loaded))
        if others := loaded.config.other_targets:
            click.echo(f"--target also takes {', '.join(each.name for each in others)}", err=True)
    rejected = console.rejections(done.rejected, done.rejected_out) if done.rejected_out else []
    click.echo("\n".join([*rejected, f"predictions  {done.count}, in {out}"]))


for command in (study, fetch, hub.pull, hub.push, hub.publish, hub.search):
    main.add_command(command)


@main.group()
@common
def convert() -> None:
    """Import checkpoints that other programs wrote."""


@convert.command("cgcnn")
@click.argument("source", metavar="FILE.pth.tar", type=FILE)
@click.option("--atom-init", required=True, type=FILE, help="The atom_init.json that it was trained with.")
@click.option("--out", required=True, type=FOLDER, help="Folder to write.")
@click.option("--task", shell_complete=console.names("task"), help="What it predicts: gives name, unit and transform.")
@click.option("--radius", type=float, help="Search radius in Å, if the file does not say.  [default: 8]")
@click.option("--step", type=float, help="Spacing of the Gaussians in Å, if the file does not say.  [default: 0.2]")
@common
def convert_cgcnn(
    source: Path, atom_init: Path, out: Path, task: str | None, radius: float | None, step: float | None
) -> None:
    """Import a checkpoint of the original CGCNN, or of cgcnn2."""
    from zoo.models.checkpoint.convert import convert_cgcnn as run
    from zoo.registry import plugins as extensions

    checkpoint = run(source, atom_init, out, task=extensions.task(task) if task else None, radius=radius, step=step)
    target = checkpoint.config.target
    click.echo(f"{checkpoint.config.name}: predicts {target.name} ({target.unit or 'no unit'}), in {out}")


@main.command()
@click.argument("recipe", type=FILE)
@click.option(
    "--data",
    multiple=True,
    type=ANY,
    help="A table with rows of the recipe; repeatable.  [default: fetched, if the recipe says from where]",
)
@click.option("--out", type=FOLDER, help="Folder of the checkpoint.  [default: runs/NAME]")
@device_option
@click.option("--devices", default=1, show_default=True, help="GPUs or processes on this machine.")
@click.option("--num-nodes", default=1, show_default=True, help="Machines, each started with this command by torchrun.")
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off.")
@common
@click.pass_context
def pretrain(
    ctx: click.Context,
    recipe: Path,
    data: tuple[Path, ...],
    out: Path | None,
    device: Any,
    devices: int,
    num_nodes: int,
    resume: bool,
) -> None:
    """Train a backbone from a RECIPE.toml, as those in cards/recipes were."""
    from zoo.jobs.pretrain.recipe import read_recipe
    from zoo.jobs.pretrain.run import pretrain as run

    plan = read_recipe(recipe)
    folder = out or Path("runs") / plan.name
    result = run(
        plan, data, folder, device=device, devices=devices, nodes=num_nodes, resume=resume, quiet=console.is_quiet(ctx)
    )
    if not result:  # one of the other processes
        return
    for task in plan.tasks:
        rows = [
            [each.name, str(each.rows), *(f"{each.errors[metric]:.4f}" for metric in ("mae", "rmse", "r2"))]
            for each in result
            if each.task == task
        ]
        unit = f" ({task.unit})" if task.unit else ""
        show_table(
            ("part", "rows", f"MAE{unit}", f"RMSE{unit}", "R²"),
            rows,
            title=f"{plan.name}: {task.target}" if plan.others else plan.name,
        )
    click.echo(f"checkpoint  {folder}")


@main.group()
@common
def cache() -> None:
    """Look after the graphs of large tables, which are kept on disk."""


@cache.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def cache_info(as_json: bool) -> None:
    """Show where graphs are kept, and how much they take."""
    from zoo.data.graphs import store

    there, tables = store.entries(), store.fetched()
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
    click.echo(
        f"{counted(len(there), 'store')}, {total:.1f} MB, in {store.cache_folder()} (ZOO_CACHE chooses another folder)"
    )
    for path, size in tables:
        click.echo(f"fetched table, {size / 1e6:.1f} MB: {path}")


@cache.command("clear")
@click.option("--tables", is_flag=True, help="Remove the tables that were fetched as well.")
@common
def cache_clear(tables: bool) -> None:
    """Remove all graphs that are kept; they are built again when needed."""
    from zoo.data.graphs import store

    count, size = store.clear(tables=tables)
    what = counted(count, "item" if tables else "store")
    click.echo(f"{what} removed, {size / 1e6:.1f} MB, from {store.cache_folder()}")


@main.group()
@common
def plugins() -> None:
    """Tasks, featurizers, baselines and backbones, ours and everybody's."""


@plugins.command("list")
@click.option("--check", is_flag=True, help="Load every plugin and say which are broken.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def list_plugins(check: bool, as_json: bool) -> None:
    """List what is installed, without importing it. Exit code 1: something is known to be broken."""
    from zoo.registry import backbones
    from zoo.registry import plugins as extensions

    def status(plugin: extensions.Plugin) -> str:
        wrong = backbones.problems(plugin) if check and plugin.kind == "backbone" else []
        return f"broken: {'; '.join(wrong)}" if wrong else extensions.status(plugin, load=check)

    rows = [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "object": plugin.value,
            "status": status(plugin),
        }
        for plugin in extensions.plugins()
    ]
    if as_json:
        show_json(rows)
    else:
        columns = ("kind", "name", "distribution", "version", "status")
        show_table(columns, ([row[key] for key in columns] for row in rows))
    if any("broken:" in row["status"] for row in rows):
        raise SystemExit(1)


@main.command()
@click.option("--online", is_flag=True, help="Also ask the Hub whether it can be reached.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def doctor(online: bool, as_json: bool) -> None:
    """Say what is installed, what works, and what to do about what does not."""
    from zoo.jobs.doctor import report

    checks = report(online)
    if as_json:
        show_json([{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks])
    else:
        marks = {True: "ok", False: "PROBLEM", None: ""}
        show_table(("", "", ""), ((check.name, marks[check.ok], check.detail) for check in checks))
    if any(check.ok is False for check in checks):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
