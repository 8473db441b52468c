"""The page Splits: exact figures, their intervals, and a test split that stays sealed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from mmcore import Artifact, Dataset, Examples, Run, RunStore, SplitConfig, TrainConfig, build_dataset, load
from mmcore.diagnosis import Turn
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, metrics, numbers, without_help
from ui.run import in_words
from ui.splits import losses


@pytest.fixture
def dataset(finished: Run, store: RunStore) -> Dataset:
    return build_dataset(store.corpus(finished.config.corpus_sha256), finished.config.split, 3)


@pytest.fixture
def artifact(finished: Run, store: RunStore) -> Artifact:
    weights = store.weights(finished.id)
    assert weights is not None
    return load(weights)


def plain_loss(artifact: Artifact, examples: Examples) -> float:
    """The mean over all examples, one by one, with none of the project's own evaluation."""
    logits = artifact.model(torch.from_numpy(examples.contexts)).double()
    return cross_entropy(logits, torch.from_numpy(examples.targets)).item()


def test_without_a_run_it_says_what_to_do(open_page: Open) -> None:
    app = open_page("splits")
    assert "Train a first model" in texts(app)
    assert [link.proto.label for link in app.get("page_link")] == ["Go to Run"]


def test_a_run_without_weights_says_so(finished: Run, store: RunStore, open_page: Open) -> None:
    queued = store.create(finished.config)
    app = open_page("splits", run=queued.id)
    assert "This run is queued and has saved no weights." in texts(app)
    assert not app.exception


def test_each_loss_is_the_mean_over_all_its_examples(
    finished: Run, dataset: Dataset, artifact: Artifact, open_page: Open
) -> None:
    app = open_page("splits", run=finished.id)
    train, val, unseen = (plain_loss(artifact, part) for part in (dataset.train, dataset.val, dataset.val_unseen))
    shown = metrics(app)
    assert float(shown["Train loss"]) == pytest.approx(train, abs=6e-5)
    assert float(shown["Validation loss"]) == pytest.approx(val, abs=6e-5)
    assert float(shown["Validation − train"]) == pytest.approx(val - train, abs=6e-5)
    said = texts(app)
    assert f"Perplexity **{math.exp(val):.3f}**" in said
    assert f"Bits per character **{val / math.log(2):.3f}**" in said
    assert f"Examples **{len(dataset.val):,}**" in said
    share = 100 * len(dataset.val_unseen.words) / len(dataset.val.words)
    assert f"Loss on unseen words **{unseen:.4f}**  \n{share:.1f} % of its words" in said


def test_the_chart_shows_the_same_losses_with_intervals_that_hold_them(
    finished: Run, dataset: Dataset, artifact: Artifact, open_page: Open
) -> None:
    drawn = figure(open_page("splits", run=finished.id), 0)
    rows = {trace["y"][0]: trace for trace in drawn["data"]}
    assert list(rows) == ["Train", "Validation", "Validation,<br>unseen words"]
    assert rows["Validation"]["x"][0] == pytest.approx(plain_loss(artifact, dataset.val), abs=1e-6)
    low, high = numbers(rows["Validation"]["customdata"])[0]
    # The interval of a mean is about ± 1.96 standard errors; for a ratio of sums, by the delta method.
    logits = torch.log_softmax(artifact.model(torch.from_numpy(dataset.val.contexts)).double(), 1)
    each = -logits[torch.arange(len(dataset.val)), torch.from_numpy(dataset.val.targets)].detach().numpy()
    ends = np.flatnonzero(dataset.val.targets == 0)
    starts = np.append(0, ends[:-1] + 1)
    residual = np.add.reduceat(each - each.mean(), starts)
    error = residual.std() / (len(each) / len(starts)) / math.sqrt(len(starts))
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    lines = {note["text"].split("<br>")[0]: float(note["x"]) for note in drawn["layout"]["annotations"]}
    assert lines["Uniform"] == pytest.approx(math.log(27))
    assert lines["Uniform"] > lines["Unigram"] > lines["Bigram"]


