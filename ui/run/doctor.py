"""The doctor on screen: what is wrong with a run that has ended, and a button for each that trains the mended one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mmcore.config import RunConfig
from mmcore.store import Run, RunFilter
from ui import session, visitor
from ui.form import settings
from ui.kit.text import plain

if TYPE_CHECKING:
    from mmcore.doctor import Finding


def checked(config: RunConfig) -> str:
    """What the doctor has looked at in a run."""
    from mmcore.doctor import looked_at

    *first, last = looked_at(config)
    return f"Looked at: {', '.join(first)}, and {last}."


@st.cache_data(show_spinner="The doctor is looking …", max_entries=128)
def findings(run_id: str, step: int, openings: int, later_runs: int, _run: Run) -> list[Finding]:
    """What the doctor finds, kept per run and what can still change about it."""
    from mmcore.doctor import examine, gather

    artifact, config = session.artifact(_run), _run.config
    counted = session.baselines(config.corpus_sha256, config.split)
    facts = gather(
        config,
        session.store().history(run_id),
        session.run_dataset(_run),
        artifact.model if artifact else None,
        diverged=_run.error_type == "TrainingDiverged",
        checkpoints=session.store().checkpoints(run_id),
        unigram_loss=counted["unigram"],
        bigram_loss=counted["bigram"],
        test_openings=openings,
        later_runs=later_runs,
    )
    return examine(facts)


def later_runs(run: Run) -> int:
    """How many runs of the same corpus and split were begun or continued after this one's test split was opened."""
    if run.test_opened is None:
        return 0
    alike = RunFilter(corpus_sha256=run.config.corpus_sha256, split=run.config.split, queued_after=run.test_opened)
    return session.store().count(alike)


def draw(run: Run) -> None:
    """Every finding with its number, its reason and the button that mends it; or that there is none."""
    found = findings(run.id, run.step, run.test_openings, later_runs(run), run)
    with st.container(border=True):
        st.markdown("**Doctor**")
        if not found and not run.step:
            st.markdown("Not one update was made, so there is nothing to be found.")
        elif not found:
            st.markdown(":material/check: Nothing found.", help=checked(run.config))
        for finding in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                with st.container(gap=None):
                    st.markdown(f":material/warning: **{finding.title}**: {plain(finding.number)}.")
                    st.caption(finding.reason)
                if st.button(
                    finding.remedy,
                    icon=":material/healing:",
                    key=f"mend_{finding.rule}",
                    help="Starts that run now; this one stays as it is.",
                ):
                    start(finding.mended)


def start(config: RunConfig) -> None:
    """Train the mended run, with its settings in the form."""
    if visitor.start_run(config) is None:
        return
    st.session_state["mended"] = settings.values_of(config.model, config.train, config.split)
    st.rerun()  # the form is drawn above: it takes the settings at the next script run
