"""What the goals on Lessons are measured against: ``python -m benchmarks.frontier`` writes ``mmcore/frontier.json``.

It trains nothing: it gathers what other scripts have kept. A preset's five seeds come from ``python -m benchmarks.best
NAME``, or from ``python -m benchmarks.parity`` where the same settings are a row; the speed records from ``python -m
benchmarks.speed``; published figures, with their sources, from the rows of ``benchmarks/parity.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.parity import BATCH, LECTURE, PART5_STEPS, ROWS, TRANSFORMER
from benchmarks.speed import COMPILED, COMPILED_MODEL, OURS, OURS_MODEL
from mmcore import BUNDLED_NAMES, ModelConfig, SplitConfig, Vocab, read_words
from mmcore.architectures import model_config
from mmcore.frontier import RECORDED
from mmcore.presets import PRESETS

RESULTS = Path(__file__).parent / "results"
IN_PARITY = {"lecture": "mlp", "transformer": "transformer"} | {
    n: f"{n}-preset" for n in ("wavenet", "rnn", "gru", "lstm", "microgpt")
}
PUBLISHED: dict[str, tuple[ModelConfig, int | None]] = {  # row of parity -> model, updates where they are known
    "mlp": (model_config(init="lecture"), LECTURE.max_steps),
    "softmax-fix": (model_config(init="lecture"), LECTURE.max_steps),
    "tanh-fix": (model_config(), LECTURE.max_steps),
    "batch-norm": (BATCH, LECTURE.max_steps),
    "context-8": (BATCH.replace(context_size=8), PART5_STEPS),
    "wavenet": (model_config(architecture="wavenet"), PART5_STEPS),
    "transformer": (TRANSFORMER.model, None),
}
THEIR_WORDS = "on the lecture's 32,033 names and a split of its own"
THEIR_TEST = "on 1,000 words of makemore's test split, not on validation"


def preset(name: str, sha256: str, vocab_size: int) -> dict[str, Any]:
    """A preset's losses and seconds, seed by seed."""
    kept, settings = RESULTS / f"preset-{name}.json", PRESETS[name]
    if kept.exists():
        rows = [row for row in json.loads(kept.read_text()) if not row["deduplicate"]]
        runs = [{key: row[key] for key in ("seed", "val_loss", "seconds")} for row in rows]
        source = f"benchmarks/results/{kept.name}"
    elif name in IN_PARITY:
        rows = json.loads((RESULTS / "parity.json").read_text())[sha256]["rows"][IN_PARITY[name]]
        runs = [{"seed": int(s), "val_loss": r["val_loss"], "seconds": r["processor_seconds"]} for s, r in rows.items()]
        source = f"benchmarks/results/parity.json, row {IN_PARITY[name]}"
    else:
        raise SystemExit(f"measure it first: python -m benchmarks.best {name}")
    parameters = settings.model.parameters(vocab_size)
    found = {"title": settings.title, "preset": name, "source": source, "parameters": parameters}
    return found | {"steps": settings.train.max_steps, "runs": sorted(runs, key=lambda run: run["seed"])}


def records(vocab_size: int) -> list[dict[str, Any]]:
    """This project's shortest ways to two losses."""
    rows = json.loads((RESULTS / "speed-full.json").read_text())["runs"]
    found = []
    mine = [("ours", OURS_MODEL, target, train) for target, train in OURS.items()]
    mine += [("ours, compiled", COMPILED_MODEL[target], target, train) for target, train in COMPILED.items()]
    for name, model, target, train in mine:
        runs = [row for row in rows if (row["name"], row["target"]) == (name, target)]
        title = f"Speed record, {train.max_steps} updates" + ", compiled" * train.compiled
        record = {"title": title, "preset": None, "source": "benchmarks/results/speed-full.json"}
        record |= {"parameters": model.parameters(vocab_size), "steps": train.max_steps}
        keys = ("seed", "val_loss", "seconds")
        found.append(record | {"runs": [{key: row[key] for key in keys} for row in runs]})
    return found


def figure(name: str, vocab_size: int) -> dict[str, Any]:
    """A published figure."""
    (model, steps), row = PUBLISHED[name], ROWS[name]
    test = "val_loss" not in row.published
    found = {"title": row.title, "source": row.source, "parameters": model.parameters(vocab_size), "steps": steps}
    loss = row.published["test_loss" if test else "val_loss"]
    return found | {"val_losses": [loss], "differs": THEIR_TEST if test else THEIR_WORDS}


def gathered() -> dict[str, Any]:
    """All of it, as the file has it."""
    corpus = read_words(BUNDLED_NAMES)
    sha256, size = corpus.sha256, Vocab.from_words(corpus.words).size
    return {
        "corpus_sha256": sha256,
        "split": SplitConfig().to_dict(),
        "measured": [*(preset(name, sha256, size) for name in PRESETS), *records(size)],
        "published": [figure(name, size) for name in PUBLISHED],
    }


def main() -> None:
    """Gather, and write."""
    found = gathered()
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{RECORDED.name}: {len(found['measured'])} measured, {len(found['published'])} published")


if __name__ == "__main__":
    main()
