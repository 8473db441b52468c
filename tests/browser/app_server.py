"""The real app as a process of its own, and a Chromium that can reach nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright, Route

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STOP_SECONDS = 10
TIMEOUT_MS = 20_000
QUIET = ["disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"]


class AppServer:
    """`streamlit run streamlit_app.py` on a free port, in its own process group, with a store of its own."""

    cwd = ROOT

    def __init__(self, folder: Path, store_url: str | None = None) -> None:
        self.folder = folder
        self.store_url = store_url or f"sqlite:///{folder / 'store.sqlite'}"
        self.log = folder / "server.log"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {"MMCORE_STORE": self.store_url}

    def command(self) -> list[str]:
        """What starts it, in the folder :attr:`cwd`."""
        options = {"server.port": self.port, "server.headless": "true", "server.fileWatcherType": "none"}
        flags = [f"--{name}={value}" for name, value in options.items()]
        return [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *flags]

    def start(self) -> None:
        """Start, or start again after :meth:`stop` or a kill; returns when the server answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.cwd,
                env=os.environ | self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(lambda: self._healthy() or self.process.poll() is not None, "the app answers")
            assert self.process.poll() is None, "the app ended"
        except AssertionError as problem:
            self.stop()
            raise RuntimeError(f"the app did not start:\n{self.log.read_text()}") from problem

    def stop(self) -> None:
        """End the server and whatever it started; a server that ignores SIGTERM is killed and reported."""
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise RuntimeError(f"the server did not stop within {STOP_SECONDS} s of SIGTERM") from None

    def check_log(self) -> None:
        """Raise ``AssertionError`` if the server has logged a traceback."""
        text = self.log.read_text()
        assert "Traceback" not in text, text

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(playwright: Playwright) -> Browser:
    """Chromium, as the system has it, without a word to anyone."""
    flags = ["--no-sandbox", "--disable-gpu", *(f"--{flag}" for flag in QUIET)]
    return playwright.chromium.launch(executable_path=CHROMIUM, args=flags)


@contextmanager
def watched_page(browser: Browser, url: str, **context_options: Any) -> Iterator[Page]:
    """A page that can reach only `url`; raises at the end if it tried another host or a script of it failed."""
    strays: list[str] = []
    errors: list[str] = []
    context = browser.new_context(**context_options)
    context.set_default_timeout(TIMEOUT_MS)

    def gate(route: Route) -> None:
        if route.request.url.startswith((f"{url}/", "data:", "blob:")):
            route.continue_()
        else:
            strays.append(route.request.url)
            route.abort()

    context.route("**/*", gate)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    try:
        yield page
    finally:
        context.close()
    assert not strays, f"requests to other hosts: {strays}"
    assert not errors, f"script errors in the page: {errors}"


def wait_until_idle(page: Page) -> None:
    """Wait until the page's script has run and nothing is drawn as a placeholder any more."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton], [data-stale=true]')")
