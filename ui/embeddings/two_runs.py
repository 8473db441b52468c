"""Two runs' embedding tables side by side: the second turned onto the first, and the neighbours both agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import streamlit as st

from mmcore import Run, cost
from mmcore.config import RunConfig, said_of
from mmcore.store import LIVE, RunFilter
from ui import session, visitor
from ui.embeddings import common_neighbours
from ui.kit import linked
from ui.kit.text import plain
from ui.kit.theme import Theme
from ui.run import buttons, picker, procrustes, progress
from ui.run.embedding_map import Coloring

if TYPE_CHECKING:
    from mmcore import Artifact

RELATED = "They go back to the same weights, so that they agree says little. "
SEEDS = 2**63
NEWEST = 100  # runs that are looked at
WANTED = "second_wanted"  # the run that the button has started, to be shown as soon as it can be


def draw(run: Run, artifact: Artifact, ids: Sequence[int], metric: str, look: Coloring, theme: Theme) -> None:
    """The section: which second run, both maps, and what they have in common, of the symbols ``ids``.

    ``look`` colours both maps.
    """
    st.header("Two runs side by side", anchor=False)
    st.markdown(
        "Training from scratch starts from random numbers, so every run draws another map: turned, flipped, stretched. "
        "Who is near whom should stay, as far as it was learned from the words. How far do two runs agree, and how far "
        "by chance?"
    )
    runs = session.store().runs(limit=NEWEST)
    offered, refused = candidates(run, runs)
    if (older := session.store().count() - NEWEST) > 0:
        refused[f"older than the newest {NEWEST}"] = older
    if not offered:
        _draw_empty(run, runs, refused)
        return
    _draw_waiting(run, runs)
    if _is_wanted(offered):
        st.session_state["compared"] = True
    linked.keep("compared", "compared", False, linked.flag())
    opened = st.expander("Compare with another run", icon=":material/compare:", key="compared", on_change="rerun")
    if opened.open:
        with opened:
            second, count = _choose(run, offered, len(ids) - 1)
            common = RELATED if related(run, second) else ""
            st.caption(plain(f"{differences(run.config, second.config)} {common}{refusal(refused)}"))
            other = session.artifact(second)
            if other is None:  # deleted meanwhile
                st.rerun()
            symbols = [artifact.vocab.symbols[i] for i in ids]
            table, others = (trained.model.tensors["C"].numpy()[ids] for trained in (artifact, other))
            procrustes.draw((run, second), table, others, symbols, look, theme)
            common_neighbours.draw(table, others, symbols, count, metric, theme)
    else:
        st.session_state.pop(WANTED, None)  # they have folded it, and go on with something else


def _is_wanted(offered: Sequence[Run]) -> bool:
    """Whether the visitor waits for one of these, or a link says which, or how many neighbours."""
    by_link = "compared" not in st.session_state and not {"second", "k"}.isdisjoint(st.query_params)
    return by_link or st.session_state.get(WANTED) in {other.id for other in offered}


def candidates(run: Run, runs: Sequence[Run]) -> tuple[list[Run], Counter[str]]:
    """The runs that can be compared with ``run``, most alike first, and why how many others cannot."""
    symbols = session.vocab(run.config.corpus_sha256).symbols
    offered, refused = list[Run](), Counter[str]()
    for other in runs:
        vocab = session.vocab(other.config.corpus_sha256)
        if other.id == run.id:
            continue
        if vocab.symbols != symbols:
            refused["with another vocabulary"] += 1
        elif "C" not in other.config.model.shapes(vocab.size):
            refused["without an embedding table"] += 1
        elif other.state in LIVE:
            refused["still in training"] += 1
        elif other.weights_step is None:
            refused["without saved weights"] += 1
        else:
            offered.append(other)
    return sorted(offered, key=lambda other: not alike(run.config, other.config)), refused


def alike(first: RunConfig, second: RunConfig) -> bool:
    """Whether two runs differ in nothing, or in the seed only."""
    return _with_seed(second, first.train.seed) == first


def next_seed(config: RunConfig) -> int:
    """The first seed after a run's own that no stored run like it has."""
    seed = (config.train.seed + 1) % SEEDS
    while session.store().count(RunFilter(configs=[_with_seed(config, seed)])):
        seed = (seed + 1) % SEEDS
    return seed


