"""The probability tree: what a model may write after a prefix, drawn anew in the browser for every choice there."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmcore import Run, show_symbol
from mmcore.export.in_browser import NETWORK, described, source
from ui import picture, session
from ui.kit import theme

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from mmcore import Artifact
    from ui.generate.samples import Sampling

HERE = Path(__file__).parent
WORDS_URL = "app/words"
HOTTEST = 5.0  # temperature
MOST_WORDS = 200_000  # sent to the browser to tell new words from known ones: some 2 MB

_component = st.components.v2.component(
    "probability_tree",
    html=(HERE / "tree.html").read_text("utf-8"),
    css=(HERE / "tree.css").read_text("utf-8"),
    js=source(*NETWORK) + (HERE / "tree.js").read_text("utf-8"),
    isolate_styles=False,  # as the other components: one page, one look
)


def words_route() -> Route:
    """Where the server gives the words of a run by split, which the browser asks for once."""

    def answer(request: Request) -> Response:
        try:
            config = session.store().run(request.path_params["run_id"]).config
        except ValueError:
            return Response(status_code=404)
        return JSONResponse(dict(session.splits(config.corpus_sha256, config.split).items()))

    base = st.get_option("server.baseUrlPath").strip("/")
    path = f"/{WORDS_URL}/{{run_id}}"
    return Route(f"/{base}{path}" if base else path, answer)


def place(artifact: Artifact) -> DeltaGenerator:
    """Where the tree will be drawn, after what is below it: as high as it will be."""
    with st.container(key="evidence_words"):
        room = st.container(key=f"words{theme.ROOM}tree" if is_drawn(artifact) else None)
        room.empty()  # without content there would be no container
        return room


def is_drawn(artifact: Artifact) -> bool:
    """Whether a network is small enough to be sent to the browser."""
    return artifact.model.flat.numel() <= picture.MAX_PARAMETERS


def draw(run: Run, artifact: Artifact, how: Sampling) -> None:
    """The tree after ``how.prefix``; what is chosen on it is how all of the page samples.

    A network too large to be sent has none: the fields below it do the same.
    """
    if not is_drawn(artifact):
        most, parameters = picture.MAX_PARAMETERS, artifact.model.flat.numel()
        st.caption(f"The tree is drawn for networks of up to {most:,} parameters; this one has {parameters:,}.")
        return
    key = f"tree_{run.id}"

    def chosen() -> None:
        if (found := st.session_state[key].sampling) is not None:
            prefix, temperature, top_k = str(found["prefix"]), float(found["temperature"]), int(found["topK"])
            for field, value in {"prefix": prefix, "temperature": temperature, "top_k": top_k}.items():
                if st.session_state.get(field) != value:  # what is typed into the others meanwhile stays
                    st.session_state[field] = value

    _component(key=key, data=data_of(run, artifact, how), on_sampling_change=chosen)


def data_of(run: Run, artifact: Artifact, how: Sampling) -> dict[str, Any]:
    """All that the browser needs, as JSON."""
    from mmcore.checkpoint import weights_of

    vocab = artifact.vocab
    few = len(session.corpus(run.config.corpus_sha256).words) <= MOST_WORDS
    return {
        "model": described(artifact.model),
        "weights": base64.b64encode(weights_of(artifact.model)).decode(),
        "symbols": list(vocab.symbols),
        "labels": [show_symbol(symbol) for symbol in vocab.symbols],
        "tokens": vocab.tokens,
        "between": vocab.cutting.between,
        "sampling": {"prefix": vocab.typed(how.prefix), "temperature": how.temperature, "topK": how.top_k or 0},
        "hottest": HOTTEST,
        "words": f"{WORDS_URL}/{run.id}" if few else None,
        "theme": theme.current_theme(),  # so that another one is drawn
    }
