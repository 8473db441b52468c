"""The real app as a process of its own, and a Chromium that can reach nothing else."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcore import BUNDLED_NAMES, ModelConfig, Run, RunConfig, RunStore, TrainConfig, read_words
from mmcore.jobs import run_inline
from mmcore.store import SweepState
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, ViewportSize, WebError

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TIMEOUT_MS = 180_000  # for what takes a second on a quiet machine; workers are niced, and wait for all else
VIEWPORT: ViewportSize = {"width": 1440, "height": 1000}
# What Streamlit logs when it closes a connection that a browser has just closed.
CLOSED_TWICE = re.compile(
    r"Exception in ASGI application\n(?:(?!Exception in ASGI).)*?"
    r'WebSocketDisconnected: Cannot call "send" once a close message has been sent\.',
    re.DOTALL,
)
QUIET = ["disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"]


class AppServer:
    """`streamlit run streamlit_app.py` on a free port, in its own process group, with a store of its own."""

    cwd = ROOT

    def __init__(self, folder: Path, store_url: str | None = None) -> None:
        self.folder = folder
        self.store_url = store_url or f"sqlite:///{folder / 'store.sqlite'}"
        self.log = folder / "server.log"
        self.checked = 0  # characters of the log
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
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise RuntimeError(f"the server did not stop within {PATIENCE:.0f} s of SIGTERM") from None

    def check_log(self) -> None:
        """Raise ``AssertionError`` if the server has logged a traceback since the last look."""
        text = self.log.read_text()[self.checked :]
        self.checked += len(text)
        assert "Traceback" not in CLOSED_TWICE.sub("", text), text

    def empty(self) -> None:
        """Stop and delete every sweep, every run, and every corpus but the bundled names."""
        with closing(RunStore(self.store_url)) as store:
            for sweep in store.sweeps():
                if sweep.state is SweepState.ACTIVE:
                    store.stop_sweep(sweep.id)
                store.delete_sweep(sweep.id)
            for run in store.runs():
                store.request_stop(run.id)
            until(lambda: all(run.ended for run in store.runs()), "every run has ended")
            store.delete(*(run.id for run in store.runs()))
            store.empty_bin()
            for sha256 in set(store.corpora().sha256) - {read_words(BUNDLED_NAMES).sha256}:
                store.delete_corpus(sha256)

    def trained(self, model: ModelConfig, train: TrainConfig) -> Run:
        """A run on the bundled names in the server's store, trained in this process."""
        with closing(RunStore(self.store_url)) as store:
            config = RunConfig(corpus_sha256=store.add_corpus(read_words(BUNDLED_NAMES)), model=model, train=train)
            run = store.create(config, token="tests")  # claimed: no worker of the server may take it
            return run_inline(store, run.id, token="tests")

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
    """Chromium, as the system has it, which finds no other host than this one and says no word to anyone."""
    flags = ["--no-sandbox", "--disable-gpu", *(f"--{flag}" for flag in QUIET)]
    flags.append("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=flags)


@contextmanager
def watched(context: BrowserContext, url: str) -> Iterator[None]:
    """Raises at the end if a page of the context asked another host than `url` for something, or a script failed."""
    strays: list[str] = []
    errors: list[str] = []

    def requested(request: Request) -> None:
        if not request.url.startswith((f"{url}/", "data:", "blob:")):
            strays.append(request.url)

    def failed(error: WebError) -> None:
        errors.append(str(error.error))

    context.on("request", requested)
    context.on("weberror", failed)
    try:
        yield
    finally:
        context.remove_listener("request", requested)
        context.remove_listener("weberror", failed)
    assert not strays, f"requests to other hosts: {strays}"
    assert not errors, f"script errors in the page: {errors}"


# A page says that its script runs when it hears so from the server: until then it has asked, and nobody has answered.
ASKED = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...data) {
  window.asked = performance.now();
  this.addEventListener('message', () => delete window.asked, { once: true });
  return send.apply(this, data);
};
"""


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """What a visitor's tabs have in common."""
    context = browser.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(ASKED)
    return context


@contextmanager
def watched_page(browser: Browser, url: str, **context_options: Any) -> Iterator[Page]:
    """A visitor with a browser of their own, :func:`watched`."""
    context = new_context(browser, **context_options)
    with watched(context, url):
        try:
            yield context.new_page()
        finally:
            context.close()


def forget(page: Page) -> None:
    """Make a tab that of a visitor who was never here."""
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.evaluate("() => { try { localStorage.clear(); sessionStorage.clear(); } catch { } }")  # none on a blank page
    page.goto("about:blank")
    page.context.clear_cookies()
    page.set_viewport_size(VIEWPORT)
    page.emulate_media(color_scheme="null", reduced_motion="null")


# For as long as a page needs to begin the next run of its script, that has ended and nothing is a placeholder.
IDLE = """(asked) => {
  const running = !document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]');
  const drawn = !document.querySelector('[data-testid=stSkeleton], [data-stale=true]');
  const asks = performance.now() - window.asked < 5000;  // what asks for a part that is gone gets no answer
  if (running || !drawn || asks || window.idle?.asked !== asked) window.idle = { asked };
  else window.idle.since ??= performance.now();
  return performance.now() - window.idle.since > 100; // never before it was seen at rest twice
}"""
_asked = itertools.count()


def wait_until_idle(page: Page) -> None:
    """Wait until the page's script has run and nothing is drawn as a placeholder any more."""
    page.wait_for_function(IDLE, arg=next(_asked))
