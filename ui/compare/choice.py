"""Which runs are compared: those in the address, which is a lasting link; some more, some fewer."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mmcore.differences import distinct_names
from mmcore.store import Run, RunFilter
from ui import pages, session
from ui.kit.text import counted, plain
from ui.run import compared

KEY, FIELD = "compared_runs", "compared_choice"
OFFERED = 200  # newest runs in the list


def choose() -> list[Run]:
    """The runs of the address, else those compared last, in their order; without any, says how to choose some."""
    if "runs" in st.query_params:
        ids, problems = read(st.query_params["runs"])
    else:
        ids, problems = st.session_state.get(KEY, []), []
    found = {run.id: run for run in session.store().runs(RunFilter(ids=ids))} if ids else {}
    runs = [found[run_id] for run_id in ids if run_id in found]
    if len(runs) < len(ids):
        problems = [*problems, f"{counted(len(ids) - len(runs), 'run')} cannot be read or was deleted"]
    if problems:
        st.warning(plain(f"{'; '.join(problems)}. {'The others are shown.' if runs else ''}".strip()))
    _keep([run.id for run in runs])
    _draw_field(runs)
    if not runs:
        st.info(
            f"Choose runs above, or tick several on the page {pages.RUNS.title} and press Compare.",
            title="No run chosen",
            icon=":material/info:",
        )
        pages.RUNS.link()
    return runs


def read(text: str) -> tuple[list[str], list[str]]:
    """The ids that an address names, as a whole or by their first digits, and what is wrong with the rest."""
    ids, problems = list[str](), list[str]()
    starts = [start.strip() for start in text.split(",") if start.strip()]
    named = starts[: 2 * compared.MOST]
    whole = {run.id for run in session.store().summaries(RunFilter(ids=named))} if named else set()
    for start in named:
        try:
            ids.append(start if start in whole else session.store().whole_id(start))
        except ValueError as problem:
            problems.append(str(problem))
    ids = list(dict.fromkeys(ids))
    if len(starts) > 2 * compared.MOST or len(ids) > compared.MOST:
        problems.append(f"runs must be at most {compared.MOST}, got {len(starts):,}")
    return ids[: compared.MOST], problems


def _keep(ids: Sequence[str]) -> None:
    st.session_state[KEY] = list(ids)
    if not ids:
        st.query_params.pop("runs", None)
    elif st.query_params.get("runs") != (wanted := compared.query(ids)["runs"]):
        st.query_params["runs"] = wanted


def _draw_field(runs: Sequence[Run]) -> None:
    known = {run.id: run for run in (*session.store().summaries(limit=OFFERED), *runs)}
    offered = distinct_names(list(known.values()))
    st.session_state[FIELD] = [run.id for run in runs]  # the address leads, the field follows
    st.multiselect(
        "Runs",
        list(offered),
        format_func=offered.__getitem__,
        key=FIELD,
        max_selections=compared.MOST,
        placeholder="Choose runs",
        wrap=True,
        on_change=lambda: _keep(st.session_state[FIELD]),
        help=f"Up to {compared.MOST}; the list holds the newest {OFFERED}. Differences are to the first one.",
    )
