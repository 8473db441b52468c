"""A lab report: what was asked, what was done, what came out; and the same as figures that can be verified."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import NONE, RunConfig, TrainConfig, said_of
from ..fields import cut, require, whole
from ..losses import nats
from ..sample import drawn_words
from ..schedules import learning_rate_at
from ..version import __version__
from . import markdown
from .figures import Figure, figures

if TYPE_CHECKING:
    from .trained import Trained

FORMAT = "makemore-lab-report/1"
MAX_BYTES = 20_000_000
SAMPLES, SAMPLE_SEED = 20, 0
POINTS = 12  # of the curve in the text; the figures have all
COMMAND = "makemore-lab verify report.json"


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What someone who reports a run says of it beforehand."""

    question: str = ""
    prediction: str = ""
    against: Trained | None = None  # the run it is compared with


def report_files(trained: Trained, purpose: Purpose | None = None) -> dict[str, bytes]:
    """``report.json`` and ``report.md``."""
    values = report(trained, purpose or Purpose())
    written = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    return {"report.json": written.encode(), "report.md": text(trained, values).encode()}


def report(trained: Trained, purpose: Purpose) -> dict[str, Any]:
    """The report as plain data."""
    artifact, splits = trained.artifact, trained.dataset.splits
    curve = json.loads(trained.curve.to_json(orient="records"))
    return {
        "format": FORMAT,
        "version": __version__,
        "run": {"id": trained.run_id, "name": trained.name, "created": trained.created, "step": artifact.step},
        "question": purpose.question,
        "prediction": purpose.prediction,
        "corpus": {"name": trained.corpus.name, "words": len(trained.corpus.words)}
        | {name: len(words) for name, words in splits.items()},
        "config": trained.config.to_dict(),
        "against": _against(trained, purpose.against),
        "losses": {name: asdict(figure) for name, figure in figures(trained).items()},
        "curve": curve,
        "samples": drawn_words(artifact.model, artifact.vocab, SAMPLES, SAMPLE_SEED),
        "command": COMMAND,
    }


def _against(trained: Trained, other: Trained | None) -> dict[str, Any] | None:
    """The settings in which another run differs, and its losses."""
    if other is None:
        return None
    ours, theirs = said_of(trained.config), said_of(other.config)
    differences = []
    for key in {**ours, **theirs}:
        pair = [said[key][1] if key in said else NONE for said in (ours, theirs)]
        if pair[0] != pair[1]:
            differences.append({"setting": key, "this": pair[0], "other": pair[1]})
    hashes = [run.config.corpus_sha256 for run in (trained, other)]
    if hashes[0] != hashes[1]:
        differences.append({"setting": "Corpus", "this": hashes[0], "other": hashes[1]})
    losses = {name: asdict(figure) for name, figure in figures(other).items()}
    return {"id": other.run_id, "name": other.name, "differences": differences, "losses": losses}


def text(trained: Trained, values: Mapping[str, Any]) -> str:
    """The report to be read, in Markdown."""
    found = {name: Figure(**figure) for name, figure in values["losses"].items()}
    asked = {title: values[title.lower()] for title in ("Question", "Prediction")}
    parts = {title: [markdown.plain(said)] for title, said in asked.items() if said}
    parts["Losses"] = markdown.losses(found)
    if other := values["against"]:
        parts["Compared with"] = _compared(found, other)
    parts |= {
        "Curve": _curve(values["curve"]),
        "Samples": markdown.words(values["samples"]),
        "Data": markdown.data(trained),
        "Settings": markdown.settings(trained),
        "Again": _again(trained, values),
    }
    lines = [f"# {markdown.plain(trained.name)}", "", f"Run {trained.run_id}, {trained.artifact.step:,} steps."]
    for title, part in parts.items():
        lines += ["", f"## {title}", "", *part]
    return "\n".join(lines) + "\n"


def _again(trained: Trained, values: Mapping[str, Any]) -> list[str]:
    """How its figures can be confirmed, or why they cannot."""
    if why := unverifiable(trained.config.train, _rates(values["curve"])):
        return [f"It cannot be verified by training it anew: {why}."]
    return ["This trains it anew and compares every loss:", "", f"    {values['command']}"]


