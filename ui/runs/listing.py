"""Which of the stored runs the page shows: those that are searched for, a part at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from mmcore.architectures import ARCHITECTURES
from mmcore.store import Run, RunFilter, RunState, UnreadableRun
from ui import session

ON_A_PAGE = 50
SEARCH = "runs_search"
SEVERAL = {"State": "runs_states", "Tags": "runs_tags", "Architecture": "runs_architectures"}  # label -> key
ONE = {"Corpus": "runs_corpus", "Sweep": "runs_sweep"}


@dataclass(frozen=True)
class Part:
    """So many of the runs that are searched for, newest first, after the first ``offset``."""

    which: RunFilter = field(default_factory=RunFilter)
    offset: int = 0
    found: int = 0  # runs that are searched for, all parts together

    def runs(self) -> list[Run]:
        """Those that can be read."""
        return session.store().runs(self.which, limit=ON_A_PAGE, offset=self.offset)

    def unreadable(self) -> list[UnreadableRun]:
        """Those that cannot."""
        return session.store().unreadable(self.which, limit=ON_A_PAGE, offset=self.offset)

    def states(self) -> dict[str, RunState]:
        """The state of each, as it is now, by its id."""
        found = session.store().summaries(self.which, limit=ON_A_PAGE, offset=self.offset)
        return {run.id: run.state for run in found}


def choose() -> Part:
    """The part that the visitor wants to see."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="search_line"):
        text = st.text_input(
            "Search",
            key=SEARCH,
            persist_state="session",
            width=320,
            help="Words of a run's name or note, or the first digits of its id. All of them must occur.",
        )
        which = _filtered(text)
        if which != RunFilter():
            st.button("Show all", icon=":material/filter_alt_off:", key="show_all", on_click=_forget)
    found = session.store().count(which)
    parts = math.ceil(found / ON_A_PAGE)
    number = st.pagination(parts, key=f"runs_page_{parts}") if parts > 1 else 1
    return Part(which, ON_A_PAGE * (number - 1), found)


def _forget() -> None:
    st.session_state[SEARCH] = ""
    st.session_state.update(dict.fromkeys(ONE.values()) | {key: [] for key in SEVERAL.values()})


def _filtered(text: str) -> RunFilter:
    """What is typed, and what the fields behind the button *Filter* let through."""
    store = session.store()
    tags, sweeps = store.tags(), {sweep.id: sweep.name for sweep in store.sweeps()}
    corpora = dict(store.corpora()[["sha256", "name"]].itertuples(index=False))
    if (linked := st.query_params.get("sweep")) in sweeps:
        st.session_state["runs_sweep"] = linked
    st.query_params.pop("sweep", None)
    active = sum(bool(st.session_state.get(key)) for key in (*SEVERAL.values(), *ONE.values()))
    with st.popover(f"Filter ({active})" if active else "Filter", icon=":material/filter_alt:", key="filters"):
        states = _several("State", {state: state.capitalize() for state in RunState}, "Runs in one of them.")
        tagged = _several("Tags", {tag: f"{tag} ({n:,})" for tag, n in tags.items()}, "Runs with all of them.")
        titles = {name: config.title for name, config in ARCHITECTURES.items()}
        architectures = _several("Architecture", titles, "Runs of one of them.")
        corpus = _one("Corpus", corpora if len(corpora) > 1 else {}, "Runs on this corpus.")
        sweep = _one("Sweep", sweeps, "Runs of this sweep.")
    return RunFilter(
        text=text,
        states=[RunState(state) for state in states] or None,
        tags=tagged or None,
        architectures=architectures or None,
        corpus_sha256=corpus,
        sweep=sweep,
    )


def _several(label: str, options: Mapping[str, str], help: str) -> list[str]:
    """A field for several of some options; none is drawn where there is nothing to choose."""
    key = SEVERAL[label]
    st.session_state[key] = [value for value in st.session_state.get(key, ()) if value in options]
    if not options:
        return []
    said = options.__getitem__
    return st.multiselect(
        label, list(options), format_func=said, key=key, persist_state="session", placeholder="All", help=help
    )


def _one(label: str, options: Mapping[str, str], help: str) -> str | None:
    """A field for one of some options; none is drawn where there is nothing to choose."""
    key = ONE[label]
    if st.session_state.get(key) not in options:
        st.session_state[key] = None
    if not options:
        return None
    shown: Any = {"format_func": options.__getitem__, "persist_state": "session", "placeholder": "All", "help": help}
    return st.selectbox(label, list(options), index=None, key=key, **shown)


def draw_place(part: Part, shown: int) -> None:
    """Which of all runs that are searched for these are."""
    st.caption(f"Runs {part.offset + 1:,} to {part.offset + shown:,} of {part.found:,}.")
