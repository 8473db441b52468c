"""Runs as one file between stores: the file is a small store itself.

What comes from elsewhere is checked before it is kept: text, numbers, sizes, and weights by loading them.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..architectures.interface import ModelConfig
from ..architectures.old_names import renamed
from ..checkpoint import FLOAT, MAX_BYTES
from ..config import RunConfig
from ..corpus import Corpus, CorpusReport, corpus_from_words
from ..dataset import Vocab
from ..fields import cut, quoted, require, whole
from ..limits import MAX_NOTE
from ..losses import LOSSES
from .bin import KEPT
from .clock import Now
from .digest import digests
from .points import MAX_POINTS, MAX_SAMPLES, read_updates, written_updates
from .run import ENDED, WORKING, RunState, clean_name, no_run
from .schema import CHECKPOINTS, CORPORA, HISTORY, LARGEST, MAX_ERROR_TYPE, RUNS, SAMPLES, SIZE, STEPS, TAGS, Value
from .tags import clean_tag
from .usage import keep_corpus, read_report, usage_of

MAX_RUNS = 10_000  # of a file
MAX_KEPT = 1_000  # checkpoints and tags of a run, each
MAX_ERROR = 10_000  # characters
MAX_SAMPLE = 100_000  # bytes of the words drawn at one step
PRIVATE = dict.fromkeys(("owner", "token", "worker", "heartbeat", "lease_until", "deleted"))
"""Columns that stay in their store: who and where."""
OF_RUN = (STEPS, SAMPLES, CHECKPOINTS, TAGS)
BROKEN = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, RuntimeError)
"""What reading a run can raise that is not as it should be; a RuntimeError is PyTorch's."""

Row = dict[str, Value]


