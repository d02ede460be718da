"""Files of a Space of the Hugging Face Hub, which shows the page of ``zoo serve`` for a model on the Hub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo import __version__
from zoo._utils import files
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo.registry.plugins import Plugin

PORT = 7860
"""Port at which a Space is reached."""

TORCH = "2.13.0"
"""The newest version that zoo takes: a newer one would be replaced by one with CUDA."""

UNKNOWN = "COMMIT"
"""Stands for the commit of a model that was not pushed yet."""

_README = """\
---
title: {title}
emoji: 💎
colorFrom: blue
colorTo: gray
sdk: docker
app_port: {port}
models:
  - {repo}
short_description: Predictions for your CIFs and POSCARs
---

# {heading}

Drop CIFs or POSCARs on the page and see what [{repo}](https://huggingface.co/{repo}) predicts, with intervals and
notes on crystals that are unlike the training set. The page is that of `zoo serve` from
[zoo](https://github.com/crystal-zoo/crystal-zoo); nothing that is sent is kept. Programs ask `/api/predict`, which
`/docs` describes.

The model is pinned to the commit `{commit}`. If its repository is private, add a secret `HF_TOKEN` with read access in
the settings of this Space.
"""

_DOCKERFILE = """\
FROM python:3.11-slim

# OpenMP, which DGL needs.
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends libgomp1 \\
    && rm -rf /var/lib/apt/lists/* \\
    && useradd --create-home --uid 1000 user
USER user
ENV PATH=/home/user/.local/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /home/user

# torch for the CPU first: the default brings gigabytes of CUDA.
RUN pip install --no-cache-dir --user torch=={torch} --index-url https://download.pytorch.org/whl/cpu \\
    && pip install --no-cache-dir --user {packages}

EXPOSE {port}
CMD ["zoo", "serve", "hf://{repo}@{commit}", "--host", "0.0.0.0", "--port", "{port}"]
"""


def space_files(repo: str, commit: str, title: str, plugins: Sequence[Plugin] = ()) -> dict[str, str]:
    """Return the files of a Space, by name.

    Parameters
    ----------
    repo : str
        ``owner/name`` of the model.
    commit : str
        Of the model; `UNKNOWN` if there is none yet.
    title : str
        Title of the model's card.
    plugins : sequence of Plugin
        Those that the model needs; their packages are installed in the Space.

    Raises
    ------
    InputError
        If one of them is a single file.
    """
    packages = {f"crystal-zoo[web]=={__version__}": None}
    for each in plugins:
        if each.origin is not None:
            raise InputError(
                f"--space: the model needs {each.distribution}, which a Space does not have; put it into a package "
                "that pip can install, or leave --space out"
            )
        packages[f"{each.distribution}=={each.version}"] = None
    heading = " ".join(title.split())
    values = {"repo": repo, "commit": commit, "port": PORT, "torch": TORCH}
    values["packages"] = " ".join(f'"{each}"' for each in packages)
    return {
        "README.md": _README.format(title=json.dumps(heading, ensure_ascii=False), heading=heading, **values),
        "Dockerfile": _DOCKERFILE.format(**values),
    }


def write_space(content: Mapping[str, str], folder: Path) -> None:
    """Write the files of a Space to a new folder.

    Raises
    ------
    InputError
        If the folder exists, or cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already; choose another folder for the Space")
    try:
        for name, text in content.items():
            files.write_text(folder / name, text)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from error
