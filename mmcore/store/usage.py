"""What an owner's runs and corpora take. Inside a transaction."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..config import RunConfig
from ..corpus import Corpus, CorpusReport
from ..cost import Cost, accept, estimate
from ..fields import require
from ..limits import MAX_OWNER, Usage
from .clock import Now
from .locks import keeping
from .run import WORKING, RunState
from .schema import CORPORA, RUNS, SIZE, Value


def accepted_cost(db: Connection, config: RunConfig, checkpoints: int) -> Cost:
    """What a run will need; ``ValueError`` where its corpus is not in the store, or it needs more than there is."""
    report = db.scalar(keeping(sa.select(CORPORA.c.report).where(CORPORA.c.sha256 == config.corpus_sha256)))
    if report is None:
        raise ValueError(f"corpus must be in the store, got sha256 {config.corpus_sha256}")
    return accept(config, read_report(report), checkpoints)


def keep_corpus(db: Connection, corpus: Corpus, owner: str | None) -> None:
    """Store a corpus that is not there yet; ``ValueError`` where its owner has too much."""
    if db.scalar(sa.select(CORPORA.c.sha256).where(CORPORA.c.sha256 == corpus.sha256)) is not None:
        return
    if owner is not None:
        usage_of(db, owner).check(corpora=1, stored=text_bytes(corpus.report))
    row: dict[str, Value] = {"sha256": corpus.sha256, "name": corpus.name[:255], "words": "\n".join(corpus.words)}
    row |= {"owner": owner, "report": json.dumps(asdict(corpus.report)), "created": Now()}
    db.execute(sa.insert(CORPORA).values(**row))


def usage_of(db: Connection, owner: str) -> Usage:
    """What an owner has waiting and keeps; runs in the bin take their room until they go for good."""
    require(len(owner) <= MAX_OWNER, "owner", f"at most {MAX_OWNER} characters", owner)
    waiting = sa.select(sa.func.count()).where(RUNS.c.owner == owner, RUNS.c.state == RunState.QUEUED)
    reports = list(db.scalars(sa.select(CORPORA.c.report).where(CORPORA.c.owner == owner)))
    stored = sum(text_bytes(read_report(report)) for report in reports) + total_bytes(db, RUNS.c.owner == owner)
    expected = _expected(db, owner)  # after the others: of a run that comes meanwhile what it will need counts
    have = stored_bytes(db, RUNS.c.id.in_(expected))
    stored += sum(max(0, size - have.get(run_id, 0)) for run_id, size in expected.items())
    return Usage(waiting=db.scalar(waiting) or 0, corpora=len(reports), stored=stored)


def _expected(db: Connection, owner: str) -> dict[str, int]:
    """Bytes that each run of an owner that waits or is at work will have in the end."""
    query = sa.select(RUNS.c.id, RUNS.c.config, RUNS.c.checkpoints, CORPORA.c.report).join(CORPORA)
    found = {}
    for row in db.execute(query.where(RUNS.c.owner == owner, RUNS.c.state.in_((RunState.QUEUED, *WORKING)))):
        with contextlib.suppress(ValueError):  # of another version, and so not to be read
            config = RunConfig.from_dict(json.loads(row.config))
            found[row.id] = estimate(config, read_report(row.report), row.checkpoints or 0).stored
    return found


def text_bytes(report: CorpusReport) -> int:
    """Of a corpus's words, one a line: counted without reading them."""
    return report.kept + sum(len(character.encode()) * count for character, count in report.characters.items())


def stored_bytes(db: Connection, where: sa.ColumnElement[bool]) -> dict[str, int]:
    """Bytes by run: known of those that have ended, counted of the others."""
    rows = db.execute(sa.select(RUNS.c.id, sa.func.coalesce(RUNS.c.stored, SIZE)).where(where))
    return {run_id: int(size) for run_id, size in rows}


def total_bytes(db: Connection, where: sa.ColumnElement[bool]) -> int:
    """The same, of all of them together: one row, however many they are."""
    return int(db.scalar(sa.select(sa.func.sum(sa.func.coalesce(RUNS.c.stored, SIZE))).where(where)) or 0)


def read_report(text: str) -> CorpusReport:
    values = json.loads(text)
    values["lengths"] = {int(length): count for length, count in values["lengths"].items()}
    return CorpusReport(**values)