@dataclass(frozen=True)
class ImportReport:
    """What became of the runs of a file."""

    imported: dict[str, str] = field(default_factory=dict)  # id in the file -> id in the store, mostly the same
    skipped: dict[str, str] = field(default_factory=dict)  # id in the file -> why


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One run from a file, checked."""

    corpus: Corpus
    run: Row
    rows: dict[sa.Table, list[Row]]  # without the run's id

    @property
    def size(self) -> int:
        """Bytes that it will take, about."""
        rows = [self.run, *(row for rows in self.rows.values() for row in rows)]
        values = [value for row in rows for value in row.values()]
        return sum(len(value) if isinstance(value, (bytes, str)) else 8 for value in values)


# ---- out


def write(db: Connection, run_ids: Collection[str], file: Connection) -> None:
    """Copy runs into an empty store, with their corpora, and without what is private."""
    chosen = (RUNS.c.id.in_(run_ids), KEPT)
    missing = set(run_ids) - set(db.scalars(sa.select(RUNS.c.id).where(*chosen)))
    if missing:
        raise no_run(min(missing))
    for sha256 in set(db.scalars(sa.select(RUNS.c.corpus_sha256).where(*chosen))):
        row = db.execute(sa.select(CORPORA).where(CORPORA.c.sha256 == sha256)).one()
        file.execute(sa.insert(CORPORA).values(**dict(row._mapping) | {"owner": None}))
    for run_id in run_ids:
        row = db.execute(sa.select(RUNS).where(RUNS.c.id == run_id)).one()
        file.execute(sa.insert(RUNS).values(**dict(row._mapping) | PRIVATE))
        for table in OF_RUN:
            rows = [dict(row._mapping) for row in db.execute(sa.select(table).where(table.c.run_id == run_id))]
            if rows:
                file.execute(sa.insert(table), rows)


# ---- in: what the file says


def ids(file: sqlite3.Connection) -> list[str]:
    """Of the runs in a file, oldest first, without those in its bin."""
    found = [row["id"] for row in file.execute("SELECT id FROM runs WHERE deleted IS NULL ORDER BY created, id")]
    require(len(found) <= MAX_RUNS, "file", f"one with at most {MAX_RUNS:,} runs", len(found))
    return [str(run_id) for run_id in found]


class Reader:
    """Reads the runs of a file, and of each corpus only once."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self.file = file
        self._corpora: dict[str, Corpus | ValueError] = {}

    def parcel(self, run_id: str) -> Parcel:
        """A run; ``ValueError`` with the first thing about it that is not as it should be."""
        try:
            return self._parcel(run_id)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise ValueError(f"run must be readable, got {cut(str(error))}") from None
        except BROKEN as error:
            if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
                raise
            raise ValueError(f"run must be readable, got {type(error).__name__}: {cut(str(error))}") from None

    def _parcel(self, run_id: str) -> Parcel:
        found = self._rows("SELECT * FROM runs WHERE id = ?", run_id, 1)
        require(bool(found), "run", "readable", "one that a damaged file lists and does not have")
        row = found[0]
        config = RunConfig.from_dict(json.loads(_text(row, "config", 10**6)))
        corpus = self.corpus(config.corpus_sha256)
        rows = {table: self._of_run(table, run_id, most) for table, most in ROWS.items()}
        checked: dict[sa.Table, list[Row]] = {
            STEPS: list(map(_step_row, rows[STEPS])),
            SAMPLES: list(map(_sample_row, rows[SAMPLES])),
            CHECKPOINTS: _checkpoint_rows(rows[CHECKPOINTS], config, Vocab.of(corpus)),
            TAGS: [{"tag": tag} for tag in {clean_tag(_text(row, "tag", 100)) for row in rows[TAGS]}],
        }
        last = [row["step"] for row in checked[CHECKPOINTS] if row["kind"] == "last"]
        own = _run_row(row, config) | {"weights_step": last[0] if last else None}
        return Parcel(corpus=corpus, run=own, rows=checked)

    def _rows(self, query: str, key: str, most: int) -> list[dict[str, Any]]:
        rows = self.file.execute(f"{query} LIMIT {most + 1}", (key,)).fetchall()
        require(len(rows) <= most, "run", f"one with at most {most:,} rows of a kind", f"more ({query})")
        return [dict(row) for row in rows]

    def _of_run(self, table: sa.Table, run_id: str, most: int) -> list[dict[str, Any]]:
        return self._rows(f"SELECT * FROM {table.name} WHERE run_id = ?", run_id, most)

    def corpus(self, sha256: str) -> Corpus:
        """A corpus of the file."""
        if sha256 not in self._corpora:
            try:
                self._corpora[sha256] = self._read_corpus(sha256)
            except ValueError as error:
                self._corpora[sha256] = error
        found = self._corpora[sha256]
        if isinstance(found, ValueError):
            raise found
        return found

    def _read_corpus(self, sha256: str) -> Corpus:
        rows = self._rows("SELECT * FROM corpora WHERE sha256 = ?", sha256, 1)
        require(bool(rows), "corpus", "in the file", f"none with sha256 {sha256[:10]}")
        name = clean_name(_text(rows[0], "name", 255))
        words = _text(rows[0], "words", 10**9).split("\n")
        report = _text(rows[0], "report", 10**8)
        again = corpus_from_words(words, name, read_report(report).tokens)
        require(again.words == tuple(words), "corpus", "words without white space around", name)
        require(again.sha256 == sha256, "corpus", "the one that its sha256 names", again.sha256[:10])
        return Corpus(name, again.words, _report(report, again.report))


ROWS = {STEPS: MAX_POINTS, SAMPLES: MAX_SAMPLES, CHECKPOINTS: MAX_KEPT, TAGS: MAX_KEPT}
"""How many of each a run has at most."""


COUNTED = ("kept", "characters", "lengths", "form", "stripped", "removed", "replaced", "examples", "read_as", "tokens")
"""Of a report, what the words themselves say, and what nobody here can check."""


def _report(text: str, counted: CorpusReport) -> CorpusReport:
    """What a corpus's words show, counted again, with what the file tells of how they were read."""
    told = asdict(read_report(text))
    for name in ("lines", "duplicates", "lowered", "composed"):
        whole(name, told[name], 0, LARGEST)
    require(isinstance(told["lowercase"], bool), "lowercase", "true or false", told["lowercase"])
    for name in ("dropped", "cleaned", "cleaned_at"):
        for key, count in told[name].items():
            require(name == "dropped" or _is_code_point(key), name, "by code point", key)
            whole(f"{name} {cut(key)}", count, 0, LARGEST)
    return CorpusReport(**told | {name: getattr(counted, name) for name in COUNTED})


def _is_code_point(text: str) -> bool:
    return text[:2] == "U+" and 6 <= len(text) <= 8 and int(text[2:], 16) < 0x110000


