"""Several runs side by side: curves, settings, losses, maps."""

import streamlit as st

from ui import pages, terms
from ui.compare import choice, curves, embeddings, losses, mixture, settings
from ui.kit.theme import current_theme

st.title(pages.COMPARE.title, anchor=False)
st.markdown("Runs side by side: their curves on the same axes, the settings in which they differ, their exact losses.")
runs = choice.choose()
if not runs:
    terms.stop()
curves.draw(runs)
settings.draw(runs)
losses.draw(runs, current_theme())
mixture.draw(runs)
embeddings.draw(runs, current_theme())
