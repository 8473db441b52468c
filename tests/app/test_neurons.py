"""The page Neurons: what it says of a hidden layer and of one unit, against the model's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import ModelConfig, Run, RunStore, TrainConfig, evaluate, load, restore, trace
from mmcore.architectures import model_config
from mmcore.corpus import corpus_from_words
from mmcore.dataset import Dataset, build_dataset, show_symbol
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import keyed, metrics, numbers, without_help


def data_of(run: Run, store: RunStore) -> Dataset:
    config = run.config
    return build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)


def trained(finished: Run, store: RunStore, model: ModelConfig) -> Run:
    config = finished.config.replace(model=model, train=TrainConfig(max_steps=3))
    return run_inline(store, store.create(config).id)


def test_without_a_run_it_says_what_to_do(open_page: Open) -> None:
    assert "Train a first model" in texts(open_page("neurons"))


def test_saturation_is_that_of_the_examples_drawn(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("neurons", run=finished.id)
    app.number_input(key="neurons_examples").set_value(500).run()
    model = load(store.weights(finished.id) or b"").model
    report = trace.neuron_report(model, data_of(finished, store).train.drawn(500)[0])
    assert metrics(app)["Saturated"] == f"{100 * report.saturated:.2f} %"
    assert metrics(app)["Dead units"] == "0 of 20"
    shown = keyed(app)["neurons_units"]["data"][0]
    assert numbers(shown["y"]) == pytest.approx(100 * np.sort(report.unit_saturation)[::-1])
    assert without_help(app) == []


def test_a10_no_more_examples_are_claimed_than_there_are(finished: Run, store: RunStore, open_page: Open) -> None:
    sha256 = store.add_corpus(corpus_from_words(store.corpus(finished.config.corpus_sha256).words[:100], "few"))
    run = run_inline(store, store.create(finished.config.replace(corpus_sha256=sha256)).id)
    train = data_of(run, store).train
    app = open_page("neurons", run=run.id)
    assert len(train) < 2_000 and f"of the {len(train)} examples" in texts(app)
    h = trace.neuron_report(load(store.weights(run.id) or b"").model, train.contexts).outputs
    assert metrics(app)["Saturated"] == f"{100 * (np.abs(h) > 0.97).mean():.2f} %"


def test_a_unit_shows_the_contexts_that_drive_it_and_what_it_is_worth(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    app = open_page("neurons", run=finished.id)
    app.number_input(key="neurons_unit_1_20").set_value(7).run()
    artifact, data = load(store.weights(finished.id) or b""), data_of(finished, store)
    contexts = data.train.drawn(2_000)[0]
    outputs = trace.neuron_report(artifact.model, contexts).outputs[:, 7]
    for table, place in zip(app.dataframe, (outputs.argmax(), outputs.argmin()), strict=True):
        spelled = "".join(show_symbol(artifact.vocab.symbols[i]) for i in contexts[place])
        assert table.value["context"].is_unique and len(table.value) == 12
        assert tuple(table.value.iloc[0]) == (spelled, pytest.approx(outputs[place], abs=1e-6))
    artifact.model.tensors["W2"][7] = 0
    assert metrics(app)["Validation loss without it"] == f"{evaluate(artifact.model, data.val).loss:.4f}"


def with_history(app: AppTest) -> AppTest:
    """The page with its last part unfolded."""
    app.session_state["neurons_history"] = True
    return app.run()


def test_the_checkpoint_of_the_bar_is_the_one_that_is_shown(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("neurons", run=finished.id, step="0")
    kept, last = store.checkpoints(finished.id), load(store.weights(finished.id) or b"").model
    train = data_of(finished, store).train
    first = trace.neuron_report(restore(last, kept[0]), train.drawn(2_000)[0])
    assert metrics(app)["Saturated"] == f"{100 * first.saturated:.2f} %"
    charts = keyed(with_history(app))
    known = [trace.neuron_report(restore(last, one), train.drawn(512)[0]).saturated for one in kept]
    assert numbers(charts["neurons_stuck_steps"]["data"][0]["y"]) == pytest.approx(100 * np.array(known))
    for key in ("neurons_sums_steps", "neurons_outputs_steps"):
        shares = numbers(charts[key]["data"][0]["z"])
        assert shares.shape == (50, 31) and shares.sum(axis=0) == pytest.approx(np.full(31, 100), abs=0.01)


def test_without_checkpoints_it_says_so(finished: Run, store: RunStore, open_page: Open) -> None:
    store.collect([finished.id], limit=0)
    app = with_history(open_page("neurons", run=finished.id))
    assert "Train it again to see them" in texts(app) and "neurons_stuck_steps" not in keyed(app)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (model_config(hidden_sizes=(), direct=True), "no hidden layer"),
        (model_config(architecture="gru", embedding_dim=4, hidden_size=8), "This model is another"),
        (model_config(normalisation="batch"), "This model is another"),
    ],
)
def test_a_model_without_such_units_says_so(
    finished: Run, store: RunStore, open_page: Open, model: ModelConfig, said: str
) -> None:
    app = open_page("neurons", run=trained(finished, store, model).id)
    assert [said in box.value for box in app.info] == [True] and not app.get("plotly_chart")
    if "another" in said:
        assert model.summary() in app.info[0].value