def test_the_test_split_is_sealed_until_opened_and_counts(
    finished: Run, store: RunStore, dataset: Dataset, artifact: Artifact, open_page: Open
) -> None:
    expected = plain_loss(artifact, dataset.test)
    app = open_page("splits", run=finished.id)
    assert metrics(app)["Test loss"] == "Sealed"
    assert "Never opened." in texts(app)
    assert len(figure(app, 0)["data"]) == 3
    field(app, "button", "Open the test split").click().run()
    assert float(metrics(app)["Test loss"]) == pytest.approx(expected, abs=6e-5)
    assert "Opened once." in texts(app)
    assert len(figure(app, 0)["data"]) == 5
    assert store.run(finished.id).test_openings == 1
    assert metrics(app.run())["Test loss"] != "Sealed"  # stays open in this visit, and counts once
    assert store.run(finished.id).test_openings == 1

    again = open_page("splits", run=finished.id)  # a reload is a new visit
    assert metrics(again)["Test loss"] == "Sealed"
    assert "Opened once." in texts(again)
    assert f"{expected:.4f}" not in texts(again)
    field(again, "button", "Open the test split").click().run()
    assert "Opened 2 times." in texts(again)


def test_opening_one_run_leaves_another_sealed(finished: Run, store: RunStore, open_page: Open) -> None:
    other = run_inline(store, store.create(finished.config).id)
    app = open_page("splits", run=finished.id)
    field(app, "button", "Open the test split").click().run()
    app.selectbox(key="run_choice").set_value(other.id).run()
    assert metrics(app)["Test loss"] == "Sealed"
    assert app.query_params["run"] in (other.id, [other.id])


def test_a_split_without_unseen_words_has_no_row_for_them(dataset: Dataset) -> None:
    names = [title for title, _, _ in losses.split_parts(dataset, test=False)]
    assert names == ["Train", "Validation", "Validation, unseen words"]
    empty = build_dataset(["ab"] * 10, SplitConfig(), 2)
    assert [title for title, _, _ in losses.split_parts(empty, test=True)] == ["Train", "Validation", "Test"]


@pytest.mark.parametrize(
    ("train", "val", "says"),
    [
        (2.0, 2.2, "0.2000 nats per character above train: its perplexity is 22.1 % higher"),
        (2.0, 2.3, "holds for the train words only."),
        (2.19, 2.2, "within the interval of the validation loss: no gap that this split could show"),
        (2.4, 2.2, "0.2000 nats per character below train"),
    ],
)
def test_the_gap_in_words(train: float, val: float, says: str) -> None:
    assert says in losses.gap(train, val, (val - 0.02, val + 0.02))


@pytest.mark.parametrize("last_train", [1.95, 1.2])
def test_of_a_curve_that_ends_at_its_lowest_the_gap_is_told(last_train: float) -> None:
    """A14: nothing beside the doctor's finding says that nothing was found."""
    turn = Turn(best_step=9, best_val=2.0, best_train=last_train, last_step=9, last_val=2.0, last_train=last_train)
    said = in_words.curve(turn, 12_000, 500)
    assert f"{2.0 - last_train:.4f} apart." in said and "12,000 parameters for 500 train examples" in said
    assert "at the expense" not in said and "verfit" not in said


def test_a_run_that_learned_nothing_is_not_told_to_grow(finished: Run, store: RunStore, open_page: Open) -> None:
    hot = TrainConfig(optimizer="sgd", schedule="constant", learning_rate=1e3, max_steps=30)
    run = run_inline(store, store.create(finished.config.replace(train=hot)).id)
    said = texts(open_page("splits", run=run.id))
    assert "learned nothing that could carry over" in said and "underfitting" not in said


def test_every_figure_is_in_the_table_and_every_field_has_help(finished: Run, open_page: Open) -> None:
    app = open_page("splits", run=finished.id)
    table = app.dataframe[0].value.set_index("split")
    for title, name in (("Train", "train_loss"), ("Validation", "val_loss")):  # summed in another order
        assert table["loss"][title] == pytest.approx(finished.losses[name], abs=1e-9)
    assert without_help(app) == []


@pytest.mark.parametrize(
    ("places", "lines"),
    [
        ([3.3, 2.8, 2.4, 2.0], [0, 0, 0, 0]),
        ([1.0, 0.9, 0.95, 2.0], [2, 0, 1, 0]),
        ([1.0, 1.0, 1.4], [0, 1, 0]),
        ([], []),
    ],
)
def test_labels_of_reference_models_that_would_overlap_stand_above_each_other(
    places: list[float], lines: list[int]
) -> None:
    assert losses.lines_above(places, 0.3) == lines
