"""The visitor: who looks, at which corpus and run, and what they ask for."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING

import streamlit as st

from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import Corpus
from mmcore.fields import cut
from mmcore.store import LIVE, Run, RunFilter, RunState, RunSummary, StoredSweep, UnreadableRun
from ui.kit.text import plain
from ui.session import bundled, bundled_sha256, corpus, corpus_here, queue, store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmcore.architectures import ModelConfig
    from mmcore.limits import Usage
    from mmcore.sweeps import Sweep


NEW_SWEEP = "new"  # in place of a sweep's id, while one is defined
DOUBLE_CLICK = 1.0  # seconds: who asks for the same run twice within it has clicked twice
MAX_LINKED = 80  # characters of a name in an address
CORPUS = ("corpus", "corpus_name", "corpus_items")  # what a link says of one


def current_corpus() -> Corpus:
    """The corpus the visitor works on: the one in the URL, else the last one chosen, else the bundled names.

    Where a page shows a run too, ask for that first: opening a run selects its corpus.
    """
    sha256 = st.query_params.get("corpus") or st.session_state.get("corpus_sha256") or bundled_sha256()
    found = corpus_here(sha256)
    if found is None:
        said = "This address names a corpus that this server does not have"
        st.warning(plain(f"{said}{_described(sha256)} Showing the bundled names instead."))
        found = bundled()
    choose_corpus(found.sha256)
    return found


def corpus_to_show() -> Corpus:
    """What :func:`current_corpus` will be once the page has opened its run, without making it so."""
    run, asked = run_asked_for(), st.query_params.get("corpus")
    if asked is None and run and st.session_state.get("run_id") != run.id:
        asked = run.config.corpus_sha256
    return corpus_here(asked or st.session_state.get("corpus_sha256") or bundled_sha256()) or bundled()


def _described(sha256: str) -> str:
    """What somebody who has the corpus knows it by, as far as the address says it, and what to do with it."""
    _, name, items = (st.query_params.get(part, "") for part in CORPUS)
    known = [f"“{cut(name, MAX_LINKED)}”"] if name else []
    if len(sha256) == 64 and set(sha256) <= set("0123456789abcdef"):
        known.append(f"sha256 {sha256[:10]}…")
    known += [f"{int(items):,} items"] if items.isdecimal() and len(items) < 10 else []
    if not known:
        return "."
    return f": {', '.join(known)}. Add its file on the page Data, with the same options, and open the link again."


def choose_corpus(sha256: str) -> None:
    """Make a stored corpus the visitor's current one, here, in the URL, and on every other page."""
    st.session_state["corpus_sha256"] = sha256
    for name in CORPUS[1:]:
        st.query_params.pop(name, None)
    if sha256 == _implied_corpus():
        st.query_params.pop("corpus", None)
    elif st.query_params.get("corpus") != sha256:
        st.query_params["corpus"] = sha256


def _implied_corpus() -> str:
    """What an address that names no corpus means: that of its run, else the bundled names."""
    with contextlib.suppress(ValueError, KeyError):  # no run, or none that this server has
        return _run_corpus(st.query_params["run"])
    return bundled_sha256()


@st.cache_data(show_spinner=False, max_entries=1024)
def _run_corpus(run_id: str) -> str:
    return store().run(run_id).config.corpus_sha256


def delete_corpus(sha256: str) -> None:
    """Remove a stored corpus that has no runs, and go on with the bundled names."""
    try:
        store().delete_corpus(sha256)
    except ValueError as problem:  # a run was begun meanwhile
        refuse(problem)
        return
    corpus.clear()
    choose_corpus(bundled_sha256())


def current_run() -> Run | None:
    """The run the visitor looks at: the one in the URL, else the last one opened, else the newest."""
    asked = st.query_params.get("run") or st.session_state.get("run_id")
    if asked is not None:
        try:
            run = store().run(asked)
        except UnreadableRun as unreadable:
            st.warning(plain(f"{unreadable}. Showing the newest one that can be read instead."))
            close_run()
        except ValueError:
            instead = " Showing the newest one instead." if store().latest() else ""
            st.warning(f"This address names a run that this server does not have.{instead}")
            close_run()
        else:
            open_run(run.id)
            return run
    return store().latest()


def run_asked_for() -> Run | None:
    """The run in the URL, else the last one opened, without opening it; None where there is none to be read."""
    asked = st.query_params.get("run") or st.session_state.get("run_id")
    with contextlib.suppress(ValueError):
        return None if asked is None else store().run(asked)
    return None


def open_run(run_id: str) -> None:
    """Make a run the visitor's current one, here, in the URL, and on every other page; and its corpus with it.

    A link that names a corpus beside the run keeps that corpus.
    """
    chosen = st.session_state.get("run_id") != run_id
    if chosen:  # the checkpoint was another run's
        st.session_state.pop("step", None)
    if st.query_params.get("run") not in (None, run_id):
        st.query_params.pop("step", None)
    linked = "run_id" not in st.session_state and "corpus" in st.query_params
    st.session_state["run_id"] = run_id
    if st.query_params.get("run") != run_id:
        st.query_params["run"] = run_id
    if chosen and not linked:
        choose_corpus(_run_corpus(run_id))


def close_run() -> None:
    """Forget the visitor's current run and checkpoint; pages fall back to the newest."""
    for name in ("run_id", "step"):
        st.session_state.pop(name, None)
    for name in ("run", "step"):
        st.query_params.pop(name, None)


