"""What a run leaves as files."""

from __future__ import annotations

import json
from functools import partial

import streamlit as st

from mmcore.dataset import split_words
from mmcore.store import Run, RunStore
from ui import session
from ui.kit.text import csv


def draw_downloads(run: Run) -> None:
    """The trained model and its record as files, and how to load it without this project."""
    store, name = session.store(), f"makemore-{run.id}"
    save = partial(st.download_button, on_click="ignore", icon=":material/download:")
    with st.container(horizontal=True):
        save("Weights (.safetensors)", partial(_weights, store, run.id), f"{name}.safetensors", key="save_weights")
        save("State dict (.pt)", partial(_state_dict, store, run.id), f"{name}.pt", key="save_state_dict")
        save("Curve (CSV)", partial(_curve, store, run.id), f"{name}.csv", "text/csv", key="save_curve")
        config = json.dumps(run.config.to_dict(), indent=2)
        save("Settings (JSON)", config, f"{name}.json", "application/json", key="save_config")
    code = st.expander("Load the weights in plain torch", icon=":material/code:", key="code", on_change="rerun")
    if code.open:
        from mmcore.export.artifact import plain_torch

        code.code(plain_torch(run.config.model, f"{name}.safetensors"), language="python")


# Download buttons call these without a script run around them: plain code only.


def _weights(store: RunStore, run_id: str) -> bytes:
    from mmcore.export.artifact import with_words

    if (weights := store.weights(run_id)) is None:
        return b""
    config = store.run(run_id).config
    return with_words(weights, split_words(store.corpus(config.corpus_sha256).words, config.split))


def _state_dict(store: RunStore, run_id: str) -> bytes:
    from mmcore.export.artifact import load

    return load(store.weights(run_id) or b"").to_state_dict_bytes()


def _curve(store: RunStore, run_id: str) -> bytes:
    return csv(store.history(run_id)).encode()
