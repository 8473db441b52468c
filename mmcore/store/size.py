"""What a store's room goes to. Inside a transaction."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .bin import KEPT
from .schema import CHECKPOINTS, CORPORA, HISTORY, RUNS, SAMPLES, STEPS, UPDATES_BYTES
from .usage import read_report, text_bytes, total_bytes

PARTS = {
    "weights": "Weights",
    "train_states": "Training states",
    "checkpoints": "Checkpoints along the way",
    "curves": "Curves",
    "samples": "Samples",
    "corpora": "Corpora",
    "deleted": "Deleted runs in the bin",
    "rest": "Indices and settings",
    "free": "Free until compacted",
}
"""What takes room, and how that is called."""


@dataclass(frozen=True, kw_only=True)
class StoreSize:
    """Bytes by what takes them. Those of runs are the same as :meth:`RunStore.stored` has, and do not overlap."""

    weights: int
    train_states: int
    checkpoints: int  # along the way
    curves: int
    samples: int
    corpora: int
    deleted: int  # runs in the bin, with all that they have
    rest: int = 0  # of a SQLite file: what is not counted above
    free: int = 0  # of a SQLite file: pages that compacting gives back

    @property
    def total(self) -> int:
        """All of them: of SQLite the size of its files."""
        return sum(asdict(self).values())


def size_of(db: Connection, files: int | None) -> StoreSize:
    """Of a store whose files have so many bytes; None where that is not known."""
    blobs = (CHECKPOINTS.c.weights, CHECKPOINTS.c.train_state)
    lengths = (sa.func.sum(sa.func.coalesce(sa.func.length(blob), 0)) for blob in blobs)
    query = sa.select(CHECKPOINTS.c.kind, sa.func.count(), *lengths).join(RUNS).where(KEPT)
    rows = {kind: sizes for kind, *sizes in db.execute(query.group_by(CHECKPOINTS.c.kind))}
    weights = {kind: int(length) + UPDATES_BYTES * count for kind, (count, length, _) in rows.items()}
    points = db.scalar(sa.select(sa.func.count()).select_from(STEPS).join(RUNS).where(KEPT)) or 0
    words = db.scalar(sa.select(sa.func.sum(sa.func.length(SAMPLES.c.words))).join(RUNS).where(KEPT)) or 0
    size = StoreSize(
        weights=sum(length for kind, length in weights.items() if kind != "film"),
        train_states=sum(int(length) for _, _, length in rows.values()),
        checkpoints=weights.get("film", 0),
        curves=8 * len(HISTORY) * points,
        samples=int(words),
        corpora=sum(text_bytes(read_report(report)) for report in db.scalars(sa.select(CORPORA.c.report))),
        deleted=total_bytes(db, RUNS.c.deleted.is_not(None)),
    )
    if files is None:
        return size
    pages, size_of_page = (
        db.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_size")
    )
    free = int(pages * size_of_page)
    return StoreSize(**asdict(size) | {"free": free, "rest": max(0, files - free - size.total)})
