"""The network drawn with its own numbers: computed in the browser, from weights that are sent once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mmcore import Run, show_symbol
from mmcore.export.in_browser import NETWORK, described, source
from mmcore.store import LIVE
from ui import session
from ui.kit import theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmcore import Dataset, Model, Vocab

HERE = Path(__file__).parent
PARTS = ("reads.js", "scene.js", "paint.js", "words.js", "picture.js")  # of one module, after those that compute
MAX_PARAMETERS = 500_000  # 2 MB of weights, and at most some 30 ms a key
CONTEXTS = 1_000  # of the training split, to find those that drive a unit highest
CHECKPOINTS_URL = "app/checkpoints"
PREFIX = "em"  # what the network has read at first, as far as the vocabulary has it

_component = st.components.v2.component(
    "network_picture",
    html=(HERE / "picture.html").read_text("utf-8"),
    css=(HERE / "picture.css").read_text("utf-8"),
    js="\n".join([source(*NETWORK), *((HERE / part).read_text("utf-8") for part in PARTS)]),
    isolate_styles=False,  # as the other components: one page, one look
)


def checkpoints_route() -> Route:
    """Where the server gives the kept weights of a run, one after the other: only who drags through them asks."""

    def answer(request: Request) -> Response:
        kept = session.store().checkpoints(request.path_params["run_id"])
        return Response(b"".join(checkpoint.weights for checkpoint in kept), media_type="application/octet-stream")

    base = st.get_option("server.baseUrlPath").strip("/")
    path = f"/{CHECKPOINTS_URL}/{{run_id}}"
    return Route(f"/{base}{path}" if base else path, answer)


@dataclass(frozen=True, kw_only=True)
class Film:
    """A run's weights along the way, which the browser asks for when someone drags through them."""

    run_id: str
    steps: Sequence[int]


def draw(
    model: Model,
    vocab: Vocab,
    step: int,
    *,
    key: str,
    film: Film | None = None,
    dataset: Dataset | None = None,
    on_step: Callable[[int], None] | None = None,
    small: bool = False,
) -> None:
    """Draw a network with its weights of a step; call again with the same key to give it others.

    Parameters
    ----------
    film : for a slider through the checkpoints
    dataset : where the contexts come from that drive a unit highest; without one they are not looked for
    on_step : is told at which checkpoint its slider comes to rest
    small : the picture alone, without what is around it
    """
    parameters = model.flat.numel()
    if parameters > MAX_PARAMETERS:
        st.caption(f"Networks of up to {MAX_PARAMETERS:,} parameters are drawn; this one has {parameters:,}.")
        return

    def rested() -> None:
        if on_step and (chosen := st.session_state[key].step) is not None:
            on_step(chosen)

    data = data_of(model, vocab, step, film, dataset) | {"small": small, "reports": on_step is not None}
    with st.container(key=f"{key}{theme.ROOM}{'small' if small else 'picture'}"):
        _component(key=key, data=data, on_step_change=rested)


def draw_run(run: Run, *, key: str) -> None:
    """Draw a run's last saved weights; those along the way, too, once it is over."""
    artifact = session.artifact(run)
    if artifact is None:
        st.caption("The network is drawn as soon as its first weights are saved.")
        return
    steps = [] if run.state in LIVE else [checkpoint.step for checkpoint in session.store().checkpoints(run.id)]
    film = Film(run_id=run.id, steps=steps) if steps else None
    draw(artifact.model, artifact.vocab, artifact.step, key=key, film=film)


def data_of(
    model: Model, vocab: Vocab, step: int, film: Film | None = None, dataset: Dataset | None = None
) -> dict[str, Any]:
    """All that the browser needs, as JSON."""
    from mmcore.checkpoint import weights_of

    steps = list(film.steps) if film else []
    return {
        "model": described(model),
        "weights": base64.b64encode(weights_of(model)).decode(),
        "step": step,
        "kept": steps,
        "steps": sorted({step, *steps}),
        "film": f"{CHECKPOINTS_URL}/{film.run_id}" if film else None,
        "symbols": list(vocab.symbols),
        "labels": [show_symbol(symbol) for symbol in vocab.symbols],
        "tokens": vocab.tokens,
        "between": vocab.cutting.between,
        "prefix": [vocab.stoi[symbol] for symbol in PREFIX if symbol in vocab.stoi],
        "contexts": _encoded(dataset.train.counts.contexts) if dataset else None,
        "theme": theme.current_theme(),  # so that another one is drawn
    }


def _encoded(contexts: NDArray[np.int64]) -> str:
    """Some of the distinct contexts (M, T), always the same."""
    rows = np.random.default_rng(0).permutation(len(contexts))[:CONTEXTS]
    return base64.b64encode(contexts[rows].astype("<u2").tobytes()).decode()
