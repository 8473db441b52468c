"""A sweep's table: a row a setting, to read, to download and to copy."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from mmcore.cost import duration
from mmcore.paired import mean_of
from mmcore.store import RunState
from ui.kit.text import csv, nats
from ui.sweep.found import Found, with_error

LOSSES = ("val_loss", "val_loss_unseen", "train_loss")


def results(found: Found, vocab_size: int) -> pd.DataFrame:
    """A row a setting: the axes' values, ``settled`` seeds, means over these, parameters, seconds."""
    rows = []
    for key, runs in found.runs.items():
        done = [run for run in runs.values() if run.state is RunState.FINISHED]
        row = dict(zip(found.axis_names, key, strict=True)) | {"settled": len(done)}
        means = {name: mean_of(run.losses[name] for run in done if name in run.losses) for name in LOSSES}
        row |= {name: mean.mean if mean else math.nan for name, mean in means.items()}
        row["val_loss_error"] = means["val_loss"].error if means["val_loss"] else math.nan
        config = found.sweep.config(dict(zip(found.axis_names, key, strict=True)), found.sweep.seeds[0])
        row["parameters"] = config.model.parameters(vocab_size)
        row["seconds"] = sum(run.seconds for run in done) / len(done) if done else math.nan
        rows.append(row)
    columns = ["settled", "val_loss", "val_loss_error", "val_loss_unseen", "train_loss", "parameters", "seconds"]
    return pd.DataFrame(rows, columns=[*found.axis_names, *columns])


def draw(found: Found, table: pd.DataFrame, sweep_id: str) -> None:
    """Every setting, the lowest validation loss first; as a file for a spreadsheet, and as Markdown."""
    ranked = table.sort_values("val_loss", kind="stable")
    shown = in_words(found, ranked)
    st.dataframe(shown, hide_index=True, alt="Every setting of the sweep, the lowest validation loss first")
    st.download_button(
        "Download as CSV",
        csv(in_words(found, ranked, exact=True)),
        "sweep.csv",
        "text/csv",
        icon=":material/download:",
        key=f"sweep_csv_{sweep_id}",
        on_click="ignore",
        help="The same rows with every digit. The test split is not in it.",
    )
    with st.expander("Table as Markdown", icon=":material/content_copy:"):
        st.code(markdown(shown), language="markdown")


def in_words(found: Found, table: pd.DataFrame, *, exact: bool = False) -> pd.DataFrame:
    """The table as on screen; ``exact``: with all digits and the standard error in a column of its own."""
    names = {name: found.settings[name].title for name in found.axis_names}
    shown = pd.DataFrame({title: [found.said(name, v) for v in table[name]] for name, title in names.items()})
    shown["Seeds"] = table["settled"].to_numpy()
    if exact:
        columns = {"val_loss": "Validation", "val_loss_error": "Standard error", "val_loss_unseen": "On unseen words"}
        columns |= {"train_loss": "Train", "parameters": "Parameters", "seconds": "Seconds"}
        return shown.assign(**{title: table[name].to_numpy() for name, title in columns.items()})
    means = [found.means.get(tuple(key)) for key in table[found.axis_names].itertuples(index=False)]
    shown["Validation"] = [with_error(mean) if mean else "–" for mean in means]
    for name, title in (("val_loss_unseen", "On unseen words"), ("train_loss", "Train")):
        shown[title] = ["–" if math.isnan(loss) else nats(loss) for loss in table[name]]
    shown["Parameters"] = [f"{number:,}" for number in table["parameters"]]
    shown["Time"] = ["–" if math.isnan(seconds) else duration(seconds) for seconds in table["seconds"]]
    return shown


def markdown(table: pd.DataFrame) -> str:
    """A table of text as Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
