"""What the server makes ready beside its first page, so that the first visit to every other one need not wait for it.

PyTorch takes over a second to import, and the newest run's dataset and count models half a second more.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

import streamlit as st

from mmcore.config import RunConfig
from mmcore.presets import PRESETS
from mmcore.store import Run, StoreUnavailable
from ui import counting, session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE = 10.0  # seconds for which a server that nobody visits leaves the processor to its workers, which start too
SETTLED = 1.0  # seconds after its script for which the first page has the processor to itself: browsers fetch its parts

log = logging.getLogger(__name__)
_first_page = threading.Event()


@contextlib.asynccontextmanager
async def serving(app: st.App) -> AsyncIterator[None]:
    """:func:`session.serving`, and once the first page is drawn all that others need is made ready."""
    async with session.serving(app):
        threading.Thread(target=_begin, name="warm up", daemon=True).start()
        yield


def page_drawn() -> None:
    """Say that a visitor has a page before them: what is made ready now keeps nobody waiting for it."""
    _first_page.set()


def _begin() -> None:
    if _first_page.wait(PATIENCE):
        time.sleep(SETTLED)
    try:
        make_ready(session.store().latest())
    except (StoreUnavailable, ValueError) as problem:  # the page that needs it says the same
        log.info("not made ready: %s", problem)


def make_ready(run: Run | None) -> None:
    """What pages need for a run, or for the first one that a newcomer will train."""
    import mmcore.model  # noqa: F401 (PyTorch, which most pages need)

    if run is None:
        quick = PRESETS["quick"]
        ready(RunConfig(corpus_sha256=session.bundled_sha256(), model=quick.model, train=quick.train))
    elif len(session.corpus(run.config.corpus_sha256).words) <= counting.QUICK:
        session.artifact(run)
        ready(run.config)


@st.cache_resource(show_spinner=False, max_entries=1)  # within a kept function no other shows that it works
def ready(config: RunConfig) -> None:
    """Build a run's dataset and the count models beside it."""
    session.dataset(config.corpus_sha256, config.split, config.model.context_size)
    counting.baselines(config.corpus_sha256, config.split)
    counting.table(config.corpus_sha256, config.split)
