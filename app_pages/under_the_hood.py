"""Network: one example through the model and back, with every number of the visitor's own run."""

import streamlit as st

from mmcore.ngram import uniform_loss
from ui import pages, picture, session, terms, visitor
from ui.kit import linked
from ui.kit.nouns import fit
from ui.kit.text import nats
from ui.kit.theme import current_theme
from ui.run.picker import trained_run
from ui.under_the_hood import (
    changes,
    checkpoints,
    example,
    first_loss,
    gradient_check,
    stable_softmax,
    subject,
    updates,
)

VIEWS = {
    "Forward": ("From characters to the loss, one operation at a time.", example.draw_forward),
    "Backward": (
        "From the loss back to every weight: the chain rule, one step at a time.",
        example.draw_backward,
    ),
    "Gradient check": (
        "Are the gradients right? Computed again by ways that share no code.",
        gradient_check.draw,
    ),
    "Update": ("What one step against the gradient does to the loss.", updates.draw),
    "First loss": (
        "Why training begins with the loss it begins with: the weights before the first update.",
        first_loss.draw,
    ),
    "While it learned": (
        "Updates and gradients at every kept checkpoint.",
        checkpoints.draw,
    ),
    "What if": ("What a single weight, or a hidden unit, is worth: change it, and see what changes.", changes.draw),
    "Stable softmax": ("Why nobody computes a softmax as it is written.", stable_softmax.draw),
}

st.title(pages.UNDER_THE_HOOD.title, anchor=False)
st.markdown("Every number between a context and its loss, computed from the weights of your own run.")
run, artifact = trained_run()
vocab, dataset = artifact.vocab, session.run_dataset(run)
if artifact.model.flat.numel() > subject.MAX_PARAMETERS:
    most = f"{subject.MAX_PARAMETERS:,} parameters"
    st.info(f"Copies of this model in double precision would fill the memory. Choose a run of at most {most}.")
    terms.stop()

model, kept = artifact.model, session.store().checkpoints(run.id)
film = picture.Film(run_id=run.id, steps=[checkpoint.step for checkpoint in kept])
picture.draw(
    model,
    vocab,
    artifact.step,
    key=f"picture_{run.id}",
    film=film,
    dataset=dataset,
    on_step=lambda step: visitor.open_step(step, run.weights_step or 0),  # the bar's slider and this one are one
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    context, target = subject.choose_example(vocab, dataset, model.config.context_size)
    shown = linked.keep("view", "hood_view", "Forward", linked.one_of(VIEWS))
    view = st.segmented_control(
        "View",
        list(VIEWS),
        default=shown,
        required=True,
        key="hood_view",
        persist_state="session",
        width="content",
        help="What to look at.",
    )
said, draw = VIEWS[view]
loss, uniform = session.val_loss(run.id, artifact.step, run, model), uniform_loss(vocab.size)
st.caption(
    f"{fit(said, vocab.tokens)} Giving all {vocab.size} {vocab.noun}s the same probability costs ln {vocab.size} = "
    f"{uniform:.4f}: this model "
    f"is {nats(abs(loss - uniform))} {'above' if loss > uniform else 'below'} it."
)
with st.container(key="evidence_view"):
    draw(
        subject.Subject(
            run=run,
            vocab=vocab,
            dataset=dataset,
            checkpoints=kept,
            model=model,
            val_loss=loss,
            context=context,
            target=target,
            theme=current_theme(),
        )
    )
