"""The presets, as anyone runs them: ``python -m benchmarks.best [PRESET ...]``, over five seeds, one thread a run.

With de-duplicated splits beside for the MLPs, because a validation word that also occurs in train can be memorised.
The seconds are the processor's: with one thread they are those of a clock on a machine that does nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from mmcore import BUNDLED_NAMES, PRESETS, Pace, SplitConfig, TrainState, build_dataset, read_words, train
from mmcore.losses import SHOWN

RESULTS = Path(__file__).parent / "results"
SEEDS = (1, 2, 3, 4, 5)
MLPS, OTHERS = ("quick", "blink", "best"), ("best-of-all",)


def measure(name: str, seed: int, deduplicate: bool) -> dict[str, Any]:
    """One run of a preset at split seed 42; its clock starts with words in memory."""
    torch.set_num_threads(1)
    preset, words = PRESETS[name], read_words(BUNDLED_NAMES).words
    build_dataset(words[:100], SplitConfig(), 1)  # the libraries' first calls are not the preset's
    began = time.process_time()
    data = build_dataset(words, SplitConfig(deduplicate=deduplicate), preset.model.context_size)
    state = TrainState(preset.model, preset.train.replace(seed=seed), data.vocab.size)
    steps = list(train(state, data, pace=Pace(every=preset.train.max_steps)))
    seconds = time.process_time() - began
    row = {"preset": name, "seed": seed, "deduplicate": deduplicate, "steps": state.step, "seconds": seconds}
    row |= {loss: getattr(steps[-1], loss) for loss in SHOWN}
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    """Measure, print, keep."""
    RESULTS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or [*MLPS, *OTHERS]:
        splits = (False, True) if name in MLPS else (False,)
        settings = [(name, seed, deduplicate) for deduplicate in splits for seed in SEEDS]
        rows: list[dict[str, Any]] = []
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
            for row in pool.map(measure, *zip(*settings, strict=True)):
                rows.append(row)
                (RESULTS / f"preset-{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
        plain = [row["val_loss"] for row in rows if not row["deduplicate"]]
        print(f"{name}: median {statistics.median(plain):.4f}, worst {max(plain):.4f}")


if __name__ == "__main__":
    main()
