"""Which runs to read: what a caller may ask for, as conditions of the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ..architectures import DEFAULT
from ..config import RunConfig, SplitConfig
from .digest import digest
from .run import ENDED, RunState
from .schema import RUNS, SWEEP_RUNS, TAGS


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Runs for which all of this holds; what is None does not matter."""

    states: Collection[RunState] | None = None
    owner: str | None = None
    corpus_sha256: str | None = None
    architectures: Collection[str] | None = None  # one of them
    split: SplitConfig | None = None
    configs: Collection[RunConfig] | None = None  # whose settings are among these
    text: str = ""  # each of its words is in the name or the note, or begins the id
    queued_after: datetime | None = None  # begun or continued then
    ids: Collection[str] | None = None
    sweep: str | None = None  # id of one that they belong to
    tags: Collection[str] | None = None  # each of them
    parent: str | None = None  # id of the run that they are branches of
    deleted: bool = False  # those in the bin instead of those that are not

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        """For the WHERE of a query."""
        yield RUNS.c.deleted.is_not(None) if self.deleted else RUNS.c.deleted.is_(None)
        if self.states is not None:
            yield _is_in(set(self.states))
        if self.owner is not None:
            yield RUNS.c.owner == self.owner
        if self.corpus_sha256 is not None:
            yield RUNS.c.corpus_sha256 == self.corpus_sha256
        if self.architectures is not None:
            yield sa.or_(sa.false(), *map(_is_of, self.architectures))
        if self.split is not None:
            yield RUNS.c.split_digest == digest(self.split)
        if self.configs is not None:
            yield RUNS.c.config_digest.in_([digest(config) for config in self.configs])
        if self.queued_after is not None:
            yield RUNS.c.queued > self.queued_after.timestamp()
        if self.ids is not None:
            yield RUNS.c.id.in_(self.ids)
        if self.parent is not None:
            yield RUNS.c.parent == self.parent
        if self.sweep is not None:
            yield RUNS.c.id.in_(sa.select(SWEEP_RUNS.c.run_id).where(SWEEP_RUNS.c.sweep_id == self.sweep))
        for tag in self.tags or ():
            yield RUNS.c.id.in_(sa.select(TAGS.c.run_id).where(TAGS.c.tag == tag))
        for word in self.text.split():
            named = (column.icontains(word, autoescape=True) for column in (RUNS.c.name, RUNS.c.note))
            yield sa.or_(*named, RUNS.c.id.startswith(word, autoescape=True))


def _is_in(states: set[RunState]) -> sa.ColumnElement[bool]:
    """Whether a run is in one of some states.

    Where all that are over are wanted, by the states that are not: nearly all runs are over, and a database that looks
    for them by their states, instead of going through the newest, sorts them all.
    """
    return RUNS.c.state.not_in(set(RunState) - states) if states >= set(ENDED) else RUNS.c.state.in_(states)


def _is_of(architecture: str) -> sa.ColumnElement[bool]:
    """Whether the settings, as text, name an architecture; those from before there were several name none."""
    named = RUNS.c.config.contains(json.dumps({"architecture": architecture})[1:-1], autoescape=True)
    older = RUNS.c.config.not_like('%"architecture"%') if architecture == DEFAULT else sa.false()
    return sa.or_(named, older)


ALL = RunFilter()
