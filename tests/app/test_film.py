"""The map through time on Embeddings: what is sent to the browser against the run's own weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import ModelConfig, Run, RunStore, TrainConfig, embedding, evaluate, generate, load, restore
from mmcore.architectures import model_config
from mmcore.dataset import build_dataset
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import components, numbers, symbol_map
from ui.embeddings import film


def sent(app: AppTest) -> dict[str, Any]:
    """What the component is given."""
    assert not app.exception
    (given,) = components(app)
    return given


def trained(finished: Run, store: RunStore, model: ModelConfig, **settings: Any) -> Run:
    config = finished.config.replace(model=model, train=TrainConfig(max_steps=30))
    return run_inline(store, store.create(config, **settings).id)


def test_a_run_without_checkpoints_has_one_map(finished: Run, store: RunStore, open_page: Open) -> None:
    store.collect([finished.id], limit=0)
    app = open_page("embeddings", run=finished.id)
    assert not components(app) and symbol_map(app)["layout"]["title"]["text"]


def test_it_opens_at_the_checkpoint_of_the_bar(finished: Run, open_page: Open) -> None:
    app = open_page("embeddings", run=finished.id)
    assert sent(app)["frame"] == 30
    app.select_slider(key="step_choice").set_value(7).run()
    assert sent(app)["frame"] == 7 and app.query_params["step"] == "7"


def test_a_model_without_a_table_says_so(finished: Run, store: RunStore, open_page: Open) -> None:
    run = trained(finished, store, model_config(architecture="bigram"))
    assert "Bigram has no embedding table" in texts(open_page("embeddings", run=run.id))


def test_frames_losses_and_names_are_those_of_the_kept_weights(finished: Run, store: RunStore, open_page: Open) -> None:
    data, kept = sent(open_page("embeddings", run=finished.id)), store.checkpoints(finished.id)
    assert data["steps"] == [checkpoint.step for checkpoint in kept] and len(kept) == 31
    artifact = load(store.weights(finished.id) or b"")
    models = [restore(artifact.model, checkpoint) for checkpoint in kept]
    frames = embedding.film([model.tensors["C"].numpy() for model in models])
    assert np.stack([data["x"], data["y"]], axis=2) == pytest.approx(frames, abs=1e-5)
    config = finished.config
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    for place in (0, 7, 30):
        exact = [evaluate(models[place], part).loss for part in (dataset.train, dataset.val)]
        assert [losses[place] for losses in data["losses"]] == pytest.approx(exact, abs=1e-4)
        words = [sample.word for sample in generate(models[place], artifact.vocab, 8, sample_seed=1)]
        assert data["words"][place] == words
    assert all(data["measured"])


def test_axes_hold_every_frame_and_every_letter_has_its_place(finished: Run, open_page: Open) -> None:
    data = sent(open_page("embeddings", run=finished.id))
    layout = data["map"]["layout"]
    for axis in "xy":
        low, high = layout[f"{axis}axis"]["range"]
        assert low < np.min(data[axis]) and np.max(data[axis]) < high
    assert layout["yaxis"]["scaleanchor"] == "x"
    assert sorted(i for ids in data["ids"] for i in ids) == list(range(27))
    for ids, trace in zip(data["ids"], data["map"]["data"], strict=True):
        assert numbers(trace["x"]) == pytest.approx(np.array(data["x"][-1])[ids], abs=1e-5)
        assert trace["name"] in ("boundary", "vowel", "consonant")


@pytest.mark.parametrize("dimensions", [1, 2])
def test_few_dimensions_are_shown_as_they_are(finished: Run, store: RunStore, open_page: Open, dimensions: int) -> None:
    run = trained(finished, store, model_config(embedding_dim=dimensions, hidden_sizes=(8,)))
    app = open_page("embeddings", run=run.id)
    data, model = sent(app), load(store.weights(run.id) or b"").model
    for checkpoint, x in zip(store.checkpoints(run.id), data["x"], strict=True):
        assert x == pytest.approx(restore(model, checkpoint).tensors["C"].numpy()[:, 0].tolist(), abs=1e-5)
    assert (len({tuple(y) for y in data["y"]}) == 1) == (dimensions == 1)
    assert data["map"]["layout"]["xaxis"]["title"]["text"] == "Dimension 0"
    assert ("only dimension" if dimensions == 1 else "the table as it is") in texts(app)


def test_losses_too_dear_to_compute_are_read_from_the_curve(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(film, "WORK", 0)
    film.develop.clear()
    request.addfinalizer(film.develop.clear)
    app = open_page("embeddings", run=finished.id)
    data, curve = sent(app), store.history(finished.id).dropna(subset="train_loss")
    known = set(curve.step)
    assert {0, 30} <= known and data["measured"] == [step in known for step in data["steps"]]
    assert [data["losses"][0][step] for step in curve.step] == pytest.approx(curve.train_loss.tolist(), abs=1e-4)
    low, high = curve.train_loss.min(), curve.train_loss.max()
    assert all(low - 1e-4 <= loss <= high + 1e-4 for loss in data["losses"][0])
    assert ("≈" in texts(app)) == (not all(data["measured"]))


def test_a_run_that_diverged_has_a_film_up_to_its_last_finite_step(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    hot = TrainConfig(optimizer="sgd", schedule="constant", learning_rate=300.0, weight_decay=1.0, max_steps=300)
    run = run_inline(store, store.create(finished.config.replace(train=hot)).id)
    assert run.error
    data = sent(open_page("embeddings", run=run.id))
    assert data["steps"][-1] <= run.step
    assert np.isfinite(data["losses"]).all() and np.isfinite(data["x"]).all()
    assert np.isfinite(data["span"]).all()
