"""The command line ``zoo``, assembled from the commands in :mod:`zoo.commands`."""

from __future__ import annotations

import click

from zoo import __version__
from zoo.commands import console, hub
from zoo.commands.convert import convert
from zoo.commands.environment import cache, doctor
from zoo.commands.fetch import fetch
from zoo.commands.finetune import finetune
from zoo.commands.options import common
from zoo.commands.plugins import plugins
from zoo.commands.predict import predict
from zoo.commands.pretrain import pretrain
from zoo.commands.shelf import list_backbones, show
from zoo.commands.study import study


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
    console.set_up_process()


for command in (
    list_backbones,
    show,
    hub.pull,
    hub.search,
    hub.push,
    hub.publish,
    finetune,
    predict,
    pretrain,
    study,
    convert,
    fetch,
    plugins,
    cache,
    doctor,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