def _compared(found: Mapping[str, Figure], other: Mapping[str, Any]) -> list[str]:
    theirs = {name: Figure(**figure) for name, figure in other["losses"].items()}
    settings = [tuple(map(markdown.plain, row.values())) for row in other["differences"]]
    differences = markdown.table(("Setting", "This run", "The other"), settings)
    losses = [
        (figure.title, nats(figure.loss), nats(theirs[name].loss), f"{figure.loss - theirs[name].loss:+.4f}")
        for name, figure in found.items()
        if name in theirs
    ]
    return [
        f"{markdown.plain(other['name'])}, run {other['id']}.",
        "",
        *(differences if settings else ["The settings are the same."]),
        "",
        *markdown.table(("Loss", "This run", "The other", "Difference"), losses),
    ]


def _curve(points: list[dict[str, Any]]) -> list[str]:
    """Some points that have a validation loss, evenly over all, the last among them."""
    known = [point for point in points if point.get("val_loss") is not None]
    every = max(1, math.ceil(len(known) / POINTS))
    rows = [(f"{point['step']:,}", nats(point["val_loss"])) for point in known[::-1][::every][::-1]]
    return markdown.table(("Step", "Validation loss"), rows)


# ---- read again


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a report claims, as far as it can be verified."""

    config: RunConfig
    step: int
    losses: Mapping[str, Figure]  # nats per symbol
    rates: Mapping[int, float]  # learning rates by step, as its curve has them


def read_report(path: Path) -> Reported:
    """A ``report.json``; ``ValueError`` with the first thing that does not fit."""
    size = path.stat().st_size
    require(size <= MAX_BYTES, "report", f"at most {MAX_BYTES:,} bytes", f"{size:,}")
    try:
        values: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"report must be JSON, got {cut(str(error))}") from None
    known = values.get("format") if isinstance(values, dict) else None
    require(known == FORMAT, "report format", FORMAT, known)
    run, losses, config = (values.get(name) for name in ("run", "losses", "config"))
    require(isinstance(config, dict), "config", "a table of settings", config)
    step: Any = run.get("step") if isinstance(run, dict) else None
    whole("step", step, 0, 2**53)
    require(isinstance(losses, dict) and bool(losses), "losses", "at least one figure by name", losses)
    claimed = {name: _figure(name, loss) for name, loss in losses.items()}
    rates = _rates(values.get("curve"))
    return Reported(config=RunConfig.from_dict(config), step=step, losses=claimed, rates=rates)


def _rates(curve: object) -> dict[int, float]:
    """Of the points that have both, without those that are no points."""
    points = [point for point in curve if isinstance(point, dict)] if isinstance(curve, list) else []
    known = [(point.get("step"), point.get("learning_rate")) for point in points]
    return {step: float(rate) for step, rate in known if type(step) is int and isinstance(rate, (int, float))}


def unverifiable(train: TrainConfig, rates: Mapping[int, float]) -> str | None:
    """Why a run's settings alone do not lead to its weights, in words; None where its curve does not deny that.

    A run that is trained longer has its schedule stretched over all its steps, and what it has done, it has done with
    the one before. Of one that goes on from a file of weights nobody knows how they came about.
    """
    if len(rates) < 2:
        return None
    if first := min(rates):
        return f"its curve begins at step {first:,}, as that of a run that goes on from a file of weights"
    for step, rate in sorted(rates.items()):
        planned = learning_rate_at(train, min(step, train.max_steps - 1)) if step >= 0 else rate
        if not math.isclose(rate, planned, rel_tol=1e-6):
            return (
                f"its learning rate at step {step:,} was {rate:.4g} where its settings say {planned:.4g}, as in a run "
                "that was trained longer"
            )
    return None


def _figure(name: str, values: object) -> Figure:
    loss: Any = values.get("loss") if isinstance(values, dict) else None
    finite = type(loss) in (int, float) and -math.inf < loss < math.inf
    require(finite, f"loss {cut(name)}", "a finite number", loss)
    return Figure(title=name, loss=float(loss), symbols=0)


TOLERANCE = 0.005  # nats per symbol: what other processors and builds of torch may change


def verdicts(reported: Reported, again: Trained, tolerance: float = TOLERANCE) -> list[tuple[bool, str]]:
    """Of every figure whether a run that was trained anew confirms it, and that in a sentence."""
    found, step = figures(again), again.artifact.step
    said = [(step == reported.step, f"Steps: {step:,}, the report says {reported.step:,}.")]
    for name, claimed in reported.losses.items():
        if name not in found:
            said.append((False, f"{cut(name)}: there is no such figure."))
            continue
        loss = found[name].loss
        near = abs(loss - claimed.loss) <= tolerance
        said.append((near, f"{found[name].title}: {loss:.4f} nats per symbol, the report says {claimed.loss:.4f}."))
    return said
