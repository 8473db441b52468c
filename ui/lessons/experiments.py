"""The experiments on Lessons: a question, the sweep that answers it in one click, a figure, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore import cost, experiments
from mmcore.corpus import Corpus
from mmcore.experiments import STEPS
from mmcore.frontier import NOISE
from mmcore.jobs import WORKERS
from mmcore.losses import SHOWN
from mmcore.presets import PRESETS, starting_points
from mmcore.store import LIVE, Run, RunFilter, RunState, StoredSweep, SweepState
from mmcore.sweeps import Sweep
from ui import pages, session, visitor
from ui.kit import chart
from ui.kit.nouns import fit
from ui.kit.text import nats
from ui.kit.theme import Theme
from ui.lessons import plots


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A question, and all it takes to answer it."""

    title: str
    about: str  # what differs between the runs
    question: str  # to answer before looking
    sweep: Callable[[str], Sweep]  # of a corpus, by its hash
    figure: Callable[[pd.DataFrame, Theme], go.Figure]  # of the results that have finished
    alt: str
    findings: Callable[[pd.DataFrame], list[str]]  # what those results say, beside which is the lowest
    seeds: str = f"a difference of about {NOISE:g} may be no more than another seed's"


# ---- what the results say, a sentence each, in markdown


def lowest(done: pd.DataFrame) -> str:
    """Which validation loss is the lowest, and whether fewer parameters do as well."""
    best = done.loc[done["val_loss"].idxmin()]
    said = f"Lowest validation loss: **{best['name']}**, {nats(best.val_loss)} with {best.parameters:,} parameters."
    near = done[done["val_loss"] <= best.val_loss + NOISE]
    small = near.loc[near["parameters"].idxmin()]
    if small.parameters == best.parameters:
        return said
    return f"{said} Within {NOISE:g} of it: **{small['name']}**, {nats(small.val_loss)} with {small.parameters:,}."


def depth_effect(done: pd.DataFrame) -> list[str]:
    """What the deepest of each kind lose more than the shallowest."""
    ends = [min(experiments.DEPTHS), max(experiments.DEPTHS)]
    at = done.assign(depth=done["hidden_sizes"].map(len), norm=done["normalisation"] == "batch")
    losses = at.pivot(index=["init", "norm"], columns="depth", values="val_loss").reindex(columns=ends).dropna()
    parts = [
        f"{init.capitalize()}{', batch normalisation' if norm else ''} {deep - shallow:+.2f}"
        for (init, norm), (shallow, deep) in zip(losses.index, losses.to_numpy(), strict=True)
    ]
    return [f"From {ends[0]} to {ends[1]} layers: {'; '.join(parts)}."] if parts else []


def context_effect(done: pd.DataFrame) -> list[str]:
    """What context and dimensions are worth at the best setting, up to where context pays, what is memorised."""
    losses = done.pivot(index="context_size", columns="embedding_dim", values="val_loss")
    best = done.loc[done["val_loss"].idxmin()]
    context, dim = losses.index[0], losses.columns[0]
    back = {f"context {context}": losses.at[context, best.embedding_dim]}
    back |= {f"embedding {dim}": losses.at[best.context_size, dim]}
    costs = [f"to {name} would cost {loss - best.val_loss:.2f}" for name, loss in back.items() if loss > best.val_loss]
    said = [f"From the lowest, going back {', '.join(costs)}."] if costs else []
    whole = losses.dropna(axis="columns")
    if len(losses) == len(experiments.CONTEXT_SIZES) and not whole.empty:
        enough = [f"{(column <= column.min() + NOISE).idxmax()} with embedding {d}" for d, column in whole.items()]
        said.append(f"The smallest context size within {NOISE:g} of the lowest loss: {', '.join(enough)}.")
    return [*said, by_heart(done)]


def by_heart(done: pd.DataFrame) -> str:
    """Where more context raises validation while train falls; if nowhere, how far the two are apart."""
    rises = []
    for dim, rows in done.groupby("embedding_dim"):
        best = rows.loc[rows["val_loss"].idxmin()]
        later = rows[(rows["context_size"] > best.context_size) & (rows["train_loss"] < best.train_loss)]
        for row in later.itertuples():
            fall = best.train_loss - row.train_loss
            said = f"with embedding {dim}, context {row.context_size} instead of {best.context_size} raises "
            said += f"validation by {row.val_loss - best.val_loss:.2f} while train falls by {fall:.2f}"
            rises.append((row.val_loss - best.val_loss, said))
    rise, said = max(rises, default=(0.0, ""))
    return f"Memorised: {said}." if rise > NOISE else widest_gap(done)


