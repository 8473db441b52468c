"""Under the hood: one example through the model and back, with every number of the visitor's own run."""

import time

import numpy as np
import pandas as pd
import streamlit as st
import torch

from mmcore import evaluate, generate, trace, uniform_loss
from ui import pages, session
from ui.kit import plots
from ui.kit.text import nats, plain
from ui.kit.theme import PLOTLY_CONFIG, current_theme
from ui.run import in_words
from ui.run.picker import trained_run
from ui.under_the_hood import charts, checkpoints, walk

VIEWS = {
    "Forward": "From characters to the loss, one operation at a time.",
    "Backward": "From the loss back to every weight: the chain rule, one step at a time.",
    "Gradient check": "Are the gradients right? Computed again by ways that share no code.",
    "Update": "What one step against the gradient does to the loss.",
    "First loss": "Why training begins with the loss it begins with: the weights before the first update.",
    "Neurons": "What the hidden units do: where they saturate, which are dead.",
    "While it learned": "Updates and gradients, and an MLP's hidden units, at every kept moment of its training.",
    "What if": "What a single weight, or a hidden unit, is worth: change it, and see what changes.",
    "Stable softmax": "Why nobody computes a softmax as it is written.",
}
theme = current_theme()

st.title(pages.UNDER_THE_HOOD.title, anchor=False)
st.markdown("Every number between a name and its loss, computed from the weights of your own run.")
run, artifact = trained_run()
vocab = artifact.vocab
dataset = session.run_dataset(run)
size = artifact.model.config.context_size
draw = {"theme": None, "config": PLOTLY_CONFIG}
if artifact.model.flat.numel() > charts.MAX_PARAMETERS:
    most = f"{charts.MAX_PARAMETERS:,} parameters"
    st.info(f"Copies of this model in double precision would fill the memory. Choose a run of at most {most}.")
    st.stop()

kept = session.store().checkpoints(run.id)
model, moment = checkpoints.choose(run, artifact, kept)
known_loss, ignorant = checkpoints.val_loss(run.id, moment, run, model), uniform_loss(vocab.size)
st.caption(
    f"Step {moment:,}: validation loss {nats(known_loss)}. "
    f"Giving all {vocab.size} characters the same probability costs ln {vocab.size} = {ignorant:.4f}: this model is "
    f"{nats(abs(known_loss - ignorant))} {'above' if known_loss > ignorant else 'below'} it."
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    known = "emma" if set("emma") <= set(vocab.symbols) else dataset.splits.train[0]
    word = st.text_input(
        "Word", known, key="hood_word", persist_state="session", width=220, max_chars=200, help="Any word."
    ).strip()
    word = vocab.typed(word)
    try:
        titles = charts.example_titles(word, vocab, size)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        st.stop()
    at = st.selectbox(
        "Position",
        range(len(titles)),
        min(3, len(titles) - 1),
        key=f"hood_at_{word}_{size}",
        format_func=lambda i: f"{i + 1}: {titles[i]}",
        width=260,
        help="Which character of the word is to be predicted from those before it; a dot is the boundary.",
    )
context, target = charts.example(word, at, vocab, size)
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="Forward",
    required=True,
    key="hood_view",
    persist_state="session",
    help="What to look at.",
)
st.caption(VIEWS[view])


