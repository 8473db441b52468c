"""``/health``: whether this server can do its work, for programs that watch it.

It says nothing of where the store is or why it fails, as whoever reaches the app can ask; the log says that.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mmcore.store import WORKING, RunFilter, RunState
from mmcore.version import __version__
from ui import session
from ui.kit.live import address_of

WAIT_SECONDS = 1.5  # for the database, so that the answer comes within two
OK = "ok"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Health:
    """What is answered."""

    store: str = OK  # or a sentence, as is the next
    queue: str = OK
    workers: int | None = None  # that train this server's queue; None: not known, as are the next
    queued: int | None = None
    running: int | None = None
    version: str = __version__

    @property
    def status(self) -> int:
        """Of HTTP."""
        return 200 if self.store == self.queue == OK else 503


def route() -> Route:
    """Where the server answers."""
    return Route(address_of("health"), Looks().answer)


class Looks:
    """One look at a time, in a thread of its own: a database that hangs holds up no answer, nor the server's end."""

    def __init__(self) -> None:
        self._latest: Future[Health] | None = None

    async def answer(self, _: Request) -> JSONResponse:
        if self._latest is None or self._latest.done():
            self._latest = Future()
            threading.Thread(target=_look, args=[self._latest], name="health", daemon=True).start()
        latest = self._latest
        await asyncio.wait([asyncio.wrap_future(latest)], timeout=WAIT_SECONDS)
        hangs = Health(store=f"The store does not answer within {WAIT_SECONDS} s.")
        found = latest.result() if latest.done() else hangs
        return JSONResponse(asdict(found), found.status, {"Cache-Control": "no-store"})


def _look(answer: Future[Health]) -> None:
    try:
        answer.set_result(_counted(_queue()))
    except Exception as problem:  # whatever it is, there must be an answer
        log.warning("the store cannot be read: %s", problem)
        answer.set_result(Health(store="The store cannot be read; the log says why."))


def _queue() -> Health:
    try:
        queue = session.queue()
    except session.NoWorkers:
        return Health(queue="No worker can be had as this server is set up; the log says why.")
    said = OK if queue.serves else "The queue has ended: nothing that waits is trained by this server."
    return Health(queue=said, workers=queue.workers.count)


def _counted(found: Health) -> Health:
    store = session.store()
    queued = store.count(RunFilter(states=[RunState.QUEUED]))
    return replace(found, queued=queued, running=store.count(RunFilter(states=WORKING)))