def _with_seed(config: RunConfig, seed: int) -> RunConfig:
    return config.replace(train=config.train.replace(seed=seed))


def differences(first: RunConfig, second: RunConfig) -> str:
    """In which settings two runs differ, in one sentence; what only one architecture has is part of its name."""
    ours, theirs = said_of(first), said_of(second)
    changed = {name: (own[1], theirs[name][1]) for name, own in ours.items() if name in theirs}
    found = [f"{name[0].lower()}{name[1:]} ({a} → {b})" for name, (a, b) in changed.items() if a != b]
    if first.corpus_sha256 != second.corpus_sha256:
        found.append("corpus")
    return f"They differ in {', '.join(found)}." if found else "Their settings are the same."


def related(first: Run, second: Run) -> bool:
    """Whether one is a branch of the other, or both are of the same weights."""
    ours, theirs = ({run.id, run.config.origin and run.config.origin.run_id} for run in (first, second))
    return bool((ours & theirs) - {None})


def refusal(refused: Counter[str]) -> str:
    """Why other runs cannot be chosen; nothing if all can."""
    return f"Not offered: {', '.join(f'{count:,} {why}' for why, count in refused.items())}." if refused else ""


def _choose(run: Run, offered: Sequence[Run], most: int) -> tuple[Run, int]:
    """The second run and how many neighbours are compared, and beside them the button that trains another."""
    by_id = {other.id: other for other in offered}
    if st.session_state.get(WANTED) in by_id:
        st.session_state["second_run"] = st.session_state.pop(WANTED)
    shown = linked.keep("second", "second_run", offered[0].id, linked.one_of(by_id, "a run that is offered"))
    which, how_many, again = st.columns([5, 2, 3], vertical_alignment="bottom")
    chosen = which.selectbox(
        "Second run",
        list(by_id),
        list(by_id).index(shown),
        key="second_run",
        persist_state="session",
        format_func=lambda run_id: picker.title(by_id[run_id]),
        help="Any run with the same vocabulary and an embedding table. Runs that differ in the seed only come first.",
    )
    key = f"neighbours_compared_{most}"
    count = how_many.number_input(
        "Neighbours compared (k)",
        1,
        most,
        linked.keep("k", key, min(5, most), linked.whole(1, most)),
        key=key,
        persist_state="session",
        help="How many nearest neighbours of each character are looked for in the other run.",
    )
    with again:
        _draw_button(run)
    return by_id[chosen], count


def _train_again(config: RunConfig) -> None:
    if run := visitor.queue_run(config):
        st.session_state[WANTED] = run.id


def _draw_button(run: Run, kind: Literal["primary", "secondary"] = "secondary") -> None:
    seed, others = next_seed(run.config), "batches" if run.config.origin else "initial weights and batches"
    st.button(
        f"Train the same with seed {seed}",
        type=kind,
        icon=":material/play_arrow:",
        key="train_again",
        on_click=_train_again,
        args=(_with_seed(run.config, seed),),
        help=f"Other {others}, everything else as in this run, which stays as it is.",
    )


def _draw_empty(run: Run, runs: Sequence[Run], refused: Counter[str]) -> None:
    took = cost.duration(run.seconds)
    st.info(
        f"Train this run's settings once more with another seed, which took {took} the first time; both maps appear "
        f"here. {plain(refusal(refused))}",
        title="A second run is needed",
        icon=":material/info:",
    )
    _draw_button(run, "primary")
    _draw_waiting(run, runs)


def _draw_waiting(run: Run, runs: Sequence[Run]) -> None:
    """The newest run like this one that is not over yet, as far as it is."""
    waiting = [other for other in runs if other.id != run.id and other.state in LIVE]
    other = next((other for other in waiting if alike(run.config, other.config)), None)
    if other is None:
        return

    @st.fragment(run_every=progress.tick(other, 1))
    def watch() -> None:
        now, history = progress.look(other)
        with st.container(border=True):
            st.markdown(f"**{plain(other.name)}**, seed {other.config.train.seed}")
            progress.draw_status(now, history)
            buttons.draw(now)

    watch()