def batch(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Train examples, drawn with replacement."""
    drawn = np.random.default_rng(seed).integers(len(dataset.train), size=rows)
    return torch.from_numpy(dataset.train.contexts[drawn]), torch.from_numpy(dataset.train.targets[drawn])


def asked_examples(key: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The example above or a batch, as chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.segmented_control(
            "Examples",
            ["This example", "A batch"],
            default="This example",
            required=True,
            key=f"{key}_which",
            help="The one chosen above, or train examples drawn at random.",
        )
        if which == "This example":
            return torch.tensor([context]), torch.tensor([target])
        rows = st.number_input("Batch size", 1, 4_096, 32, key=f"{key}_rows", width=140, help="The lecture takes 32.")
        seed = st.number_input("Batch seed", 0, 2**31 - 1, 0, key=f"{key}_seed", width=140, help="Which batch.")
    return batch(rows, seed)


layers = len(model.config.hidden_sizes) if trace.can_trace(model) else 0


def asked_layer() -> int:
    """A hidden layer, as chosen; the same in every view."""
    key = f"hood_layer_{layers}"
    return st.number_input("Hidden layer", 1, layers, 1, key=key, width=160, help="From the input.")


def move(names: tuple[str, ...], by: int) -> None:
    """Go some steps on or back; the clock of Play starts again."""
    i = names.index(st.session_state[f"hood_{view}"]) + by
    st.session_state[f"hood_{view}"] = names[max(0, min(i, len(names) - 1))]
    st.session_state["hood_moved"] = time.monotonic()


if view in ("Forward", "Backward"):
    forward = view == "Forward"
    passed = (trace.forward_trace if forward else trace.backward_trace)(model, context, target)
    step_key, titled = f"hood_{view}", {step.name: f"{step.name}: {step.title}" for step in passed.steps}
    if st.session_state.get(step_key) not in titled:
        st.session_state[step_key] = passed.names[0]
    if not forward and not trace.can_trace(model):
        st.caption("Computed by automatic differentiation, back through the steps of Forward.")
    if st.session_state.pop("hood_ended", False):
        st.session_state["hood_play"] = False
    playing = st.toggle("Play", key="hood_play", help="Goes on by itself, a step every one and a half seconds.")

    @st.fragment(run_every=charts.PLAY_SECONDS if playing else None)
    def step_by_step() -> None:
        """The buttons that lead from step to step, and the step."""
        last = passed.names[-1]
        if playing and time.monotonic() - st.session_state.get("hood_moved", 0.0) > 0.9 * charts.PLAY_SECONDS:
            move(passed.names, 1)
            if st.session_state[step_key] == last:
                st.session_state["hood_ended"] = True
                st.rerun()
        number = passed.names.index(st.session_state[step_key])
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.button(
                "Previous",
                icon=":material/arrow_back:",
                on_click=move,
                args=(passed.names, -1),
                disabled=number == 0,
                help="One step back.",
            )
            st.button(
                "Next",
                icon=":material/arrow_forward:",
                type="primary",
                on_click=move,
                args=(passed.names, 1),
                disabled=passed.names[number] == last,
                help="One step on.",
            )
            name = st.selectbox(
                f"Step {number + 1} of {len(titled)}",
                passed.names,
                key=step_key,
                format_func=titled.get,
                width=440,
                help="Go straight to a step.",
            )
        show(passed.steps[passed.names.index(name)])

    def show(step: trace.TraceStep) -> None:
        """A step: its formula, its shape, what happens in it, and its numbers."""
        for line in step.formula.splitlines():
            st.latex(line)
        st.markdown(f"Shape {walk.shape_text(step)}")
        say = walk.forward_sentence if forward else walk.backward_sentence
        st.markdown(plain(say(step, passed, vocab)))
        if step.kind == "ids":
            shown = [plots.labels("V", len(vocab.symbols), context, vocab)[i] for i in step.value]
            table = pd.DataFrame({"position": range(1, len(shown) + 1), "character": shown, "id": step.value})
            st.dataframe(table, hide_index=True, width=320, alt="The context as ids")
        elif step.kind == "loss":
            st.plotly_chart(charts.surprise(float(passed["p"][target]), theme), key="hood_loss", alt="−ln p", **draw)
        elif step.kind == "attention":
            with st.container(horizontal=True):
                for head, figure in enumerate(walk.heads(step, passed, vocab, theme, forward)):
                    alt = f"{step.title}: {figure.layout.title.text}"
                    st.plotly_chart(figure, key=f"hood_head_{step.name}_{head}", alt=alt, width=248, **draw)
        else:
            figure = walk.values(step, passed, vocab, theme)
            st.plotly_chart(figure, key=f"hood_chart_{step.name}", alt=f"{step.name}: {step.title}", **draw)
        if step.local is not None:
            what = "Taken away: y, a 1 at the right answer" if step.kind == "logits" else "Local derivative"
            names = plots.labels(step.letters, len(step.local), context, vocab)
            figure = plots.bars(step.local, names, what, plots.axis(step.letters), theme)
            st.plotly_chart(figure, key="hood_local", alt=what, **draw)
        if not forward and walk.by_character(step) and len(step.value) > 1:
            figure = walk.lengths(step, passed, vocab, theme)
            st.plotly_chart(figure, key=f"hood_lengths_{step.name}", alt="Length of the gradient by character", **draw)
        if step.weights:
            made_with(step)

    def made_with(step: trace.TraceStep) -> None:
        """The tensors that a step multiplies with or adds, or their gradients, one at a time."""
        shown = step.weights[0]
        if len(step.weights) > 1:
            named = {weight.name: weight for weight in step.weights}
            label = "Made with" if forward else "Gradients of what it is made with"
            key = "hood_made_" + "_".join(named)  # a choice is kept only where there is the same to choose from
            help = "Which of the tensors of this step to show."
            shown = named[
                st.segmented_control(label, list(named), default=shown.name, required=True, key=key, help=help)
            ]
        figure = walk.weight(shown, passed, vocab, theme, forward)
        st.plotly_chart(figure, key=f"hood_weights_{shown.name}", alt=figure.layout.title.text, **draw)

    step_by_step()

elif view == "Gradient check":
    contexts, targets = asked_examples("check")
    table = trace.gradient_check(model, contexts, targets)
    worst = table[["hand_autograd", "autograd_numeric"]].max()
    by_hand = trace.can_trace(model)
    st.markdown(
        ("By hand: the formulas of the view Backward, as training uses them. " if by_hand else "")
        + f"Autograd: PyTorch's{'' if by_hand else ', as training uses them'}. Central differences: "
        r"$(\text{loss}(w + \varepsilon) - \text{loss}(w - \varepsilon)) / 2\varepsilon$ with $\varepsilon = 10^{-5}$, "
        "for up to 64 numbers of each tensor, the largest gradients among them. All in float64."
    )
    with st.container(horizontal=True, gap="medium"):
        if by_hand:
            st.metric("By hand against autograd, at most", f"{worst['hand_autograd']:.1e}", width="content")
        st.metric("Autograd against differences, at most", f"{worst['autograd_numeric']:.1e}", width="content")
    number = {
        "tensor": "Tensor",
        "shape": "Shape",
        "largest": st.column_config.NumberColumn("Largest |gradient|", format="%.4e"),
        "equal": st.column_config.TextColumn("By hand = autograd", help="Exact: equal to the last bit."),
        "hand_autograd": st.column_config.NumberColumn("Max difference", format="%.1e", help="By hand − autograd."),
        "autograd_numeric": st.column_config.NumberColumn("To central differences", format="%.1e"),
        "nudged": st.column_config.NumberColumn("Numbers nudged"),
    }
    st.dataframe(charts.gradient_table(table), hide_index=True, column_config=number, alt="Gradients, each way")

elif view == "Update":
    contexts, targets = asked_examples("update")
    exponent = st.slider(
        "Learning rate, as a power of ten",
        -4.0,
        2.0,
        -1.0,
        0.1,
        key="hood_rate",
        help="How far to go against the gradient; the lecture's 0.1 is −1.",
    )
    update = trace.one_update(model, contexts, targets, 10**exponent)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Learning rate", f"{update.learning_rate:.4g}", width="content")
        st.metric("Loss before", f"{update.before:.6f}", width="content")
        change = f"{update.after - update.before:+.6f}"
        st.metric("Loss after", f"{update.after:.6f}", change, delta_color="inverse", width="content")
        st.metric(
            "Predicted change", f"{update.predicted:+.6f}", help="To first order, −η‖g‖²: right where steps are small."
        )
        st.metric("Gradient norm", f"{update.gradient_norm:.4f}", width="content")
    rates = np.logspace(-4, 2, 61)
    losses = trace.losses_along_gradient(model, contexts, targets, rates.tolist())
    curve = charts.step_curve(rates, losses, update.learning_rate, update.before, update.gradient_norm**2, theme)
    st.plotly_chart(curve, key="hood_curve", alt="Loss after one update by learning rate", **draw)
    st.markdown("**Size of the update beside the weights.** The lecture's rule of thumb is a ratio of about 0.001.")
    ratios = trace.update_ratios(model, contexts, targets, update.learning_rate)
    number = {
        "tensor": "Tensor",
        "weights": st.column_config.NumberColumn("Std of weights", format="%.4e"),
        "gradient": st.column_config.NumberColumn("Std of gradient", format="%.4e"),
        "ratio": st.column_config.NumberColumn(
            "Update : weights", format="%.4e", help="η · std(gradient) ÷ std(weights)"
        ),
    }
    st.dataframe(ratios, hide_index=True, column_config=number, alt="Size of the update for each tensor")
    both = plots.two_bars(update.p_before, update.p_after, ("Before", "After"), vocab, theme)
    st.plotly_chart(both, key="hood_both", alt="Probabilities before and after the update", **draw)
    st.caption(
        f"Averaged over the batch's {len(targets):,} examples. " * (len(targets) > 1)
        + "Plain gradient descent on a copy: your run stays as it is."
    )

elif view == "First loss":
    in_words.draw_start(run, vocab, context, target, theme)

elif view == "Neurons":
    if not layers:
        nothing = "This model has no hidden layer: its direct connections are all there is."
        st.info(nothing if trace.can_trace(model) else charts.not_written_out(model.config))
        st.stop()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = asked_layer()
        count = st.number_input(
            "Examples",
            1,
            20_000,
            2_000,
            500,
            key="hood_examples",
            width=160,
            help="Train examples, drawn at random; all of them if there are no more.",
        )
    few = count >= len(dataset.train)  # all of them, then, and none twice
    contexts = torch.from_numpy(dataset.train.contexts) if few else batch(count)[0]
    report = trace.neuron_report(model, contexts.numpy(), layer)
    units = report.outputs.shape[1]
    tanh = report.activation == "tanh"
    with st.container(horizontal=True, gap="medium"):
        rule = "|h| above 0.97, where tanh passes on less than 6 % of a gradient." if tanh else "h is 0."
        st.metric("Saturated" if tanh else "Silent", f"{100 * report.saturated:.2f} %", help=rule, width="content")
        st.metric("Dead units", f"{len(report.dead)} of {units}", help="Stuck on every example.", width="content")
    st.markdown(in_words.plain_bold(in_words.dead_units(report)))
    reach = float(np.quantile(np.abs(report.sums), 0.999)) or 1.0
    left, right = st.columns(2, gap="medium")
    sums = plots.histogram(report.sums, "Pre-activations, z", "Pre-activation", theme, (-reach, reach))
    left.plotly_chart(sums, key="hood_sums", alt="Histogram of pre-activations", **draw)
    span = (-1.0, 1.0) if tanh else (0.0, float(report.outputs.max()) or 1.0)
    coming = plots.histogram(report.outputs, f"Outputs, h = {report.activation}(z)", "Output", theme, span)
    right.plotly_chart(coming, key="hood_outputs", alt="Histogram of outputs", **draw)
    st.plotly_chart(charts.unit_saturation(report, theme), key="hood_units", alt="Saturation of each unit", **draw)

elif view == "While it learned":
    if len(kept) < 2:
        st.info("Its weights along the way were not kept, or have been dropped since. Train it again to see them.")
        st.stop()
    moment_steps = tuple(checkpoint.step for checkpoint in kept)
    if layers:
        layer = asked_layer()
        history = checkpoints.neurons(run.id, moment_steps, layer, run, artifact.model, kept)
        tanh = model.config.activation == "tanh"
        left, right = st.columns(2, gap="medium")
        sums = charts.over_steps(history.sums, moment_steps, "Pre-activations, z, by step", "Pre-activation", theme)
        left.plotly_chart(sums, key="hood_sums_steps", alt="Pre-activations at every moment", **draw)
        coming = charts.over_steps(history.outputs, moment_steps, "Outputs, h, by step", "Output", theme)
        right.plotly_chart(coming, key="hood_outputs_steps", alt="Outputs at every moment", **draw)
        stuck = charts.stuck_over_steps(history, moment_steps, tanh, theme)
        st.plotly_chart(stuck, key="hood_stuck_steps", alt="Saturated outputs and dead units at every moment", **draw)
        st.caption(f"On the same {checkpoints.ROWS} train examples at every moment.")
    weights = model.config.weight_names
    ratios = charts.update_ratios(kept, weights, theme)
    st.plotly_chart(ratios, key="hood_ratios", alt="Update to data ratio of each tensor over steps", **draw)
    st.caption(
        "Recorded while this run trained, with its own optimiser and schedule: the standard deviation of an update "
        f"over that of the tensor. {charts.largest_ratio(kept, weights)} The line at 10⁻³ is the lecture's rule of "
        "thumb, not a limit. A learning rate that ends at 0 takes the ratio there, too."
    )
    spread = checkpoints.gradients(run.id, moment_steps, run, artifact.model, kept)
    tensor = st.selectbox(
        "Gradients of", list(spread), key="hood_gradients_of", width=260, help="Which tensor's gradients are shown."
    )
    title = f"Gradients of {tensor} by step"
    figure = charts.over_steps(spread[tensor], moment_steps, title, "Size, log₁₀ |gradient|", theme)
    st.plotly_chart(figure, key="hood_gradients_steps", alt=title, **draw)
    st.caption(
        f"On the same {checkpoints.BATCH} train examples at every moment; what is too small for the map counts to its "
        "lowest row."
    )

elif view == "What if":
    if layers:
        st.header("Switch a unit off", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            layer = asked_layer()
            last = model.config.hidden_sizes[layer - 1] - 1
            unit = st.number_input(
                "Unit", 0, last, 0, key=f"hood_unit_{layer}", width=160, help="Its output becomes 0."
            )
        off = trace.without_unit(model, layer, unit)
        without = evaluate(off, dataset.val).loss
        st.metric("Validation loss without it", f"{without:.6f}", f"{without - known_loss:+.6f}", delta_color="inverse")
        here = [one(torch.tensor([context])).detach().softmax(1)[0].numpy() for one in (model, off)]
        both = plots.two_bars(here[0], here[1], ("With", "Without"), vocab, theme)
        st.plotly_chart(both, key="hood_without", alt="Probabilities with and without the unit", **draw)
    st.header("Shift a weight", anchor=False)
    names = list(model.tensors)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tensor = st.selectbox("Tensor", names, len(names) - 1, key="hood_shift", width=160, help="Where the number is.")
        shape = tuple(model.tensors[tensor].shape)
        place = tuple(
            st.number_input(
                ("Row", "Column", "Layer")[axis] if len(shape) > 1 else "Index",
                0,
                length - 1,
                0,
                key=f"hood_shift_{tensor}_{axis}",
                width=140,
                help=f"From 0 to {length - 1}.",
            )
            for axis, length in enumerate(shape)
        )
        delta = st.slider("Add", -5.0, 5.0, 1.0, 0.1, key="hood_delta", width=320, help="0 leaves it as it is.")
    other = trace.shifted(model, tensor, place, delta)
    was, now = (one.tensors[tensor][place].item() for one in (model, other))
    changed = evaluate(other, dataset.val).loss
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            f"{tensor}[{', '.join(map(str, place))}]",
            f"{now:.4f}",
            f"{now - was:+.4f}",
            delta_color="off",
            width="content",
        )
        st.metric(
            "Validation loss with it",
            f"{changed:.6f}",
            f"{changed - known_loss:+.6f}",
            delta_color="inverse",
            width="content",
        )
    here = [one(torch.tensor([context])).detach().softmax(1)[0].numpy() for one in (model, other)]
    both = plots.two_bars(here[0], here[1], ("Before", "After"), vocab, theme)
    st.plotly_chart(both, key="hood_shifted", alt="Probabilities before and after the shift", **draw)
    written = [[s.word for s in generate(one, vocab, 10, sample_seed=1)] for one in (model, other)]
    words = pd.DataFrame(dict(zip(("Before", "After"), written, strict=True)))
    st.dataframe(words, hide_index=True, width=420, alt="Names with the same sample seed, before and after the shift")

else:
    logits = model(torch.tensor([context])).detach()[0].double().numpy()
    st.markdown(
        r"On paper both are the loss: $-\ln \frac{e^{l_y}}{\sum_v e^{l_v}}$ and "
        r"$\ln \sum_v e^{l_v - m} + m - l_y$ with $m = \max_v l_v$. In float32 $e^{88.73}$ is already infinite, and "
        r"an $e^{-104}$ is 0."
    )
    most = st.slider(
        "Scale the logits up to, as a power of ten",
        0.0,
        4.0,
        2.5,
        0.5,
        key="hood_scale",
        help="Multiplies every logit.",
    )
    table = trace.stable_softmax_demo(logits, target, np.logspace(0, most, 25).tolist())
    broken = table[~np.isfinite(table["naive"])]
    if len(broken):
        first = broken.iloc[0]
        st.markdown(
            f"The naive way fails first at scale **{first['scale']:.4g}**, where the largest logit is "
            f"**{first['largest']:.2f}** and the result is **{first['naive']}**; log-sum-exp gives "
            f"**{first['stable']:.4f}**."
        )
    else:
        st.markdown("Up to this scale the naive way holds. Scale further.")
    st.plotly_chart(charts.softmax_curve(table, theme), key="hood_softmax", alt="Loss against the scale", **draw)
    figures = {name: st.column_config.NumberColumn(format="%.4f") for name in table.columns}
    st.dataframe(table, hide_index=True, column_config=figures, alt="Both losses at each scale")
