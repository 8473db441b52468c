"""Context size × embedding dimension on names, with paired seeds: ``python -m benchmarks.context``.

A sweep like any other, in the store that ``MMCORE_STORE`` names: what is there already is not trained again.
"""

from __future__ import annotations

import json
import time
from typing import Any

from benchmarks.report import RESULTS
from mmcore import BUNDLED_NAMES, JobQueue, ProcessWorkers, RunConfig, RunStore, read_words
from mmcore.comparison import settled
from mmcore.paired import runs_by_setting
from mmcore.presets import PRESETS
from mmcore.store import RunFilter, SweepState
from mmcore.sweeps import Axis, Sweep

CONTEXTS, DIMENSIONS, SEEDS = (1, 2, 3, 4, 6, 8), (2, 4, 10, 32), (1, 2, 3, 4, 5)
LOOK_SECONDS = 0.5


def sweep(corpus_sha256: str) -> Sweep:
    """All but context and dimension is the preset *Blink*'s."""
    blink = PRESETS["blink"]
    axes = (Axis(name="context_size", values=CONTEXTS), Axis(name="embedding_dim", values=DIMENSIONS))
    base = RunConfig(corpus_sha256=corpus_sha256, model=blink.model, train=blink.train)
    return Sweep(base=base, axes=axes, seeds=SEEDS)


def trained(store: RunStore, wanted: Sweep) -> dict[tuple[int, int], dict[str, Any]]:
    """Validation and train loss of every run by (context size, dimension), in the order of the seeds."""
    stored = store.create_sweep(wanted, name="Context and embedding", question="What pays more?")
    with JobQueue(store.url, ProcessWorkers(), stored.id):
        while store.sweep(stored.id).state is SweepState.ACTIVE:
            time.sleep(LOOK_SECONDS)
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for (context, dim), by_seed in runs_by_setting(wanted, store.runs(RunFilter(sweep=stored.id))).items():
        runs = settled(by_seed)
        losses = {name: [run.losses[name] for run in runs] for name in ("val_loss", "val_loss_unseen", "train_loss")}
        found[int(str(context)), int(str(dim))] = losses | {"seeds": [run.config.train.seed for run in runs]}
    return found


if __name__ == "__main__":
    store = RunStore()
    results = trained(store, sweep(store.add_corpus(read_words(BUNDLED_NAMES))))
    rows = [{"context_size": context, "embedding_dim": dim, **losses} for (context, dim), losses in results.items()]
    (RESULTS / "context.json").write_text(json.dumps(rows, indent=1) + "\n")
