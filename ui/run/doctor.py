"""The doctor on screen: what is wrong with a run that has ended, and a button for each that fills the form.

A remedy that was tried is not offered again: what came of it stands in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from mmcore.config import RunConfig
from mmcore.store import LIVE, Run, RunFilter
from ui import counting, pages, session, visitor
from ui.form import settings
from ui.kit.nouns import fit
from ui.kit.text import nats, plain
from ui.run.results import checked

if TYPE_CHECKING:
    from mmcore.doctor import Finding


@st.cache_data(show_spinner="The doctor is looking …", max_entries=128)
def findings(run_id: str, step: int, openings: int, later_runs: int, _run: Run) -> list[Finding]:
    """What the doctor finds, kept per run and what can still change about it."""
    from mmcore.doctor import examine, gather

    artifact, config = session.artifact(_run), _run.config
    counted = counting.baselines(config.corpus_sha256, config.split)
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


def examined(run: Run) -> list[Finding]:
    """The findings of a run that has ended, as they are now."""
    return findings(run.id, run.step, run.test_openings, later_runs(run), run)


def draw(run: Run) -> None:
    """What the doctor says of a run, all of it."""
    found = examined(run)
    if not found and not run.step:
        st.markdown("Not one update was made, so there is nothing to be found.")
    elif not found:
        st.markdown(":material/check: Nothing found.", help=checked(run.config))
    draw_findings(run, found)


def draw_findings(run: Run, found: Sequence[Finding]) -> None:
    """Every finding with its number, its reason and its remedy."""
    tokens = session.vocab(run.config.corpus_sha256).tokens
    for finding in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap=None):
                st.markdown(f":material/warning: **{finding.title}**: {plain(fit(finding.number, tokens))}.")
                st.caption(fit(finding.reason, tokens))
            _draw_remedy(run, finding)


def _draw_remedy(run: Run, finding: Finding) -> None:
    """A button for a remedy, or what came of it."""
    if tried := session.store().runs(RunFilter(configs=[finding.mended]), limit=1):
        with st.container(gap=None, width="content", key=f"tried_{finding.rule}"):
            st.caption(plain(outcome(finding, tried[0], run)))
            pages.TRAIN.link("Open that run", {"run": tried[0].id}, icon=":material/open_in_new:")
        return
    branch = finding.mended.origin is not None  # its first weights are nothing that the form can say
    if st.button(
        finding.remedy,
        icon=":material/healing:",
        key=f"mend_{finding.rule}",
        help="Trains that now, from the same first weights." if branch else "Fills the form on Train; starts nothing.",
        on_click=_start if branch else _fill,
        args=(finding.mended,),
    ):
        pages.TRAIN.open({"run": str(st.session_state.get("run_id", run.id))})  # on Train, that is where one is


def outcome(finding: Finding, tried: Run, run: Run) -> str:
    """That a remedy was tried, and how its run compares with this one."""
    before, after = run.losses.get("val_loss"), tried.losses.get("val_loss")
    if tried.state in LIVE:
        return f"{finding.remedy}: that run is {tried.state}."
    if before is None or after is None:
        return f"{finding.remedy}: tried, and {tried.state}."
    return f"{finding.remedy}: tried. Validation loss {nats(before)} → {nats(after)}."


def _fill(config: RunConfig) -> None:
    """Put the mended settings into the form, which says there what they change."""
    st.session_state["mended"] = settings.values_of(config.model, config.train, config.split)


def _start(config: RunConfig) -> None:
    """Train the mended branch, with its settings in the form."""
    if visitor.start_run(config) is not None:
        _fill(config)