def widest_gap(done: pd.DataFrame) -> str:
    """Which run learned most that does not carry over."""
    gaps = done["val_loss"] - done["train_loss"]
    return f"The widest gap between train and validation is {gaps.max():.2f}: {done.at[gaps.idxmax(), 'name']}."


def size_effect(done: pd.DataFrame) -> list[str]:
    """Where the model with the most parameters comes, and which learned most by heart."""
    largest = done.loc[done["parameters"].idxmax()]
    place = (done["val_loss"] < largest.val_loss).sum() + 1
    return [
        f"{largest.architecture} has the most parameters, {largest.parameters:,}, and is number {place} of {len(done)} "
        "by validation loss.",
        widest_gap(done),
    ]


def step_effect(done: pd.DataFrame) -> list[str]:
    """What each step to microgpt changed, and what came of it; of steps whose run and the one before have finished."""
    points, rows, said = starting_points(), done.set_index("preset"), []
    for before, name in pairwise(STEPS):
        if before in rows.index and name in rows.index:
            was, now = rows.at[before, "val_loss"], rows.at[name, "val_loss"]
            said.append(
                f"**{points[name].title}** ({rows.at[name, 'parameters']:,} parameters): "
                f"{CHANGES.get(name, points[name].note)} Validation loss {was:.4f} → {now:.4f}, {now - was:+.4f}."
            )
    return said


CHANGES = {  # of steps that are presets by themselves, against the one before
    "quick": "AdamW, larger batches and a scaled initialisation instead of SGD and N(0, 1); 5,000 updates instead of "
    "200,000.",
    "microgpt": "One word an update instead of 32, 1,000 updates instead of 5,000, a rate that falls from 0.01, and no "
    "weight decay.",
}
EXPERIMENTS: dict[str, Experiment] = {
    "initialisation": Experiment(
        title="Initialisation",
        about="The lecture draws all weights from N(0, 1), which saturates tanh in every layer. Scaling them is one "
        f"way out, batch normalisation another. Here they meet {min(experiments.DEPTHS)} to {max(experiments.DEPTHS)} "
        "hidden layers.",
        question="Which of the four does more depth help, and which does it not?",
        sweep=experiments.initialisation,
        figure=plots.depths,
        alt="Validation loss by depth for each initialisation, with and without batch normalisation",
        findings=depth_effect,
        # Seeds 2 to 5 at depth 4: deviation 0.004 scaled, 0.02 the lecture's with batch normalisation, 0.1 without it.
        seeds="another moves the loss by about 0.01 where weights are scaled, by 0.1 and more where nothing tames the "
        "lecture's",
    ),
    "context": Experiment(
        title="Context",
        about="How far back the model sees, and how many numbers stand for a character: what the lecture tries out by "
        f"hand. All else is the preset *{PRESETS['blink'].title}*'s.",
        question="What pays more, another character of context or more numbers for each, and from where on do they "
        "help the train loss only?",
        sweep=experiments.context_and_embedding,
        figure=plots.context_and_embedding,
        alt="Validation and train loss by context size, a line for each embedding dimension",
        findings=context_effect,
    ),
    "architectures": Experiment(
        title="Architectures",
        about="Every architecture with the preset that Train fills in for it, on the same words and the same split. "
        "They differ in all else, also in how far back they see: recipes side by side. Longer ones, "
        f"*{PRESETS['best'].title}* among them, are left out.",
        question="Which predicts validation words best, and is it the one with the most parameters?",
        sweep=experiments.architectures,
        figure=plots.architectures,
        alt="Train and validation loss of each architecture, lowest validation loss on top",
        findings=size_effect,
    ),
    "microgpt": Experiment(
        title="To microgpt",
        about="From the lecture's MLP to microgpt, A. Karpathy's GPT in one file of plain Python (2026), a run a step: "
        f"{' → '.join(starting_points()[step].title for step in STEPS)}. What each changes is said beside its result.",
        question="Which step lowers the validation loss most, which one saves the most parameters, and what does "
        "reading only 1,000 words cost?",
        sweep=experiments.to_microgpt,
        figure=plots.steps,
        alt="Train and validation loss of each step from the lecture's model to microgpt, in their order",
        findings=step_effect,
    ),
}


# ---- the section