def _run_row(row: Mapping[str, Any], config: RunConfig) -> Row:
    """What a run is, as a store keeps it; times are cut at now later on."""
    state = RunState(_text(row, "state", 16))
    over = {RunState.QUEUED: RunState.STOPPED} | dict.fromkeys(WORKING, RunState.INTERRUPTED)
    run_id, note = _text(row, "id", 32), _text(row, "note", MAX_NOTE)
    require(run_id.isascii() and run_id.isalnum(), "id", "letters and digits", run_id)
    losses = json.loads(_text(row, "losses", 10**4))
    require(set(losses) <= set(LOSSES), "losses", f"among {', '.join(LOSSES)}", sorted(losses))
    kept: Row = {"id": run_id, "name": clean_name(_text(row, "name", 255)), "note": note}
    kept |= {"state": state if state in ENDED else over[state]}
    kept |= {"config": json.dumps(config.to_dict()), "corpus_sha256": config.corpus_sha256, **digests(config)}
    kept |= {"losses": json.dumps({name: _real(name, loss) for name, loss in losses.items()})}
    kept |= {"parent": config.origin.run_id if config.origin else None}
    for name in ("error", "error_type"):
        kept[name] = None if row[name] is None else _text(row, name, MAX_ERROR if name == "error" else MAX_ERROR_TYPE)
    for name in ("step", "test_openings", "checkpoints"):
        whole(name, row[name] or 0, 0, LARGEST)
        kept[name] = row[name] or 0
    for name in ("created", "queued", "started", "ended", "test_opened", "batch_loss", "seconds"):
        kept[name] = _real(name, row[name], lowest=-math.inf if name == "batch_loss" else 0.0)
    require(None not in (kept["created"], kept["queued"], kept["seconds"]), "run", "one with its times", row["created"])
    return kept


def _step_row(row: Mapping[str, Any]) -> Row:
    whole("step", row["step"], 0, LARGEST)
    return {"step": row["step"], **{name: _real(name, row[name]) for name in HISTORY[1:]}}


def _sample_row(row: Mapping[str, Any]) -> Row:
    whole("step", row["step"], 0, LARGEST)
    words = json.loads(_text(row, "words", MAX_SAMPLE))
    ok = isinstance(words, list) and all(isinstance(word, str) for word in words)
    require(ok, "samples", "a list of words", words)
    return {"step": row["step"], "words": json.dumps(words)}


# ---- in: weights


def _checkpoint_rows(rows: Sequence[Mapping[str, Any]], config: RunConfig, vocab: Vocab) -> list[Row]:
    """Weights and training states, each loaded once to see that it can be."""
    apart = [row["kind"] for row in rows if row["kind"] != "film"]
    ok = len(set(apart)) == len(apart) and set(apart) <= {"last", "start"}
    require(ok, "checkpoints", "film, and of last and start one each", apart)
    film = sum(len(row["weights"] or b"") for row in rows if row["kind"] == "film")
    require(film <= MAX_BYTES, "checkpoints", f"at most {MAX_BYTES:,} bytes", film)
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: row["kind"] == "film"):  # other weights say more about what is wrong
        whole("step", row["step"], 0, LARGEST)
        own: Row = {name: row[name] for name in ("kind", "step", "weights", "train_state")} | {"updates": None}
        if row["kind"] == "film":
            own |= {"train_state": None, "updates": _checked_updates(row, config.model, vocab.size)}
        elif row["kind"] == "start":
            _check_start(row["weights"], config, vocab.size)
            own |= {"train_state": None}
        else:
            _check_weights(row["weights"], config, vocab)
            _check_state(row["train_state"], config, vocab)
        kept.append(own)
    return kept


def _check_start(weights: object, config: RunConfig, vocab_size: int) -> None:
    """The weights that a branch began with are those that its settings name."""
    found = _checked_flat(weights, config.model, vocab_size)
    named = config.origin.weights_sha256 if config.origin else None
    require(hashlib.sha256(found).hexdigest() == named, "first weights", "those that the settings name", "others")


def _checked_flat(weights: object, model: ModelConfig, vocab_size: int) -> bytes:
    """Weights in the layout of ``Model.flat``, if they are as many finite numbers as the model has."""
    size = FLOAT.itemsize * sum(map(math.prod, model.shapes(vocab_size).values()))
    if not isinstance(weights, bytes) or len(weights) != size:
        raise ValueError(f"checkpoint must be {size:,} bytes, got {quoted(weights)}")
    require(bool(np.isfinite(np.frombuffer(weights, FLOAT)).all()), "checkpoint", "finite numbers", "others")
    return weights


