"""Fixtures of the app tests: the app in this process, a store of its own, and no worker processes."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from mmcore import BUNDLED_NAMES, Run, RunConfig, RunStore, TrainConfig, read_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.thread_worker import ThreadWorker
from ui import pages, session

ROOT = Path(__file__).parents[2]
PAGES = tuple(page.name for page in pages.PAGES)


torch.set_num_threads(1)  # tensors this small only lose time to threads

# Every AppTest looks through all installed packages for components, which takes longer than most pages: once will do.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


class IdleQueue:
    """Stands in for the queue: remembers what it was given and leaves it queued."""

    def __init__(self, store_url: str | None, workers: object) -> None:
        self.workers, self.serves = workers, True
        self.submitted: list[str] = []

    def start(self) -> IdleQueue:
        return self

    def submit(self, run_id: str) -> None:
        self.submitted.append(run_id)

    def close(self) -> None:
        pass


class InThisProcess:
    """Stands in for the worker processes: a thread does what visitors wait for."""

    count, address, problem = 2, None, ""

    def start(self, store_url: str) -> None:
        pass

    def apart(self) -> ThreadWorker:
        return ThreadWorker()

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def trained_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one short finished run on the bundled names, to be copied."""
    path = tmp_path_factory.mktemp("trained") / "store.sqlite"
    store = RunStore(f"sqlite:///{path}")
    sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
    model = model_config(embedding_dim=4, hidden_sizes=(20,))
    run = store.create(RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=30)))
    run_inline(store, run.id)
    store.close()
    return path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The store that the app uses, with the bundled names and no run."""
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    monkeypatch.setenv("MMCORE_STORE", url)
    monkeypatch.setattr("mmcore.jobs.JobQueue", IdleQueue)
    monkeypatch.setattr("mmcore.jobs.ProcessWorkers", InThisProcess)
    forget_server()
    opened = RunStore(url)
    yield opened
    opened.close()
    forget_server()


def forget_server() -> None:
    """Drop the store, the workers and what was read from the store.

    What is computed from a corpus or weights is kept under the hash or the bytes of what it comes from: it is as true
    for the next test, and computing it is most of what a page costs.
    """
    for kept in (session.store, session.workers, session.queue, session.turns, session.corpus):
        kept.clear()


@pytest.fixture
def finished(trained_file: Path, tmp_path: Path, store: RunStore) -> Run:
    """A finished run in the app's store."""
    shutil.copyfile(trained_file, tmp_path / "store.sqlite")
    run = store.latest()
    assert run is not None
    return run


Open = Callable[..., AppTest]


@pytest.fixture
def open_page(store: RunStore) -> Open:
    """``open_page("train", run=…)``: the app on that page, through the entrypoint, after a first script run."""

    def opened(name: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=180)
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        if name != "home":
            app.switch_page(f"app_pages/{name}.py")
            for key, value in query.items():  # a switch drops them, a link keeps them
                app.query_params[key] = value
            app.run()
        return app

    return opened


def texts(app: AppTest) -> str:
    """Everything a page says, in one string."""
    kinds = ("title", "header", "markdown", "caption", "text", "info", "warning", "error", "metric", "progress")
    said = [element for kind in kinds for element in app.get(kind)]
    return "\n".join(f"{getattr(e, 'label', '')} {getattr(e, 'value', '')} {getattr(e, 'text', '')}" for e in said)
