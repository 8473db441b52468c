"""Every page of the app: its file, title, icon, the question it answers, and how another page leads to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page; its name is that of its file, and its address."""

    name: str
    title: str
    icon: str
    question: str  # that it answers, beside its title on the first page

    @property
    def path(self) -> str:
        """Of its script, as Streamlit wants it."""
        return f"app_pages/{self.name}.py"

    def link(self, label: str = "", query: Mapping[str, str] | None = None, icon: str = "") -> None:
        """Draw a link to it; without a label, ``Go to …``."""
        st.page_link(self.path, label=label or f"Go to {self.title}", icon=icon or self.icon, query_params=query)

    def take_over(self) -> None:
        """Go there from an address that it had before, with all that the address says."""
        self.open(st.query_params.to_dict())

    def open(self, query: Mapping[str, str] | None = None) -> NoReturn:
        """Go there at once."""
        st.switch_page(self.path, query_params=query)


HOME = Page(name="home", title="Start", icon=":material/home:", question="")
LESSONS = Page(name="lessons", title="Lessons", icon=":material/school:", question="Where do I begin?")
DATA = Page(name="data", title="Data", icon=":material/dataset:", question="How do names become X and Y?")
TRAIN = Page(name="train", title="Run", icon=":material/model_training:", question="How low does the loss go?")
PLAYGROUND = Page(name="playground", title="Playground", icon=":material/tune:", question="What does one slider do?")
SWEEP = Page(name="sweep", title="Sweep", icon=":material/grid_on:", question="Which settings are best?")
SPLITS = Page(
    name="splits", title="Splits", icon=":material/call_split:", question="Does it overfit? Train, validation and test"
)
EMBEDDINGS = Page(
    name="embeddings",
    title="Embeddings",
    icon=":material/scatter_plot:",
    question="What is in the lookup table C, and how did it get there?",
)
UNDER_THE_HOOD = Page(
    name="under_the_hood",
    title="Network",
    icon=":material/hub:",
    question="What happens between a name and its loss?",
)
NEURONS = Page(name="neurons", title="Neurons", icon=":material/bubble_chart:", question="What do the hidden units do?")
GENERATE = Page(
    name="generate", title="Generate", icon=":material/auto_awesome:", question="What does sampling from it give?"
)
RUNS = Page(name="runs", title="Runs", icon=":material/list_alt:", question="What have I tried?")
COMPARE = Page(name="compare", title="Compare", icon=":material/stacked_line_chart:", question="How do my runs differ?")

GROUPS: dict[str, tuple[Page, ...]] = {  # the rooms of the navigation; one of a single page shows no heading
    "Start": (HOME,),
    "Learn": (LESSONS,),
    "Data": (DATA,),
    "Train": (TRAIN, PLAYGROUND, RUNS, COMPARE, SWEEP),
    "Look inside": (UNDER_THE_HOOD, EMBEDDINGS, NEURONS, SPLITS),
    "Generate": (GENERATE,),
}
PAGES = tuple(page for group in GROUPS.values() for page in group)
BY_NAME = {page.name: page for page in PAGES}
MOVED = {"film": EMBEDDINGS}  # addresses of earlier versions, which people may have kept
