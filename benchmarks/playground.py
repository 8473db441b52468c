"""What Playground's first settings of every architecture reach in a time budget: ``python -m benchmarks.playground``.

Five seeds each, the same call a slider makes, in this process; the dataset is warm, as it is on the second move.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from mmcore import ARCHITECTURES, BUNDLED_NAMES, RunConfig, RunStore, Worker, read_words
from mmcore.playground import BudgetTooSmall, request
from ui.playground import sliders

RESULTS = Path(__file__).parent / "results" / "playground.json"
BUDGETS, SEEDS = (0.5, 1.0, 2.0), range(1, 6)
Row = dict[str, Any]


def start_config(architecture: str, sha256: str, seed: int, compiled: bool = False) -> RunConfig:
    """Where an architecture's sliders stand at first."""
    values = sliders.start_values(architecture)
    names = ("learning_rate", "weight_decay", "sampler")
    settings = {name: values[name] for name in names}
    train = sliders.start_train(architecture).replace(max_steps=1, seed=seed, compiled=compiled, **settings)
    return RunConfig(corpus_sha256=sha256, model=sliders.read_model(values), train=train)


def reached(worker: Worker, store: RunStore, architecture: str, sha256: str, compiled: bool, budget: float) -> Row:
    """Steps, seconds and validation losses of five seeds, or the seconds that the budget lacks."""
    found, asked = [], {"architecture": architecture, "compiled": compiled, "budget": budget}
    for seed in SEEDS:
        try:
            found.append(request(worker, store.url, start_config(architecture, sha256, seed, compiled), budget))
        except BudgetTooSmall as problem:
            return asked | {"needed": problem.needed}
    return asked | {
        "parameters": found[0].parameters,
        "steps": [play.step for play in found],
        "seconds": [play.seconds for play in found],
        "val_loss": [play.losses["val_loss"] for play in found],
    }


def main() -> None:
    """Measure, print, keep."""
    rows, worker = [], Worker()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(f"sqlite:///{folder}/store.sqlite")
        sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
        for architecture in ARCHITECTURES:
            request(worker, store.url, start_config(architecture, sha256, 1), None)  # builds the dataset
            for compiled, budget in product((False, True), BUDGETS):
                rows.append(reached(worker, store, architecture, sha256, compiled, budget))
                print(rows[-1], flush=True)
        store.close()
    out = {"load": os.getloadavg()[0], "rows": rows}
    RESULTS.write_text(json.dumps(out, indent=1) + "\n")
    losses = [statistics.median(row["val_loss"]) for row in rows if "val_loss" in row]
    print(f"{len(losses)} of {len(rows)} budgets allow training; load {out['load']:.1f}")


if __name__ == "__main__":
    main()