def _checked_updates(row: Mapping[str, Any], model: ModelConfig, vocab_size: int) -> str:
    """The updates of a film's row whose weights are right."""
    _checked_flat(row["weights"], model, vocab_size)
    shapes = model.shapes(vocab_size)
    updates = read_updates(_text(row, "updates", 10**6), renamed(model))
    require(set(updates) <= set(shapes), "updates", "of the model's tensors", sorted(updates))
    return written_updates(updates)


def _check_weights(weights: object, config: RunConfig, vocab: Vocab) -> None:
    from ..export.artifact import load

    if not isinstance(weights, bytes):
        raise ValueError(f"weights must be a .safetensors file, got {quoted(weights)}")
    artifact = load(weights)
    same = artifact.config.replace(train=config.train) == config  # a run may be trained longer than it was to be
    require(same, "weights", "of the run's settings", artifact.config.model.summary())
    require(artifact.vocab == vocab, "vocab", "that of the corpus", artifact.vocab.symbols)


def _check_state(train_state: object, config: RunConfig, vocab: Vocab) -> None:
    """Once the weights are known to be of the config's size, so that no more memory is taken than the file has."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from ..train_state import TrainState

    if train_state is None:
        return
    if not isinstance(train_state, bytes):
        raise ValueError(f"training state must be a .safetensors file, got {quoted(train_state)}")
    try:
        tensors = load(train_state)
    except SafetensorError as error:
        raise ValueError(f"training state must be a whole .safetensors file, got {cut(str(error))}") from None
    state = TrainState(config.model, config.train, vocab.size)
    state.load(tensors)
    whole("step of the training state", state.step, 0, LARGEST)
    require(bool(state.model.flat.isfinite().all()), "training state", "finite weights", "others")


# ---- in: values


def _text(row: Mapping[str, Any], name: str, most: int) -> str:
    value = row[name]
    require(isinstance(value, str) and "\0" not in value, name, "text", value)
    require(len(value) <= most, name, f"at most {most:,} characters", len(value))
    return str(value)


def _real(name: str, value: object, lowest: float = -math.inf) -> float | None:
    """A finite number, or none."""
    if value is None:
        return None
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= lowest
    require(ok, name, "a finite number" + (" from 0" if lowest == 0 else ""), value)
    return float(value)  # type: ignore[arg-type]


# ---- in: into the store, inside a transaction


def keep(db: Connection, parcel: Parcel, owner: str | None) -> str:
    """Store a run and return its id; ``ValueError`` where it is there already, or its owner has too much."""
    run = dict(parcel.run)
    run["id"] = run_id = _free_id(db, str(run["id"]), str(run["config_digest"]))
    if owner is not None:
        usage_of(db, owner).check(stored=parcel.size)
    keep_corpus(db, parcel.corpus, owner)
    now = float(db.execute(sa.select(Now())).scalar_one())
    for name in ("created", "queued", "started", "ended", "test_opened"):
        run[name] = None if run[name] is None else min(run[name], now)  # type: ignore[type-var]
    ended = now if run["ended"] is None else run["ended"]
    db.execute(sa.insert(RUNS).values(**run | {"owner": owner, "ended": ended}))
    for table, rows in parcel.rows.items():
        if rows:
            db.execute(sa.insert(table), [row | {"run_id": run_id} for row in rows])
    db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(stored=SIZE))
    return run_id


def _free_id(db: Connection, run_id: str, config_digest: str) -> str:
    """The id if it is free; else one that follows from it, so that the same file brings the same run only once."""
    wanted = run_id
    while True:
        query = sa.select(RUNS.c.config_digest, RUNS.c.deleted).where(RUNS.c.id == run_id)
        row = db.execute(query).one_or_none()
        if row is None:
            return run_id
        if row.config_digest == config_digest:
            where = "in the store already" if row.deleted is None else "in the bin of this store"
            raise ValueError(f"it is {where}" + (f", as {run_id}" if run_id != wanted else ""))
        run_id = hashlib.sha256(f"{run_id} {config_digest}".encode()).hexdigest()[:10]
