"""``zoo serve``."""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import socket
import sys
from contextlib import suppress
from typing import Any

import click

from zoo.commands.console import show_text
from zoo.commands.options import Command, common, device_option, is_quiet, names
from zoo.errors import DependencyError, InputError

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine for itself."""


@click.command(
    cls=Command,
    page="how-to/serve",
    examples=[
        ("A page for a fine-tuned run, on this machine alone", "zoo serve runs/dielectric-multi-113k"),
        ("Band gaps by a backbone that predicts several properties", "zoo serve multi-113k --target band_gap"),
        ("Two models side by side, on a free port, shown in the browser", "zoo serve multi-113k Eg-NM --port 0 --open"),
    ],
)
@click.argument("models", metavar="MODEL…", nargs=-1, required=True, shell_complete=names("backbone"))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. The default is reached from this machine alone, 0.0.0.0 from the whole network.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for a free one.",
)
@click.option(
    "--interval",
    type=float,
    default=0.9,
    show_default=True,
    metavar="P",
    help="Probability that the intervals contain the value; models without calibration have none.",
)
@click.option(
    "--target", help="Property to predict, if the model has several.  [default: the first of a backbone, all of a run]"
)
@click.option("--open", "browse", is_flag=True, help="Open the page in the browser.")
@device_option
@common
@click.pass_context
def serve(
    ctx: click.Context,
    models: tuple[str, ...],
    host: str,
    port: int,
    interval: float,
    target: str | None,
    browse: bool,
    device: Any,
) -> None:
    """Show a web page on which people drop CIFs and POSCARs and see what models predict.

    Each MODEL is a backbone, a run's folder, or hf://owner/repo@rev. The page shows the crystal in 3D, the prediction
    with its interval, whether the crystal is far from the training set, the nearest training crystals, and what the
    model reads from each atom. The same is available as JSON (/docs).

    Files are read in memory and a temporary folder, and nothing is kept. Needs the extra web:
    pip install "crystal-zoo[web]".
    """
    try:
        import python_multipart  # noqa: F401 - reads uploads for starlette
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise DependencyError(f'zoo serve needs {error.name}: pip install "crystal-zoo[web]"') from None
    listening = _listen(host, port)
    with listening:
        from zoo.commands.web.app import create_app
        from zoo.commands.web.connections import Connection
        from zoo.commands.web.service import Service
        from zoo.jobs.predict.joint import load_each

        service = Service(load_each(models, target=target, device=device), interval)
        service.warm_up()
        local = ipaddress.ip_address(listening.getsockname()[0]).is_loopback
        app = create_app(service, LOCAL | {_bracketed(host)} if local else None)
        gc.freeze()
        gc.set_threshold(700, 10, 10)  # Python's default: a server lives long
        log_level = "critical" if is_quiet(ctx) else "error"
        settings = uvicorn.Config(
            app,
            http=Connection,
            log_level=log_level,
            access_log=False,
            limit_concurrency=500,
            timeout_graceful_shutdown=5,
        )
        address = _address(host, listening)
        if not is_quiet(ctx):
            show_text(f"{', '.join(each.name for each in service.models)}: {address}  (Ctrl-C stops)")
            if not local:
                show_text("Everybody who reaches this machine can use it; there is no password.", err=True)
        if browse:
            click.launch(address)
        with suppress(KeyboardInterrupt):  # raised again by uvicorn once it has ended
            uvicorn.Server(settings).run(sockets=[listening])
        sys.stdout.flush()
        os._exit(0)  # without waiting for computations whose answers nobody awaits


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that a taken port is reported before any model is loaded."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise InputError(f"--host {host}: there is no such address") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is taken; choose another with --port, or --port 0 for a free one") from None
        raise InputError(f"cannot listen at {host}, port {port}: {error.strerror}") from None
    return listening


def _address(host: str, listening: socket.socket) -> str:
    """Return the address for a browser on this machine."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{_bracketed(shown)}:{listening.getsockname()[1]}"


def _bracketed(host: str) -> str:
    """Return an address as it stands in URLs and in the header Host."""
    return f"[{host}]" if ":" in host else host.lower()
