"""The page Network: every number on it against the model's own, every control."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from mmcore import (
    ARCHITECTURES,
    Artifact,
    ModelConfig,
    Run,
    RunStore,
    TrainConfig,
    evaluate,
    generate,
    load,
    restore,
    trace,
)
from mmcore.architectures import model_config
from mmcore.dataset import Dataset, Vocab, build_dataset
from mmcore.jobs import run_inline
from mmcore.model import cross_entropy
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, metrics, numbers, without_help
from ui.under_the_hood.backward import sentence as backward_sentence
from ui.under_the_hood.forward import sentence as forward_sentence

CONTEXT, TARGET = [5, 13, 13], 1  # emma, position 4


@pytest.fixture
def artifact(finished: Run, store: RunStore) -> Artifact:
    return loaded(finished, store)


def loaded(run: Run, store: RunStore) -> Artifact:
    weights = store.weights(run.id)
    assert weights is not None
    return load(weights)


def names_data(run: Run, store: RunStore) -> Dataset:
    return build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, run.config.model.context_size)


def view(app: AppTest, name: str) -> AppTest:
    app.segmented_control(key="hood_view").set_value(name).run()
    assert not app.exception
    return app


def titled(app: AppTest, title: str) -> dict[str, Any]:
    """The chart with a title."""
    charts = [figure(app, i) for i in range(len(app.get("plotly_chart")))]
    return next(chart for chart in charts if chart["layout"]["title"]["text"] == title)


def walk(app: AppTest) -> list[str]:
    """Press Next until it is grey; the steps seen."""
    seen = []
    while True:
        assert not app.exception
        box = next(box for box in app.selectbox if box.label.startswith("Step "))
        seen.append(str(box.value))
        assert texts(app)
        if field(app, "button", "Next").disabled:
            return seen
        field(app, "button", "Next").click().run()


def test_without_a_run_it_says_what_to_do(open_page: Open) -> None:
    assert "Train a first model" in texts(open_page("under_the_hood"))


def test_forward_goes_from_the_ids_to_the_loss(finished: Run, artifact: Artifact, open_page: Open) -> None:
    app = open_page("under_the_hood", run=finished.id)
    assert walk(app) == ["ids", "rows", "x", "z1", "h1", "logits", "p", "loss"]
    loss = cross_entropy(artifact.model(torch.tensor([CONTEXT])), torch.tensor([TARGET])).item()
    shown = numbers(figure(app, 0)["data"][1]["y"])
    assert shown[0] == pytest.approx(loss, abs=1e-5)
    assert f"{loss:.6f}"[:5] in texts(app).replace("\\", "")
    field(app, "button", "Previous").click().run()
    bars = figure(app, 0)
    expected = artifact.model(torch.tensor([CONTEXT])).detach().softmax(1)[0].numpy()
    assert numbers(bars["data"][0]["y"]) == pytest.approx(expected, abs=1e-6)
    assert bars["layout"]["annotations"][0]["text"] == "right answer"
    assert bars["layout"]["annotations"][0]["x"] == TARGET


def test_backward_ends_at_the_embedding_table(finished: Run, artifact: Artifact, open_page: Open) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "Backward")
    steps = walk(app)
    assert steps == ["dp", "dlogits", "db2", "dW2", "dh1", "dz1", "db1", "dW1", "dx", "drows", "dC"]
    cross_entropy(artifact.model(torch.tensor([CONTEXT])), torch.tensor([TARGET])).backward()  # type: ignore[no-untyped-call]
    gradient = dict(artifact.model.named_parameters())["C"].grad
    assert gradient is not None
    assert numbers(figure(app, 0)["data"][0]["z"]) == pytest.approx(gradient.numpy(), abs=1e-6)
    assert "(m, e)" in texts(app).replace("\\", "") or "(e, m)" in texts(app).replace("\\", "")
    box = next(box for box in app.selectbox if box.label.startswith("Step "))
    box.set_value("dz1").run()
    assert r"(1 - h_1^2)" in "".join(latex.value for latex in app.latex)
    local = numbers(figure(app, 1)["data"][0]["y"])
    assert len(local) == 20 and (local > 0).all() and (local <= 1).all()
    box = next(box for box in app.selectbox if box.label.startswith("Step "))
    box.set_value("dlogits").run()
    assert abs(numbers(figure(app, 0)["data"][0]["y"]).sum()) < 1e-6


def test_any_word_and_any_position(finished: Run, artifact: Artifact, open_page: Open) -> None:
    app = open_page("under_the_hood", run=finished.id)
    app.text_input(key="hood_word").set_value("zoë").run()
    assert "ë" in app.error[0].value and not app.exception
    app.text_input(key="hood_word").set_value("MAR\u200by").run()  # B2: cleaned as the corpus was
    app.selectbox(key="hood_at_mary_3").set_value(4).run()
    box = next(box for box in app.selectbox if box.label.startswith("Step "))
    box.set_value("loss").run()
    loss = cross_entropy(artifact.model(torch.tensor([[1, 18, 25]])), torch.tensor([0])).item()
    assert numbers(figure(app, 0)["data"][1]["y"])[0] == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        model_config(embedding_dim=2, hidden_sizes=(), direct=True),
        model_config(context_size=5, embedding_dim=3, hidden_sizes=(300, 6), activation="relu", direct=True),
    ],
)
def test_other_perceptrons_are_walked_through_too(
    finished: Run, store: RunStore, open_page: Open, model: ModelConfig
) -> None:
    run = run_inline(store, store.create(finished.config.replace(model=model, train=TrainConfig(max_steps=3))).id)
    app = open_page("under_the_hood", run=run.id)
    assert walk(app)[-1] == "loss"
    view(app, "Backward")
    assert walk(app)[-1] == "dC"


SMALL = {
    "bigram": model_config(architecture="bigram"),
    "mlp": model_config(embedding_dim=4, hidden_sizes=(8, 6), activation="gelu", normalisation="batch", direct=True),
    "rnn": model_config(architecture="rnn", embedding_dim=4, hidden_size=8),
    "gru": model_config(architecture="gru", embedding_dim=4, hidden_size=8),
    "lstm": model_config(architecture="lstm", embedding_dim=4, hidden_size=8),
    "wavenet": model_config(architecture="wavenet", context_size=4, embedding_dim=4, hidden_size=8),
    "transformer": model_config(architecture="transformer", embedding_dim=8, layers=2, heads=2),
}


def trained(finished: Run, store: RunStore, model: ModelConfig) -> Run:
    config = finished.config.replace(model=model, train=TrainConfig(max_steps=3, batch_size=8))
    return run_inline(store, store.create(config).id)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_walked_through(
    finished: Run, store: RunStore, open_page: Open, architecture: str
) -> None:
    run = trained(finished, store, SMALL[architecture])
    model, vocab = loaded(run, store).model, Vocab.from_words(names_data(run, store).splits.train)
    size = model.config.context_size
    context = ([0] * size + CONTEXT)[-size:]
    app = open_page("under_the_hood", run=run.id)
    passes = (trace.forward_trace, forward_sentence), (trace.backward_trace, backward_sentence)
    for name, (pass_of, sentence) in zip(("Forward", "Backward"), passes, strict=True):
        passed = pass_of(model, context, TARGET)
        assert walk(view(app, name)) == list(passed.names)
        middle = passed.steps[len(passed.steps) // 2]
        go_to(app, middle.name)
        assert sentence(middle, passed, vocab) in texts(app).replace("\\", "")
        assert middle.formula.splitlines()[0] in app.latex[0].value


def go_to(app: AppTest, step: str) -> AppTest:
    next(box for box in app.selectbox if box.label.startswith("Step ")).set_value(step).run()
    return app


def test_attention_is_drawn_head_by_head(finished: Run, store: RunStore, open_page: Open) -> None:
    run = trained(finished, store, SMALL["transformer"])
    app = go_to(open_page("under_the_hood", run=run.id), "attention2")
    attention = trace.forward_trace(loaded(run, store).model, [0] * 13 + CONTEXT, TARGET)["attention2"]
    for head, expected in enumerate(attention):
        shown = numbers(figure(app, head)["data"][0]["z"])
        assert np.tril(shown) == pytest.approx(np.tril(expected)) and np.isnan(shown[np.triu_indices(4, 1)]).all()
        seen = [".", "e", "m", "m"][int(expected[-1].argmax())]
        title = f"Head {head + 1} attends most to {seen}, {100 * expected[-1].max():.0f} %"
        assert figure(app, head)["layout"]["title"]["text"] == title
    assert (
        f"head 2 attends most to {seen} ({int(attention[1, -1].argmax()) + 1}), {100 * attention[1, -1].max():.1f} %"
        in (texts(app).replace("\\", ""))
    )
    app.segmented_control(key="hood_made_W_attn2_b_attn2_ln1_gain2_ln1_bias2").set_value("ln1_bias2").run()
    assert figure(app, 2)["layout"]["title"]["text"] == "ln1_bias2, 8, as this run has learned it"


def test_what_is_left_of_a_gradient_through_time_is_said_and_drawn(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    run = trained(finished, store, SMALL["lstm"])
    app = go_to(view(open_page("under_the_hood", run=run.id), "Backward"), "dh")
    back = trace.backward_trace(loaded(run, store).model, [0] * 13 + CONTEXT, TARGET)
    drawn = titled(app, "How long dh and dc are at each character")["data"]
    for bars, name in zip(drawn, ("dh", "dc"), strict=True):
        expected = np.linalg.norm(back[name], axis=1)
        assert numbers(bars["y"]) == pytest.approx(expected, rel=1e-5)
        left = f"{100 * expected[0] / expected[-1]:.3g} %"
        assert left in texts(app).replace("\\", "")
    assert "3 steps back in time" in texts(app)


@pytest.mark.parametrize("model", [SMALL["wavenet"], model_config(normalisation="batch")])
def test_what_is_not_written_out_is_said_and_not_shown(
    finished: Run, store: RunStore, open_page: Open, model: ModelConfig
) -> None:
    run = run_inline(store, store.create(finished.config.replace(model=model, train=TrainConfig(max_steps=3))).id)
    app = open_page("under_the_hood", run=run.id)
    table = view(app, "Gradient check").dataframe[0].value
    assert list(table) == ["tensor", "shape", "largest", "autograd_numeric", "nudged"]
    assert list(metrics(app)) == ["Autograd against differences, at most"]
    assert "By hand" not in texts(app)


def test_the_gradients_by_hand_of_what_reads_from_left_to_right_are_checked(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    config = finished.config.replace(model=SMALL["gru"], train=TrainConfig(max_steps=3))
    app = open_page("under_the_hood", run=run_inline(store, store.create(config).id).id)
    table = view(app, "Gradient check").dataframe[0].value
    assert table["hand_autograd"].max() < 1e-10 and set(table["equal"]) <= {"exact", "rounding"}
    assert "By hand: formulas for whole batches, as training uses them." in texts(app)


def test_the_gradients_agree(finished: Run, open_page: Open) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "Gradient check")
    for which in ("This example", "A batch"):
        app.segmented_control(key="check_which").set_value(which).run()
        table = app.dataframe[0].value.set_index("tensor")
        assert list(table.index) == ["C", "W1", "b1", "W2", "b2"]
        assert set(table["equal"]) <= {"exact", "rounding"}
        assert table["hand_autograd"].max() < 1e-10 and table["autograd_numeric"].max() < 1e-6
    app.number_input(key="check_rows").set_value(7)
    app.number_input(key="check_seed").set_value(3).run()
    assert not app.exception
    assert (app.dataframe[0].value.set_index("tensor")["largest"] != table["largest"]).any()


def test_an_update_lowers_the_loss_as_predicted(finished: Run, artifact: Artifact, open_page: Open) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "Update")
    app.slider(key="hood_rate").set_value(-3.0).run()
    shown = metrics(app)
    before, after = float(shown["Loss before"]), float(shown["Loss after"])
    loss = cross_entropy(artifact.model(torch.tensor([CONTEXT])), torch.tensor([TARGET])).item()
    assert before == pytest.approx(loss, abs=1e-5)
    assert after < before
    assert after - before == pytest.approx(float(shown["Predicted change"]), rel=0.05)
    small = app.dataframe[0].value.set_index("tensor")["ratio"]
    assert list(small.index) == ["C", "W1", "b1", "W2", "b2"] and (small.dropna() > 0).all()
    app.segmented_control(key="update_which").set_value("A batch").run()
    assert float(metrics(app)["Loss before"]) != before
    app.number_input(key="update_rows").set_value(64)
    app.number_input(key="update_seed").set_value(5).run()
    app.slider(key="hood_rate").set_value(2.0).run()
    assert float(metrics(app)["Loss after"]) > float(metrics(app)["Loss before"])
    curve = figure(app, 0)["data"][0]
    assert numbers(curve["y"])[-1] == pytest.approx(float(metrics(app)["Loss after"]), rel=1e-4)


def test_the_batch_is_the_one_its_seed_draws(
    finished: Run, artifact: Artifact, store: RunStore, open_page: Open
) -> None:
    train = names_data(finished, store).train
    app = view(open_page("under_the_hood", run=finished.id), "Update")
    app.segmented_control(key="update_which").set_value("A batch").run()
    app.number_input(key="update_rows").set_value(16)
    for seed in (0, 5):
        app.number_input(key="update_seed").set_value(seed).run()
        rows = np.random.default_rng(seed).integers(len(train), size=16)
        contexts, targets = torch.from_numpy(train.contexts[rows]), torch.from_numpy(train.targets[rows])
        loss = cross_entropy(artifact.model(contexts), targets).item()
        assert float(metrics(app)["Loss before"]) == pytest.approx(loss, abs=1e-5)


def test_a_unit_switched_off(finished: Run, store: RunStore, artifact: Artifact, open_page: Open) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "What if")
    app.number_input(key="hood_unit_1").set_value(7).run()
    assert not app.exception
    artifact.model.tensors["W2"][7] = 0
    loss = evaluate(artifact.model, names_data(finished, store).val).loss
    assert float(metrics(app)["Validation loss without it"]) == pytest.approx(loss, abs=2e-6)
    without = numbers(titled(app, "Next character, with and without")["data"][1]["y"])
    expected = artifact.model(torch.tensor([CONTEXT])).detach().softmax(1)[0].numpy()
    assert without == pytest.approx(expected, abs=1e-6)


def test_a_checkpoint_changes_every_number(finished: Run, store: RunStore, artifact: Artifact, open_page: Open) -> None:
    app = open_page("under_the_hood", run=finished.id)
    assert app.select_slider[0].value == 30  # the last weights at first
    last = evaluate(artifact.model, names_data(finished, store).val).loss
    assert f"Validation loss {last:.4f}" in texts(app)
    app.select_slider[0].set_value(0).run()
    model = restore(artifact.model, store.checkpoints(finished.id)[0])
    assert f"Validation loss {evaluate(model, names_data(finished, store).val).loss:.4f}" in texts(app)
    box = next(box for box in app.selectbox if box.label.startswith("Step "))
    box.set_value("loss").run()
    loss = cross_entropy(model(torch.tensor([CONTEXT])), torch.tensor([TARGET])).item()
    assert numbers(figure(app, 0)["data"][1]["y"])[0] == pytest.approx(loss, abs=1e-5)
    view(app, "Update")
    assert float(metrics(app)["Loss before"]) == pytest.approx(loss, abs=1e-5)


def test_a11_a_model_is_set_against_a_uniform_guess_by_its_own_loss(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    lecture = finished.config.replace(model=model_config(init="lecture"), train=TrainConfig(max_steps=3))
    for run in (finished, run_inline(store, store.create(lecture).id)):
        app = open_page("under_the_hood", run=run.id)
        for _ in range(2):
            said = re.search(
                r"Validation loss ([\d.]+).*Giving all 27 characters the same probability costs ln 27 = 3\.2958: "
                r"this model is ([\d.]+) (above|below) it\.",
                texts(app),
                re.DOTALL,
            )
            assert said is not None
            over = float(said[1]) - math.log(27)
            assert float(said[2]) == pytest.approx(abs(over), abs=1.1e-4) and (said[3] == "above") == (over > 0)
            app.select_slider[0].set_value(0).run()


def test_a_run_without_checkpoints_shows_its_last(finished: Run, store: RunStore, open_page: Open) -> None:
    store.collect([finished.id], limit=0)
    app = view(open_page("under_the_hood", run=finished.id), "While it learned")
    assert not app.select_slider and "no other weights were kept" in texts(app)
    assert "Train it again to see them" in texts(app) and not app.get("plotly_chart")


def test_what_was_recorded_while_it_learned_is_shown(finished: Run, store: RunStore, open_page: Open) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "While it learned")
    kept = store.checkpoints(finished.id)
    for line in titled(app, "Update : weights, by step")["data"]:
        assert numbers(line["x"]).tolist() == list(range(1, 31))
        assert numbers(line["y"]) == pytest.approx([one.updates[line["name"]].ratio for one in kept[1:]])
    assert {"C", "W1", "W2"} == {line["name"] for line in titled(app, "Update : weights, by step")["data"]}
    ratios = {(name, one.step): one.updates[name].ratio for one in kept[1:] for name in ("C", "W1", "W2")}
    name, step = max(ratios, key=ratios.__getitem__)  # A10: this run's own, not a constant
    largest = f"In this run it was largest for {name} at step {step:,}: {ratios[name, step]:.1e}."
    assert largest in texts(app) and "healthy" not in texts(app)
    shares = numbers(titled(app, "Gradients of C by step")["data"][0]["z"])
    assert shares.shape == (50, 31) and shares.sum(axis=0) == pytest.approx(np.full(31, 100), abs=0.01)
    field(app, "selectbox", "Gradients of").set_value("b2").run()
    assert titled(app, "Gradients of b2 by step")


def test_a_shifted_weight_changes_loss_probabilities_and_names(
    finished: Run, store: RunStore, artifact: Artifact, open_page: Open
) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "What if")
    field(app, "selectbox", "Tensor").set_value("W2").run()
    app.number_input(key="hood_shift_W2_0").set_value(4)
    app.number_input(key="hood_shift_W2_1").set_value(26)
    app.slider(key="hood_delta").set_value(4.0).run()
    assert not app.exception
    written = [sample.word for sample in generate(artifact.model, artifact.vocab, 10, sample_seed=1)]
    artifact.model.tensors["W2"][4, 26] += 4.0
    loss = evaluate(artifact.model, names_data(finished, store).val).loss
    assert float(metrics(app)["Validation loss with it"]) == pytest.approx(loss, abs=2e-6)
    after = numbers(titled(app, "Next character, before and after")["data"][1]["y"])
    expected = artifact.model(torch.tensor([CONTEXT])).detach().softmax(1)[0].numpy()
    assert after == pytest.approx(expected, abs=1e-6)
    words = app.dataframe[0].value
    assert words["Before"].tolist() == written
    assert words["After"].tolist() == [
        sample.word for sample in generate(artifact.model, artifact.vocab, 10, sample_seed=1)
    ]


@pytest.mark.parametrize("architecture", ["bigram", "wavenet", "gru"])
def test_other_architectures_have_checkpoints_updates_and_weights_to_shift(
    finished: Run, store: RunStore, open_page: Open, architecture: str
) -> None:
    model = model_config(architecture=architecture)
    config = finished.config.replace(model=model, train=TrainConfig(max_steps=3, batch_size=8))
    run = run_inline(store, store.create(config).id)
    app = view(open_page("under_the_hood", run=run.id), "While it learned")
    assert titled(app, "Update : weights, by step")["data"]
    view(app, "What if")
    assert "Validation loss with it" in metrics(app) and "Validation loss without it" not in metrics(app)
    app.select_slider[0].set_value(0).run()
    assert not app.exception


def test_the_naive_softmax_breaks_and_says_where(finished: Run, open_page: Open) -> None:
    app = view(open_page("under_the_hood", run=finished.id), "Stable softmax")
    app.slider(key="hood_scale").set_value(4.0).run()
    table = app.dataframe[0].value
    assert "The naive way fails first at scale" in texts(app)
    assert not np.isfinite(table["naive"]).all() and np.isfinite(table["stable"]).all()
    app.slider(key="hood_scale").set_value(0.0).run()
    assert "the naive way holds" in texts(app)
    assert math.isfinite(app.dataframe[0].value["naive"].iloc[0])


def test_play_goes_on_by_itself_and_stops_at_the_end(finished: Run, open_page: Open) -> None:
    app = open_page("under_the_hood", run=finished.id)
    app.toggle(key="hood_play").set_value(True)
    app.session_state["hood_moved"] = 0.0
    app.run()
    assert app.session_state["hood_Forward"] == "rows"
    app.session_state["hood_Forward"], app.session_state["hood_moved"] = "p", 0.0
    app.run()
    assert app.session_state["hood_Forward"] == "loss"
    assert not app.toggle(key="hood_play").value


@pytest.mark.parametrize(
    "name", ["Forward", "Backward", "Gradient check", "Update", "While it learned", "What if", "Stable softmax"]
)
def test_every_field_has_help(finished: Run, open_page: Open, name: str) -> None:
    app = view(open_page("under_the_hood", run=finished.id), name)
    assert without_help(app) == []


def test_a_model_too_large_to_copy_says_so(finished: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.under_the_hood.subject.MAX_PARAMETERS", 100)
    app = open_page("under_the_hood", run=finished.id)
    assert "at most 100 parameters" in app.info[0].value and not app.exception
