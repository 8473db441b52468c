"""Whether a lab report holds: its model trained again, and each of its figures beside the new one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import RunConfig
from .fields import cut, require
from .losses import SHOWN, nats

if TYPE_CHECKING:
    from .corpus import Corpus
    from .training import Step

TOLERANCE = 0.005  # nats: what the rounding of another machine may change
MAX_BYTES = 50 * 2**20


@dataclass(frozen=True)
class Figure:
    """One loss of a report, and what training again gave."""

    name: str
    reported: float
    found: float

    @property
    def holds(self) -> bool:
        """Whether the two are the same up to rounding."""
        return abs(self.reported - self.found) <= TOLERANCE

    def __str__(self) -> str:
        verdict = "confirmed" if self.holds else f"denied: they differ by {abs(self.reported - self.found):.4f}"
        return f"{self.name.replace('_', ' ')}: reported {nats(self.reported)}, now {nats(self.found)}, {verdict}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What of a lab report can be checked."""

    config: RunConfig
    step: int
    losses: dict[str, float]
    samples: list[str]
    sample_seed: int


def read_report(path: Path) -> Report:
    """A report from ``report.json``; ``ValueError`` names what is wrong with one."""
    from .export.reporting import FORMAT

    size = path.stat().st_size
    require(size <= MAX_BYTES, "report", f"at most {MAX_BYTES:,} bytes", size)
    try:
        values: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"report must be JSON, got {cut(str(error))}") from None
    known = isinstance(values, dict) and values.get("format") == FORMAT
    require(known, "report", f"a JSON object of the format {FORMAT}", cut(str(values), 60))
    report = Report(
        config=RunConfig.from_dict(values.get("config")),
        step=_number(values, "step"),
        losses=_losses(values.get("losses")),
        samples=[str(word) for word in values.get("samples") or []],
        sample_seed=_number(values, "sample_seed"),
    )
    require(report.config.origin is None, "report", "of a run that begins with weights of its own", "one of a branch")
    whole = report.step == report.config.train.max_steps or report.config.train.patience > 0
    rule = f"of a run that went on to its last step, {report.config.train.max_steps:,}"
    require(whole, "report", rule, report.step)
    return report


def _number(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    require(isinstance(value, int) and value >= 0, name, "a whole number from 0", value)
    assert isinstance(value, int)
    return value


def _losses(values: object) -> dict[str, float]:
    valid = isinstance(values, dict) and all(name in SHOWN for name in values)
    valid = valid and all(isinstance(loss, int | float) for loss in values.values())  # type: ignore[attr-defined]
    require(bool(valid), "losses", "some of " + ", ".join(SHOWN), cut(str(values), 60))
    assert isinstance(values, dict)
    return {name: float(loss) for name, loss in values.items()}


def train_again(
    report: Report, corpus: Corpus, show: Callable[[Step], None] | None = None
) -> tuple[list[Figure], list[str]]:
    """Every figure of a report beside what its config gives now, and the samples drawn now; nothing is kept."""
    from .export.artifact import load
    from .jobs import run_inline
    from .sample import drawn_words
    from .store import RunState, RunStore

    sha256 = report.config.corpus_sha256
    require(corpus.sha256 == sha256, "corpus", f"the one with sha256 {sha256[:10]}…", corpus.sha256[:10])
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        try:
            store.add_corpus(corpus)
            run = run_inline(store, store.create(report.config).id, show)
            require(run.state is RunState.FINISHED, "run", "one that finishes", f"{run.state}: {run.error}")
            artifact = load(store.weights(run.id) or b"")
        finally:
            store.close()
    figures = [Figure(name, loss, run.losses[name]) for name, loss in report.losses.items()]
    return figures, drawn_words(artifact.model, artifact.vocab, len(report.samples), report.sample_seed)
