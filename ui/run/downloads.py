"""What a run leaves as files."""

from __future__ import annotations

import json
from functools import partial

import streamlit as st

from mmcore.dataset import split_words
from mmcore.export import FORMATS, Format
from mmcore.store import Run, RunStore
from ui import session
from ui.kit.text import csv


def draw_downloads(run: Run) -> None:
    """The trained model and its record as files, and how to load it without this project."""
    store, name = session.store(), f"makemore-{run.id}"
    save = partial(st.download_button, on_click="ignore", icon=":material/download:")
    with st.container(horizontal=True):
        for key, known in FORMATS.items():
            file, made = f"{name}{known.suffixes[0]}", partial(_model, store, run.id, known)
            save(f"{known.name} ({known.suffixes[0]})", made, file, known.media_type, key=f"save_{key}")
        save("Curve (CSV)", partial(_curve, store, run.id), f"{name}.csv", "text/csv", key="save_curve")
        config = json.dumps(run.config.to_dict(), indent=2)
        save("Settings (JSON)", config, f"{name}.json", "application/json", key="save_config")
    code = st.expander("Load the weights in plain torch", icon=":material/code:", key="code", on_change="rerun")
    if code.open:
        from mmcore.export.artifact import plain_torch

        code.code(plain_torch(run.config.model, f"{name}.safetensors"), language="python")


# Download buttons call these without a script run around them: plain code only.


def _model(store: RunStore, run_id: str, known: Format) -> bytes:
    from mmcore.export.artifact import load

    if (weights := store.weights(run_id)) is None:
        return b""
    config = store.run(run_id).config
    return known.write(load(weights).with_words(split_words(store.corpus(config.corpus_sha256).words, config.split)))


def _curve(store: RunStore, run_id: str) -> bytes:
    return csv(store.history(run_id)).encode()
