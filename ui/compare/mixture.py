"""The runs as one model: the weighted mean of what each of them gives the next symbol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from mmcore.dataset import Dataset, Examples
from mmcore.differences import distinct_names
from mmcore.evaluation import target_log_probabilities
from mmcore.losses import SEALED
from mmcore.mixture import Mixed, mix
from mmcore.model import Model
from mmcore.ngram import ORDERS
from mmcore.store import LIVE, Run
from ui import counting, session
from ui.compare.losses import TEST, unlike
from ui.kit import linked
from ui.kit.nouns import fit
from ui.kit.text import LOSSES, nats, plain
from ui.run import unseal

PARTS = {name: name.replace("_loss", "") for name in ("val_loss", "val_loss_unseen", *SEALED)}
TITLES = LOSSES | TEST


def draw(runs: Sequence[Run]) -> None:
    """The section, behind a click: it loads weights."""
    linked.keep("mixture", "mixture", False, linked.flag())
    opened = st.expander(
        "Mixture: these runs as one model", icon=":material/join_inner:", key="mixture", on_change="rerun"
    )
    if opened.open:
        with opened:
            _draw([run for run in runs if run.weights_step is not None])


def _draw(runs: Sequence[Run]) -> None:
    if why := unlike(runs) or ("" if len(runs) > 1 else "Two of the runs must have saved weights."):
        st.info(why, icon=":material/info:")
        return
    config, tokens = runs[0].config, session.tokens(run.config for run in runs)
    st.markdown(
        fit(
            "What if they answered together? For each next character the mixture takes the mean of the probabilities "
            "that the models give it, with the weights that make the validation loss lowest. Models that make "
            "different mistakes are better together than the best of them alone.",
            tokens,
        )
    )
    quick = counting.quick(config.corpus_sha256)
    key = f"mixture_counts_{quick:d}"  # a choice for small corpora is none for large ones
    with_counts = st.toggle(
        "With a count model",
        linked.keep("counted", key, quick, linked.flag()),
        key=key,
        help=fit(
            "Kneser-Ney, which counts what follows the preceding characters in train: the order of up to "
            f"{ORDERS[-1]} with the lowest validation loss. The paper mixes its network with such a model.",
            tokens,
        ),
    )
    opened = all(run.test_openings for run in runs)
    names = [*PARTS] if opened else [name for name in PARTS if name not in TEST]
    with st.spinner("Asking every model …"):
        order = counting.best_order(config.corpus_sha256, config.split) if with_counts else None
        mixed = answered(runs, names, order)
    _draw_result(mixed, runs, tokens, opened=opened)


def _draw_result(mixed: Mixed, runs: Sequence[Run], tokens: str, *, opened: bool) -> None:
    best = mixed.best
    with st.container(horizontal=True, gap="medium"):
        for name, losses in mixed.losses.items():
            title = f"{TITLES[name]} of the mixture" if name == "val_loss" else TITLES[name]
            help = f"Nats per character; below it, how far from that of {plain(mixed.titles[best])} alone."
            away = f"{mixed.loss[name] - losses[best]:+.4f}"
            st.metric(
                fit(title, tokens), nats(mixed.loss[name]), away, "inverse", help=fit(help, tokens), width="content"
            )
        if not opened:
            st.metric("Test loss", "Sealed", width="content")
    st.markdown(fit(in_words(mixed), tokens))
    st.dataframe(
        table(mixed),
        hide_index=True,
        column_config={
            "Weight": st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1, width="small"),
        }
        | {title: st.column_config.NumberColumn(format="%.4f") for title in TITLES.values()},
        alt="The weight of each model in the mixture, and its losses alone",
        height="content",
    )
    moving = any(run.state in LIVE for run in runs)
    if not opened and st.button(
        "Open the test split of these runs",
        icon=":material/lock_open:",
        disabled=moving,
        key="mixture_open_test",
        help="The runs must have ended." if moving else "Shows their test losses and the mixture's, and counts.",
    ):
        unseal.ask("The mixture of " + ", ".join(mixed.titles[: len(runs)]), [run.id for run in runs])


def answered(runs: Sequence[Run], names: Sequence[str], order: int | None) -> Mixed:
    """Some runs, and the count model of an order if one is given, with the weights that are best on validation."""
    titles = list(distinct_names(runs).values()) + ([f"Kneser-Ney, order {order}"] if order else [])
    return mix(titles, {name: p for name in names if (p := _answers(runs, PARTS[name], order)) is not None})


def _answers(runs: Sequence[Run], part: str, order: int | None) -> NDArray[np.float64] | None:
    """(K, N): the log-probability that each model gives the right answers of a part; None where there are none."""
    if not len(getattr(session.run_dataset(runs[0]), part)):
        return None
    found = []
    for run in runs:
        if (artifact := session.artifact(run)) is None:  # deleted meanwhile
            st.rerun()
        found.append(_of_network(run.id, artifact.step, part, artifact.model, session.run_dataset(run)))
    if order:
        sha256, split = runs[0].config.corpus_sha256, runs[0].config.split
        wide: Examples = getattr(session.dataset(sha256, split, ORDERS[-1]), part)  # the same words, longer contexts
        found.append(np.log(counting.fitted(sha256, split, order).probability(wide.contexts, wide.targets)))
    return np.stack(found)


@st.cache_resource(show_spinner=False, max_entries=48)
def _of_network(run_id: str, step: int, part: str, _model: Model, _data: Dataset) -> NDArray[np.float64]:
    """(N,): the log-probabilities of the right answers of a part of a run's dataset, by its weights at a step."""
    return target_log_probabilities(_model, getattr(_data, part))


def in_words(mixed: Mixed) -> str:
    """Whether the models know different things, and what the weights are worth."""
    alone, together = mixed.losses["val_loss"][mixed.best], mixed.loss["val_loss"]
    title = plain(mixed.titles[mixed.best])
    if alone - together < 0.001:
        return f"Mixing gains next to nothing: {title} knows what the others know."
    said = (
        f"On validation they are {nats(alone - together)} nats per character better together than {title} alone: they "
        f"make different mistakes. With equal weights the loss would be {nats(mixed.equal)}."
    )
    return f"{said} The weights were chosen on validation; only the test split can judge the mixture."


def table(mixed: Mixed) -> pd.DataFrame:
    """A row a model, the heaviest first: its weight, and its losses alone."""
    columns = {TITLES[name]: losses for name, losses in mixed.losses.items()}
    rows = pd.DataFrame({"Weight": mixed.weights, "Model": mixed.titles} | columns)
    return rows.sort_values("Weight", ascending=False, kind="stable")
