"""What tells runs apart: the settings in which they differ, and their losses beside each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from .config import NONE, said_of
from .losses import LOSSES, SHOWN

if TYPE_CHECKING:
    from .store import Run, RunSummary


def settings_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Every setting of some runs in words: a row a setting, in the order of a form.

    Columns: ``setting``, its title; ``same``, whether all runs have the same value; and each run's value, by its id.
    """
    corpora = zip(runs, _corpora(runs), strict=True)
    said = {run.id: said_of(run.config) | {"Corpus": ("Corpus", name)} for run, name in corpora}
    rows = []
    for key in dict.fromkeys(key for own in said.values() for key in own):
        titles = {own[key][0] for own in said.values() if key in own}
        values = {run_id: own[key][1] if key in own else NONE for run_id, own in said.items()}
        title = titles.pop() if len(titles) == 1 else key
        rows.append({"setting": title, "same": len(set(values.values())) == 1} | values)
    return pd.DataFrame(rows, columns=["setting", "same", *said])


def _corpora(runs: Sequence[Run]) -> list[str]:
    """The name of each run's corpus; of two corpora with one name, with the first digits of their hash."""
    known: Mapping[str, set[str]] = {run.corpus_name: set() for run in runs}
    for run in runs:
        known[run.corpus_name].add(run.config.corpus_sha256)
    return [
        run.corpus_name + (f" ({run.config.corpus_sha256[:8]})" if len(known[run.corpus_name]) > 1 else "")
        for run in runs
    ]


def losses_table(runs: Sequence[Run], *, test: bool = False) -> pd.DataFrame:
    """A row a run, in their order: columns ``id, name``, each loss (NaN where unknown) and ``…_more`` than the first's.

    ``test``: whether test losses are among them, of runs whose test split has been opened.
    """
    names = LOSSES if test else SHOWN
    rows = [{"id": run.id, "name": run.name} | {name: run.losses.get(name, math.nan) for name in names} for run in runs]
    table = pd.DataFrame(rows, columns=["id", "name", *names])
    for name in names:
        table[f"{name}_more"] = table[name] - (table[name].iloc[0] if len(table) else math.nan)
    return table


def distinct_names(runs: Sequence[RunSummary]) -> dict[str, str]:
    """What to call each run, by its id: its name, and where several have that, its id too."""
    times = Counter(run.name for run in runs)
    return {run.id: run.name if times[run.name] == 1 else f"{run.name} · {run.id}" for run in runs}
