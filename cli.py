"""The command line ``zoo``, assembled from the commands in :mod:`zoo.commands`."""

from __future__ import annotations

import click

from zoo import __version__
from zoo.commands import console, hub
from zoo.commands.environment import cache, doctor, plugins
from zoo.commands.finetune import finetune, report
from zoo.commands.options import Group, common
from zoo.commands.predict import predict
from zoo.commands.pretrain import convert, fetch, pretrain
from zoo.commands.shelf import list_backbones, show
from zoo.commands.start import BEGINNING, quickstart
from zoo.commands.study import study
from zoo.commands.web.serve import serve


class Zoo(console.ErrorGroup, Group):
    """The command line, with examples."""


@click.group(
    cls=Zoo,
    page="index",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
    sections={
        "Your crystals": (finetune, predict, report, serve, study),
        "Backbones": (list_backbones, show, hub.search, hub.pull, hub.push),
        "Installation": (quickstart, doctor, plugins, cache),
        "Making and publishing backbones": (pretrain, fetch, convert, hub.publish),
    },
    examples=[
        (
            "Fine-tune the recommended backbone on a table of crystals and measured values",
            "zoo finetune --task dielectric data.csv",
        ),
        ("Predict new crystals with the result", "zoo predict runs/dielectric-multi-113k new/"),
    ],
)
@click.version_option(__version__, "--version", prog_name="zoo")
@common
@click.pass_context
def main(ctx: click.Context) -> None:
    """Pretrained crystal graph networks, fine-tuned on your few hundred crystals.

    --help after a command shows its options with examples.
    """
    console.set_up_process()
    if ctx.invoked_subcommand is None:
        console.show_text(BEGINNING)


if __name__ == "__main__":
    main()
