"""An example through the model and back, one step at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from mmcore.trace import Trace, TraceStep, backward_trace, can_trace, forward_trace
from ui.kit import chart, linked, plots
from ui.kit.nouns import fit, fit_around
from ui.kit.text import plain
from ui.under_the_hood import backward, forward, step_plots
from ui.under_the_hood.step import by_character, shape_text
from ui.under_the_hood.subject import Subject

PLAY_SECONDS = 1.5


@dataclass(frozen=True)
class Pass:
    """A pass of an example through the model, forward or back."""

    subject: Subject
    trace: Trace
    name: str

    @property
    def forward(self) -> bool:
        """Which way it goes."""
        return self.name == "Forward"

    @property
    def key(self) -> str:
        """Of the name of the step that is shown."""
        return f"hood_{self.name}"

    def sentence(self, step: TraceStep) -> str:
        """What happens at a step."""
        say = forward.sentence if self.forward else backward.sentence
        return fit_around(lambda vocab: say(step, self.trace, vocab), self.subject.vocab)


def draw_forward(subject: Subject) -> None:
    """From the characters to the loss."""
    _draw(Pass(subject, forward_trace(subject.model, subject.context, subject.target), "Forward"))


def draw_backward(subject: Subject) -> None:
    """From the loss to every weight."""
    way = Pass(subject, backward_trace(subject.model, subject.context, subject.target), "Backward")
    if not can_trace(subject.model):
        st.caption("Computed by automatic differentiation, back through the steps of Forward.")
    _draw(way)


def _draw(way: Pass) -> None:
    """One step, which is drawn alone when another is chosen; goes on by itself while the switch is on."""
    if st.session_state.get(way.key, way.trace.names[0]) not in way.trace.names:
        st.session_state[way.key] = way.trace.names[0]
    if st.session_state.pop("hood_ended", False):
        st.session_state["hood_play"] = False
    playing = st.session_state.get("hood_play", False)

    @st.fragment(run_every=PLAY_SECONDS if playing else None)
    def step_by_step() -> None:
        if playing:  # not in the address: each step would be one in the browser's history
            _play(way)
        else:
            linked.keep("operation", way.key, way.trace.names[0], linked.one_of(way.trace.names))
        step = _choose_step(way)
        if st.session_state["hood_play"] != playing:
            st.rerun()  # the switch lies in what it lets go on
        _draw_step(way, step)

    step_by_step()


def _play(way: Pass) -> None:
    """Go on if it is time; at the last step the page is drawn again, with the switch off."""
    if time.monotonic() - st.session_state.get("hood_moved", 0.0) > 0.9 * PLAY_SECONDS:
        _move(way.key, way.trace.names, 1)
        if st.session_state[way.key] == way.trace.names[-1]:
            st.session_state["hood_ended"] = True
            st.rerun()


def _move(key: str, names: tuple[str, ...], by: int) -> None:
    """Go some steps on or back; the clock of Play starts again."""
    i = names.index(st.session_state[key]) + by
    st.session_state[key] = names[max(0, min(i, len(names) - 1))]
    st.session_state["hood_moved"] = time.monotonic()


def _choose_step(way: Pass) -> TraceStep:
    """The buttons that lead from step to step, a box that leads to any, and the switch."""
    names, tokens = way.trace.names, way.subject.vocab.tokens
    titles = {step.name: fit(f"{step.name}: {step.title}", tokens) for step in way.trace.steps}
    number = names.index(st.session_state[way.key])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Previous",
            icon=":material/arrow_back:",
            on_click=_move,
            args=(way.key, names, -1),
            disabled=number == 0,
            help="One step back.",
        )
        st.button(
            "Next",
            icon=":material/arrow_forward:",
            type="primary",
            on_click=_move,
            args=(way.key, names, 1),
            disabled=number == len(names) - 1,
            help="One step on.",
        )
        name = st.selectbox(
            f"Step {number + 1} of {len(names)}",
            names,
            number,
            key=way.key,
            format_func=titles.__getitem__,
            width=440,
            help="Go straight to a step.",
        )
        st.toggle("Play", key="hood_play", help="Goes on by itself, a step every one and a half seconds.")
    return way.trace.steps[names.index(name)]


def _draw_step(way: Pass, step: TraceStep) -> None:
    """A step: its formula, its shape, what happens in it, and its numbers."""
    for line in step.formula.splitlines():
        st.latex(line)
    st.markdown(f"Shape {shape_text(step)}")
    st.markdown(plain(way.sentence(step)))
    _draw_value(way, step)
    vocab, theme, context = way.subject.vocab, way.subject.theme, way.trace.context
    if step.local is not None:
        what = "Taken away: y, a 1 at the right answer" if step.kind == "logits" else "Local derivative"
        names = plots.labels(step.letters, len(step.local), context, vocab)
        chart.draw(
            plots.bars(step.local, names, what, plots.axis(step.letters), theme),
            "hood_local",
            what,
            tokens=vocab.tokens,
        )
    if not way.forward and by_character(step) and len(step.value) > 1:
        figure = step_plots.lengths(step, way.trace, vocab, theme)
        chart.draw(figure, f"hood_lengths_{step.name}", "Length of the gradient by character", tokens=vocab.tokens)
    if step.weights:
        _draw_weights(way, step)


def _draw_value(way: Pass, step: TraceStep) -> None:
    vocab, theme, trace = way.subject.vocab, way.subject.theme, way.trace
    if step.kind == "ids":
        shown = [plots.labels("V", len(vocab.symbols), trace.context, vocab)[i] for i in step.value]
        table = pd.DataFrame({"position": range(1, len(shown) + 1), vocab.noun: shown, "id": step.value})
        st.dataframe(table, hide_index=True, width=320, alt="The context as ids")
    elif step.kind == "loss":
        chart.draw(step_plots.surprise(float(trace["p"][trace.target]), theme), "hood_loss", "−ln p")
    elif step.kind == "attention":
        with st.container(horizontal=True):
            for head, figure in enumerate(step_plots.heads(step, trace, vocab, theme, way.forward)):
                alt = f"{step.title}: {figure.layout.title.text}"
                chart.draw(figure, f"hood_head_{step.name}_{head}", alt, width=248, tokens=vocab.tokens)
    else:
        figure = step_plots.values(step, trace, vocab, theme)
        chart.draw(figure, f"hood_chart_{step.name}", f"{step.name}: {step.title}", tokens=vocab.tokens)


def _draw_weights(way: Pass, step: TraceStep) -> None:
    """The tensors that a step multiplies with or adds, or their gradients, one at a time."""
    shown = step.weights[0]
    if len(step.weights) > 1:
        named = {weight.name: weight for weight in step.weights}
        name = st.segmented_control(
            "Made with" if way.forward else "Gradients of what it is made with",
            list(named),
            default=shown.name,
            required=True,
            key="hood_made_" + "_".join(named),  # a choice is kept only where there is the same to choose from
            help="Which of the tensors of this step to show.",
        )
        shown = named[name]
    figure = step_plots.weight(shown, way.trace, way.subject.vocab, way.subject.theme, way.forward)
    tokens = way.subject.vocab.tokens
    chart.draw(figure, f"hood_weights_{shown.name}", figure.layout.title.text, tokens=tokens)