def current_step(kept: Sequence[int], final: int) -> int:
    """Which of the kept steps of the current run the visitor looks at: the one in the URL, else the last one chosen.

    Else ``final``, that of the run's result, which no address names: of a run that goes on it is another one tomorrow.
    """
    asked = str(st.query_params.get("step") or st.session_state.get("step", final))
    step = next((step for step in kept if str(step) == asked), None)
    if step is None:
        st.warning("This address names a step whose weights this run has not kept. Showing its last ones instead.")
        step = final
    open_step(step, final)
    return step


def open_step(step: int, final: int) -> None:
    """Make a checkpoint of the current run the visitor's, here, in the URL, and on every other page."""
    if step == final:
        st.session_state.pop("step", None)
        st.query_params.pop("step", None)
        return
    st.session_state["step"] = step
    if st.query_params.get("step") != str(step):
        st.query_params["step"] = str(step)


def identity() -> str:
    """Who looks, as a hash: a browser for as long as it keeps its cookies, else this session."""
    session_id: str = st.session_state.setdefault("visitor", secrets.token_hex(8))
    try:  # the cookie's secret is the same in every tab; it comes masked, each time by another mask
        _, mask, masked, _ = st.context.cookies["_streamlit_xsrf"].split("|")
        secret = bytes(a ^ b for a, b in zip(bytes.fromhex(masked), cycle(bytes.fromhex(mask)), strict=False))
    except (KeyError, ValueError):
        return session_id
    return hashlib.sha256(secret).hexdigest()[:16]


def usage() -> Usage:
    """What the visitor has waiting and keeps."""
    return store().usage(identity())


def refuse(problem: ValueError) -> None:
    """Say why something was not done; from a callback too."""
    st.toast(plain(problem), icon=":material/block:", duration="infinite")


def queue_run(config: RunConfig, name: str | None = None) -> Run | None:
    """Store a new run and hand it to the workers; the visitor stays where they are. None, and why, if it is refused.

    The second click of a double click gets the run of the first.
    """
    if run := just_begun(config):
        return run
    try:
        run = store().create(config, name=name, owner=identity())
    except ValueError as problem:
        refuse(problem)
        return None
    queue().submit(run.id)
    return run


def just_begun(config: RunConfig) -> Run | None:
    """The visitor's run with these settings, if they asked for it a moment ago."""
    since, states = store().now() - timedelta(seconds=DOUBLE_CLICK), (*LIVE, RunState.FINISHED)
    alike = RunFilter(configs=[config], owner=identity(), queued_after=since, states=states)
    return next(iter(store().runs(alike, limit=1)), None)


def start_run(config: RunConfig) -> Run | None:
    """Store a new run, hand it to the workers, and make it the visitor's current one; None if it is refused."""
    run = queue_run(config)
    if run is not None:
        open_run(run.id)
    return run


def branch_run(run_id: str, step: int, train: TrainConfig, model: ModelConfig) -> Run | None:
    """Store a branch of a run, hand it to the workers, and make it the visitor's current one; None if it is refused."""
    try:
        run = store().branch(run_id, step, train, model=model, owner=identity())
    except ValueError as problem:
        refuse(problem)
        return None
    queue().submit(run.id)
    open_run(run.id)
    return run


def stop_run(run_id: str) -> None:
    """Ask a run to stop: at once if it waits, else within half a second."""
    store().request_stop(run_id)


def stop_runs(runs: Iterable[RunSummary]) -> None:
    """Ask several runs to stop, in their order."""
    for run in runs:
        stop_run(run.id)


def continue_run(run_id: str, max_steps: int | None = None) -> None:
    """Let a stopped or interrupted run go on from its saved state; with more steps a finished one too."""
    try:
        if store().run(run_id).state in (RunState.QUEUED, RunState.RUNNING):  # by the click before, or in another tab
            return
        store().continue_run(run_id, max_steps=max_steps)
    except ValueError as problem:
        refuse(problem)
        return
    queue().submit(run_id)


def continue_runs(runs: Iterable[RunSummary]) -> None:
    """Let several runs go on, in their order."""
    for run in runs:
        continue_run(run.id)


# ---- sweeps


def current_sweep() -> StoredSweep | None:
    """The sweep the visitor looks at: the one in the URL, else the last one opened, else their newest.

    None where there is none, or they are about to define one.
    """
    asked = st.query_params.get("sweep") or st.session_state.get("sweep_id")
    if asked == NEW_SWEEP:
        return None
    try:
        found = _newest_sweep() if asked is None else store().sweep(asked)
    except ValueError:
        st.warning("This address names a sweep that this server does not have.")
        close_sweep()
        return None
    if found is not None:
        open_sweep(found.id)
    return found


def _newest_sweep() -> StoredSweep | None:
    return next((sweep for sweep in store().sweeps() if sweep.owner == identity()), None)


def open_sweep(sweep_id: str) -> None:
    """Make a sweep the visitor's current one, here and in the URL."""
    st.session_state["sweep_id"] = sweep_id
    if st.query_params.get("sweep") != sweep_id:
        st.query_params["sweep"] = sweep_id


def close_sweep() -> None:
    """Look at none, to define a new one."""
    st.session_state["sweep_id"] = NEW_SWEEP
    st.query_params.pop("sweep", None)


def start_sweep(sweep: Sweep, name: str, question: str) -> StoredSweep | None:
    """Store a new sweep, whose runs the workers then train; None, and why, if it is refused."""
    try:
        usage().check(waiting=1)
        return store().create_sweep(sweep, name=name, question=question, owner=identity())
    except ValueError as problem:
        refuse(problem)
        return None


def stop_sweep(sweep_id: str) -> None:
    """Begin no more of its runs, and stop those that wait or run."""
    store().stop_sweep(sweep_id)


def resume_sweep(sweep_id: str) -> None:
    """Let a stopped sweep go on, and its runs that were cut short."""
    try:
        store().resume_sweep(sweep_id)
    except ValueError as problem:
        refuse(problem)
