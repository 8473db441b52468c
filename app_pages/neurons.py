"""What the hidden units of a model do: where they saturate, which are dead, what drives each."""

import streamlit as st

from ui import pages, session, terms
from ui.kit import linked
from ui.kit.theme import current_theme
from ui.neurons import history, layer, unit
from ui.run.picker import trained_run

theme = current_theme()

st.title(pages.NEURONS.title, anchor=False)
st.markdown("A hidden unit adds up what it reads from the context, and squashes the sum. What does each make of it?")
run, artifact = trained_run()
model, dataset = artifact.model, session.run_dataset(run)
if reason := layer.nothing(model):
    st.info(reason)
    terms.stop()
number, seen = layer.choose(model, dataset)
layer.draw(seen.report, theme)

st.header("One unit", anchor=False)
loss = session.val_loss(run.id, artifact.step, run, model)
unit.draw(run.id, artifact.step, number, seen, model, dataset, loss)

linked.keep("history", "neurons_history", False, linked.flag())
over_time = st.expander("While it learned", icon=":material/timeline:", key="neurons_history", on_change="rerun")
if over_time.open:
    with over_time:
        history.draw(run.id, model, session.store().checkpoints(run.id), dataset, number, theme)
