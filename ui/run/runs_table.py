"""Runs as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from mmcore.config import RunConfig
from mmcore.cost import duration
from mmcore.store import Run


def runs_table(
    runs: Sequence[Run],
    describe: Callable[[RunConfig], str],
    state_title: Callable[[Run], str],
    stored: Mapping[str, int],
) -> pd.DataFrame:
    """A row a run, in the order given, with the megabytes that each takes. The test split is named, never its loss."""
    rows = []
    for run in runs:
        row: dict[str, object] = {"Name": run.name, "State": state_title(run)}
        row |= {"Validation": run.losses.get("val_loss"), "Unseen": run.losses.get("val_loss_unseen")}
        row |= {"Train": run.losses.get("train_loss"), "Test": opened(run.test_openings), "Step": run.step}
        row |= {
            "Time": duration(run.seconds),
            "Stored": stored.get(run.id, 0) / 10**6,
            "Created": run.created,
            "Settings": describe(run.config),
        }
        row |= {"Settings": describe(run.config), "Corpus": run.corpus_name, "Note": run.note}
        rows.append(row)
    return pd.DataFrame(rows).astype({name: float for name in ("Train", "Validation", "Unseen")})


def opened(times: int) -> str:
    """How often a run's test split was looked at."""
    return {0: "Sealed", 1: "Opened once"}.get(times, f"Opened {times:,} times")
