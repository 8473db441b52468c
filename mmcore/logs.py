"""What this program tells whoever runs it: a line a message on stderr, to be read by people or, as JSON, by programs.

``MMCORE_LOG`` chooses: ``text`` or ``json``, both with when runs begin and end; without it, warnings as text. Servers
and workers write so, of this machine and of a cluster alike.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

from .fields import choice
from .process import this_process

LOG = "MMCORE_LOG"
STYLES = ("text", "json")
OURS = ("mmcore", "ui")  # whose messages are more than warnings
FACTS = ("run", "sweep", "worker")  # what a message may be about, beside its text

NOTHING: Mapping[str, str] = MappingProxyType({})
_about: ContextVar[Mapping[str, str]] = ContextVar("about")


def style() -> str | None:
    """``MMCORE_LOG``; ``ValueError`` for what is none of :data:`STYLES`."""
    chosen = os.environ.get(LOG) or None
    if chosen is not None:
        choice(LOG, chosen, STYLES)
    return chosen


@contextlib.contextmanager
def about(**facts: str) -> Iterator[None]:
    """What the messages of this thread are about meanwhile: ``run=…``, ``sweep=…``. Outside they are as before."""
    token = _about.set({**_about.get(NOTHING), **facts})
    try:
        yield
    finally:
        _about.reset(token)


def write_logs(*, worker: bool = False) -> None:
    """Have this process's messages written as the environment says; a worker's say which process it is."""
    chosen = style()
    own = {"worker": this_process()} if worker else {}
    written = Json(own) if chosen == "json" else Text(own)
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler.formatter, (Json, Text))]:
        root.removeHandler(earlier)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(written)
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO if chosen else logging.WARNING)
    if chosen == "json":  # Streamlit and Dask have handlers of their own
        for other in list(logging.root.manager.loggerDict.values()):
            for theirs in getattr(other, "handlers", ()):
                if isinstance(theirs, logging.StreamHandler):
                    theirs.setFormatter(written)


class _Facts(logging.Formatter):
    """Knows what a message is about: as its thread says, or the message itself by ``extra=``."""

    def __init__(self, own: Mapping[str, str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.own = own

    def facts(self, record: logging.LogRecord) -> dict[str, str]:
        said = {name: str(record.__dict__[name]) for name in FACTS if name in record.__dict__}
        return {**self.own, **_about.get(NOTHING), **said}


class Text(_Facts):
    """A line with time, level and logger; what the message is about stands behind it, unless it says so itself."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        more = ", ".join(f"{name} {fact}" for name, fact in self.facts(record).items() if fact not in record.message)
        return super().formatMessage(record) + (f" ({more})" if more else "")


class Json(_Facts):
    """An object with ``time`` (UTC), ``level``, ``logger``, ``message``, what it is about, a traceback as ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.facts(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
