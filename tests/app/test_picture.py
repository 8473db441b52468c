"""What the picture of the network is given, and where it stands."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from mmcore import Run, RunStore, load
from tests.app.conftest import Open, texts
from ui import picture, session


def decoded(text: str, kind: str) -> list[float]:
    return np.frombuffer(base64.b64decode(text), kind).tolist()


def test_the_browser_is_given_the_runs_own_weights(finished: Run, store: RunStore) -> None:
    artifact, kept = load(store.weights(finished.id) or b""), store.checkpoints(finished.id)
    film = picture.Film(run_id=finished.id, steps=[checkpoint.step for checkpoint in kept])
    dataset = session.run_dataset(finished)
    data = picture.data_of(artifact.model, artifact.vocab, artifact.step, film, dataset)
    flat = decoded(data["weights"], "<f4")
    for name, (start, shape) in data["model"]["layout"].items():
        size = int(np.prod(shape))
        assert flat[start : start + size] == artifact.model.tensors[name].flatten().tolist(), name
    assert data["steps"] == [checkpoint.step for checkpoint in kept]
    assert [data["symbols"][i] for i in data["prefix"]] == ["e", "m"]
    contexts = np.array(decoded(data["contexts"], "<u2")).reshape(-1, 3)
    assert len(contexts) == picture.CONTEXTS == len(np.unique(contexts, axis=0))
    assert {*map(tuple, contexts.tolist())} <= {*map(tuple, dataset.train.counts.contexts.tolist())}


@pytest.mark.parametrize("page", ["home", "under_the_hood"])
def test_a_network_that_is_too_large_gets_a_sentence(
    finished: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    assert "Networks of up to" not in texts(open_page(page, run=finished.id))
    monkeypatch.setattr(picture, "MAX_PARAMETERS", 100)
    size = finished.config.model.parameters(27)
    assert f"Networks of up to 100 parameters are drawn; this one has {size:,}." in texts(
        open_page(page, run=finished.id)
    )
