"""What the server makes ready beside its first page, so that the first visit to every other one need not wait for it.

PyTorch takes over a second to import, and the newest run's dataset and count models half a second more.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import streamlit as st

from mmcore.config import RunConfig
from mmcore.ngram import ORDERS
from mmcore.presets import PRESETS
from mmcore.store import Run, StoreUnavailable
from ui import counting, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE = 10.0  # seconds for which a server that nobody visits leaves the processor to its workers, which start too
SETTLED = 1.0  # seconds after its script for which the first page has the processor to itself: browsers fetch its parts
LONGEST_PAGE = 5.0  # seconds that a page is waited for: one that was left half drawn never says that it is drawn

log = logging.getLogger(__name__)
_first_page, _undisturbed = threading.Event(), threading.Event()


@contextlib.asynccontextmanager
async def serving(app: st.App) -> AsyncIterator[None]:
    """:func:`session.serving`, and once the first page is drawn all that others need is made ready."""
    async with session.serving(app):
        threading.Thread(target=_begin, name="warm up", daemon=True).start()
        yield


def page_begun() -> None:
    """Say that a visitor waits for a page: what it needs it makes ready itself, and all else would only delay it."""
    _undisturbed.clear()


def page_drawn() -> None:
    """Say that a visitor has a page before them: what is made ready now keeps nobody waiting for it."""
    _undisturbed.set()
    _first_page.set()


def _begin() -> None:
    if _first_page.wait(PATIENCE):
        time.sleep(SETTLED)
    else:
        _undisturbed.set()
    try:
        for piece in pieces(session.store().latest()):
            _undisturbed.wait(LONGEST_PAGE)
            piece()
    except (StoreUnavailable, ValueError) as problem:  # the page that needs it says the same
        log.info("not made ready: %s", problem)


def pieces(run: Run | None) -> Iterator[Callable[[], object]]:
    """What pages need for a run, or for the first one that a newcomer will train, a fraction of a second each."""
    yield partial(import_module, "mmcore.model")  # PyTorch, which most pages need
    if run is None:
        quick = PRESETS["quick"]
        config = RunConfig(corpus_sha256=session.bundled_sha256(), model=quick.model, train=quick.train)
    elif len(session.corpus(run.config.corpus_sha256).words) <= counting.QUICK:
        yield partial(session.artifact, run)
        config = run.config
    else:
        return
    sha256, split = config.corpus_sha256, config.split
    yield partial(_quietly, session.dataset, sha256, split, config.model.context_size)
    yield partial(_quietly, counting.baselines, sha256, split)
    for order in ORDERS:
        yield partial(_quietly, counting.fitted, sha256, split, order)
    yield partial(_quietly, counting.table, sha256, split)


def _quietly(function: Callable[..., object], *arguments: object) -> None:
    """Call a function whose results are kept; within another such function none shows on a page that it works."""
    _within((function.__name__, *arguments), partial(function, *arguments))


@st.cache_resource(show_spinner=False, max_entries=1)
def _within(key: tuple[object, ...], _call: Callable[[], object]) -> None:
    _call()