def draw(corpus: Corpus, theme: Theme) -> None:
    """One experiment at a time: its sweep, how far that is, and what the runs that have finished say."""
    st.header("Experiments", anchor=False)
    moving = _moving()

    @st.fragment(run_every=1 if moving else None)
    def watch() -> None:
        if moving and not _moving():
            st.rerun()
        name = st.segmented_control(
            "What to compare",
            list(EXPERIMENTS),
            default="initialisation",
            required=True,
            format_func=lambda name: EXPERIMENTS[name].title,
            key="experiment",
            persist_state="session",
            help="Each is a small sweep: runs that differ in what the question is about.",
        )
        experiment = EXPERIMENTS[str(name)]
        st.markdown(fit(f"{experiment.about}\n\n**Before you press:** {experiment.question}", corpus.tokens))
        sweep = experiment.sweep(corpus.sha256)
        runs = session.store().runs(RunFilter(configs=list(experiments.configs(sweep))))
        _draw_buttons(experiment, sweep, runs)
        size = session.vocab(corpus.sha256).size
        found = experiments.results(sweep, runs, size)
        _draw_found(experiment, found, sweep.run_count, corpus.tokens, theme)

    watch()


def _moving() -> bool:
    """Whether a run is in training or waits, or a sweep is about to queue one."""
    return session.store().count(RunFilter(states=LIVE)) > 0 or bool(session.store().sweeps(SweepState.ACTIVE))


def _stored(sweep: Sweep) -> StoredSweep | None:
    """The newest sweep that is an experiment's, whoever started it."""
    return next((found for found in session.store().sweeps() if experiments.covers(found.config, sweep)), None)


def _draw_buttons(experiment: Experiment, sweep: Sweep, runs: Sequence[Run]) -> None:
    """Start its sweep, or stop it, or let it go on; what is left and how long that takes; the way to its page."""
    stored, found = _stored(sweep), experiments.by_config(runs)
    over = (RunState.FINISHED, RunState.FAILED)
    left = [config for config in experiments.configs(sweep) if config not in found or found[config].state not in over]
    with st.container(horizontal=True, vertical_alignment="center"):
        if stored is None:
            pressed = st.button(
                _label(len(left), sweep.run_count),
                icon=":material/play_arrow:",
                key="start_experiment",
                help="As a sweep. What is there already, from whichever page, is not trained again.",
            )
            if pressed and visitor.start_sweep(sweep, experiment.title, experiment.question):
                st.rerun()
        elif left:
            _draw_stop(stored)
        if stored is not None:
            pages.SWEEP.link("Open the sweep", {"sweep": stored.id})
        if left:
            size, earlier = session.vocab(sweep.base.corpus_sha256).size, session.earlier_runs()
            expected = cost.expected_times(left, size, earlier, WORKERS)
            st.caption(f"{WORKERS} at a time: {expected}.", width="content")


def _draw_stop(stored: StoredSweep) -> None:
    if stored.state is SweepState.ACTIVE:
        st.button(
            "Stop",
            on_click=visitor.stop_sweep,
            args=(stored.id,),
            icon=":material/stop:",
            key="stop_experiment",
            help="What its runs have learned so far is kept; they can go on.",
        )
    else:
        st.button(
            "Go on",
            on_click=visitor.resume_sweep,
            args=(stored.id,),
            icon=":material/play_arrow:",
            key="resume_experiment",
            help="Runs that were cut short go on from their saved state; then those that are left begin.",
        )


def _label(left: int, of: int) -> str:
    if left == of:
        return f"Train the {of} runs"
    return f"Train the {left} that are missing" if left else f"Make the {of} runs a sweep"


def _draw_found(experiment: Experiment, found: pd.DataFrame, of: int, tokens: str, theme: Theme) -> None:
    if found.empty:
        return
    done = found[found["state"] == "finished"].dropna(subset=list(SHOWN))
    counts = found["state"].value_counts()
    said = [f"{counts.get('finished', 0)} of {of} have finished"]
    said += [f"{count} {state}" for state, count in counts.items() if state != "finished"]
    st.caption(f"{', '.join(said)}. Each is one seed: {experiment.seeds}.")
    if done.empty:
        return
    done = done.assign(time=done["seconds"].map(cost.duration))
    chart.draw(experiment.figure(done, theme), "experiment_figure", experiment.alt, tokens=tokens)
    sentences = [lowest(done), *experiment.findings(done)]
    st.markdown("\n".join(f"- {sentence}" for sentence in sentences))
    with st.expander("All figures", icon=":material/table:"):
        _draw_table(done)


def _draw_table(done: pd.DataFrame) -> None:
    names = {"name": "Run", "val_loss": "Validation", "val_loss_unseen": "Loss on unseen words", "train_loss": "Train"}
    names |= {"parameters": "Parameters", "step": "Updates", "time": "Time"}
    columns = {name: st.column_config.NumberColumn(format="%.4f") for name in list(names.values())[1:4]}
    columns |= {name: st.column_config.NumberColumn(format="localized") for name in ("Parameters", "Updates")}
    st.dataframe(
        done[list(names)].rename(columns=names),
        hide_index=True,
        column_config=columns,
        alt="Every run of the experiment: losses, parameters, updates and time",
    )
