"""Hugging Face Hub on the loopback interface, for tests: the routes used by clients, without Xet.

It serves model metadata, search, ``resolve`` with the Hub's headers, redirects of large files to another host name,
ETags and ranges; it creates repositories and branches and accepts preuploads, commits, LFS batches and uploads. Faults
can be injected; for other responses, replace a method of :class:`Handler`. :attr:`HubServer.requests` records the
requests.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from http.server import ThreadingHTTPServer
from typing import Self

from zoo.testing._hub_routes import Handler
from zoo.testing._hub_state import Fault, HubState, Repository

__all__ = ["Fault", "Handler", "HubServer", "Repository"]


class HubServer(HubState):
    """Server on a free port of the loopback interface; a context manager."""

    def __enter__(self) -> Self:
        handler = type("Bound", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and all connections; idempotent."""
        if self._thread.is_alive():
            self.released.set()
            for connection in list(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
