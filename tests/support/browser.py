"""Chromium, driven by its own protocol (CDP) through a pair of pipes: no driver and no other package is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage"),
)


class Tab:
    """A page in a browser.

    Attributes
    ----------
    said : list of str
        Messages in the console, and errors.
    """

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._rest, self._count, self._session = b"", 0, ""
        self.said: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self._ask(f"{domain}.enable")

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == number:
                assert "error" not in found, found["error"]
                return found["result"]
            if found.get("method") == "Runtime.exceptionThrown":
                self.said.append(found["params"]["exceptionDetails"]["exception"].get("description", "error"))
            elif found.get("method") == "Log.entryAdded":
                self.said.append(found["params"]["entry"]["text"])
            elif found.get("method") == "Runtime.consoleAPICalled":
                self.said.append(str(found["params"]["args"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = os.read(self._read, 1 << 16)
            assert block, "the browser is gone"
            self._rest += block
        first, _, self._rest = self._rest.partition(b"\0")
        return json.loads(first)

    def open(self, address: str, width: int = 1400, height: int = 900, *, dark: bool = False) -> None:
        """Show an address in a window of this size."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, code: str) -> Any:
        """Return the value of an expression in JavaScript, also of a promise."""
        found = self._ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, code: str, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({code})"):
            assert time.monotonic() < end, f"{code} is not true; the page says {self.run('document.body.innerText')!r}"
            time.sleep(0.05)

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Choose files as a user does in the dialog of an input."""
        root = self._ask("DOM.getDocument")["root"]["nodeId"]
        node = self._ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._ask("DOM.setFileInputFiles", nodeId=node, files=[str(each) for each in paths])

    def drop_files(self, x: int, y: int, *paths: Path) -> None:
        """Drop files and folders at a place."""
        data = {"items": [], "files": [str(each) for each in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._ask("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", type="keyDown", **named, **({"text": text} if text else {}))
        self._ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page as PNG."""
        found = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._area(whole))
        path.write_bytes(base64.b64decode(found["data"]))

    def _area(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def printed(self, path: Path) -> None:
        """Write the page as it is printed, as PDF."""
        found = self._ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Start Chromium with an empty profile, and end it."""
    assert CHROMIUM is not None
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    command = [CHROMIUM, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    # It reads from descriptor 3 and writes to 4; by way of others, in case ours have these numbers.
    high = [os.dup2(theirs_read, 203), os.dup2(theirs_write, 204)]
    pipes = [(os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4)]
    process = os.posix_spawn(CHROMIUM, command, os.environ, file_actions=[quiet, *pipes])
    for each in (theirs_read, theirs_write, *high):
        os.close(each)
    try:
        yield Tab(ours_write, ours_read)
    finally:
        os.close(ours_write)
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
        os.close(ours_read)
