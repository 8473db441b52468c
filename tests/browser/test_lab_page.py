"""The lab page in Chromium, from a file and with the network cut: its numbers are those of mmcore, and it trains."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mmcore import build_dataset
from mmcore.architectures import model_config
from mmcore.config import SplitConfig, TrainConfig
from mmcore.dataset import Dataset
from mmcore.evaluation import evaluate
from mmcore.export import FORMATS
from mmcore.export.in_browser import NETWORK, described, source
from mmcore.export.lab_page import TRAINER
from mmcore.export.trained import Trained
from mmcore.model import Model, views
from mmcore.optimizer import update
from mmcore.schedules import learning_rate_at
from mmcore.train_state import TrainState
from tests.browser.app_server import watched_page
from tests.exported import trained
from tests.models import SMALL, shaken

AXE = pytest.importorskip("axe_playwright_python.base")
expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WORDS = ["anna", "bea", "cleo", "dora", "eve", "fay", "gina", "hedda", "ida", "june", "kim", "lea", "mia", "nora"]
HEBREW = ["שרה", "רבקה", "רחל", "לאה", "דינה", "מרים", "חנה", "אסתר", "רות", "יעל", "דבורה", "תמר"]
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MLPS = {
    "mlp": SMALL["mlp"],
    "relu": model_config(context_size=4, embedding_dim=3, hidden_sizes=(9,), activation="relu", direct=True),
    "direct": model_config(context_size=3, embedding_dim=2, hidden_sizes=(), direct=True),
    "one": model_config(context_size=1, embedding_dim=1, hidden_sizes=(1,)),
}
TRAINED = MLPS | {"bigram": SMALL["bigram"], "rnn": SMALL["rnn"]}

Open = Callable[[Trained], "Page"]


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens a run's page, from a folder that nothing else is asked for, and without a network."""
    folder = tmp_path_factory.mktemp("pages")
    with watched_page(browser, f"file://{folder}", viewport={"width": 1440, "height": 1000}) as page:
        page.context.set_offline(True)

        def open_page(run: Trained) -> Page:
            file = folder / "lab.html"
            file.write_bytes(FORMATS["lab"].write(run))
            page.goto(file.as_uri())
            page.locator("html[data-ready]").wait_for()
            return page

        yield open_page


@pytest.mark.parametrize("name", SMALL)
def test_probabilities_are_those_of_mmcore(opened: Open, name: str) -> None:
    run = trained(SMALL[name], WORDS, max_steps=3)
    page, model, random = opened(run), run.artifact.model, np.random.default_rng(1)
    size, V = model.config.context_size, run.artifact.vocab.size
    for length in (0, 1, size, size + 2):
        ids = random.integers(1, V, length).tolist()
        context = torch.tensor([([0] * size + ids)[-size:]])
        expected = model(context).detach().double().softmax(1)[0].numpy()
        found = page.evaluate("ids => Array.from(lab.likely(ids))", ids)
        assert np.abs(np.array(found) - expected).max() < 1e-5, (name, ids)


LOAD = """async ([source, described, flat, data]) => {
  window.trainModule ??= await import(`data:text/javascript;base64,${source}`);
  const bytes = Uint8Array.from(atob(flat), (character) => character.charCodeAt(0));
  window.inTraining = trainModule.unpack(described, new Float32Array(bytes.buffer));
  for (const name of ["contexts", "starts", "columns", "counts"]) data[name] = Uint32Array.from(data[name]);
  window.trainedOn = data;
}"""
GRADIENTS = """(rows) => {
  const { loss, gradients } = trainModule.gradientsOf(inTraining, trainModule.batchOf(trainedOn, rows));
  const plain = Object.fromEntries(Object.entries(gradients).map(([name, values]) => [name, Array.from(values)]));
  return { loss, gradients: plain, whole: trainModule.lossOf(inTraining, trainedOn) };
}"""
UPDATED = """([rows, rates]) => {
  const moments = {};
  for (const rate of rates) {
    const { gradients } = trainModule.gradientsOf(inTraining, trainModule.batchOf(trainedOn, rows));
    trainModule.update(inTraining, gradients, rate, moments);
  }
  return Object.fromEntries(Object.entries(inTraining.tensors).map(([name, { values }]) => [name, Array.from(values)]));
}"""


def loaded(tab: Page, model: Model, data: Dataset) -> None:
    """Put a model and the train split of some data into the tab, for train.js to work on."""
    counts = data.train.counts
    following = counts.following
    carried = {
        "contexts": counts.contexts.ravel().tolist(),
        "starts": following.starts.tolist(),
        "columns": following.columns.tolist(),
        "counts": following.values.tolist(),
        "length": data.context_size,
        "vocabSize": data.vocab.size,
    }
    text = source(*dict.fromkeys([*NETWORK, *TRAINER])) + "\nglobalThis.onmessage = null;"
    encoded = [base64.b64encode(part).decode() for part in (text.encode(), model.flat.numpy().tobytes())]
    tab.evaluate(LOAD, [encoded[0], described(model), encoded[1], carried])


def example(name: str, seed: int) -> tuple[Model, Dataset, list[int], torch.Tensor, torch.Tensor]:
    """A model, its data, and a batch of it: which distinct contexts, as ids, and what follows each."""
    config = TRAINED[name]
    data = build_dataset([*WORDS, *WORDS[:5]], SplitConfig(), config.context_size)
    counts, V = data.train.counts, data.vocab.size
    rows = [0, 5, 7, 7, len(counts.contexts) - 1]
    following = np.zeros((len(counts.contexts), V))
    starts, columns, values = counts.following.starts, counts.following.columns, counts.following.values
    for row, (start, end) in enumerate(itertools.pairwise(starts)):
        following[row, columns[start:end]] = values[start:end]
    targets = torch.tensor(following[rows] / following[rows].sum(1, keepdims=True))
    model = shaken(config, V, seed).copy(torch.float32)
    return model, data, rows, torch.tensor(counts.contexts[rows]), targets


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_and_losses_are_those_of_autograd(tab: Page, name: str) -> None:
    model, data, rows, contexts, targets = example(name, seed=3)
    loaded(tab, model, data)
    found = tab.evaluate(GRADIENTS, rows)
    loss, expected = by_autograd(model, contexts, targets)
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert found["whole"] == pytest.approx(evaluate(model, data.train).loss, abs=1e-5)
    for tensor, gradient in expected.items():
        assert np.abs(np.array(found["gradients"][tensor]) - gradient.ravel()).max() < 1e-5, tensor


def test_updates_are_those_of_mmcore(tab: Page) -> None:
    model, data, rows, contexts, targets = example("relu", seed=4)
    loaded(tab, model, data)
    rates = [0.02, 0.01, 0.03]
    found = tab.evaluate(UPDATED, [rows, rates])
    state = TrainState(model.config, TrainConfig(weight_decay=0.0), data.vocab.size)
    state.model.flat.copy_(model.flat)
    for rate in rates:
        _, gradients = by_autograd(state.model, contexts, targets)
        flat = torch.zeros_like(state.model.flat)
        for tensor, view in views(flat, model.config.shapes(data.vocab.size)).items():
            view.copy_(torch.tensor(gradients[tensor]))
        update(state, flat, rate)
        state.step += 1
    for tensor, values in state.model.tensors.items():
        assert np.abs(np.array(found[tensor]) - values.numpy().ravel()).max() < 1e-5, tensor


def test_the_rate_follows_the_one_cycle_schedule_of_mmcore(tab: Page) -> None:
    model, data, *_ = example("one", seed=1)
    loaded(tab, model, data)
    config = TrainConfig(learning_rate=0.3, max_steps=37, schedule="one-cycle")
    found = tab.evaluate("() => Array.from({ length: 37 }, (_, step) => trainModule.rateAt(0.3, step, 37))")
    assert found == pytest.approx([learning_rate_at(config, step) for step in range(37)])


@pytest.mark.parametrize("name", TRAINED)
def test_a_fresh_model_has_the_tensors_of_mmcore(tab: Page, name: str) -> None:
    model, data, *_ = example(name, seed=1)
    loaded(tab, model, data)
    asked = [model.config.to_dict(), data.vocab.size]
    shapes = tab.evaluate("([config, size]) => trainModule.shapesOf(config, size)", asked)
    expected = {tensor: math.prod(shape) for tensor, shape in model.config.shapes(data.vocab.size).items()}
    assert {tensor: rows * columns for tensor, (rows, columns, _) in shapes.items()} == expected


def test_shorter_contexts_are_those_of_a_dataset_with_shorter_contexts(tab: Page) -> None:
    _, data, *_ = example("relu", seed=1)  # of context 4
    short = build_dataset([*WORDS, *WORDS[:5]], SplitConfig(), 2)
    model = shaken(model_config(context_size=2, embedding_dim=3, hidden_sizes=(6,)), data.vocab.size, 5)
    single = model.copy(torch.float32)
    loaded(tab, single, data)
    loss = tab.evaluate("() => trainModule.lossOf(inTraining, trainModule.shortened(trainedOn, 2))")
    assert loss == pytest.approx(evaluate(single, short.train).loss, abs=1e-5)


def by_autograd(
    model: Model, contexts: torch.Tensor, targets: torch.Tensor
) -> tuple[float, dict[str, np.ndarray[Any, Any]]]:
    """The mean loss of some contexts against distributions, and its derivative by every tensor, in double precision."""
    double = model.copy(torch.float64)
    loss = -(targets * double(contexts).log_softmax(1)).sum(1).mean()
    gradients = torch.autograd.grad(loss, list(double.parameters()))
    names = [name for name, _ in double.named_parameters()]
    return loss.item(), {name: value.numpy() for name, value in zip(names, gradients, strict=True)}


def test_it_writes_steps_scores_plays_and_trains(opened: Open) -> None:
    run = trained(TRAINED["mlp"], WORDS)
    page = opened(run)
    expect(page.get_by_role("heading", level=1)).to_have_text("Makemore Lab: a run")
    page.get_by_label("Prefix").fill("an")
    expect(page.locator("#words li").first).to_contain_text("an")
    page.locator("#bars button").first.click()
    expect(page.locator("#so-far")).not_to_have_text("an")
    page.get_by_label("Temperature").fill("0")
    expect(page.locator("#bars .share")).to_have_text(["100.0 %"])
    page.get_by_label("Word", exact=True).fill("anna")
    ids = [0, 0, 0, *run.artifact.vocab.encode("anna"), 0]
    contexts = torch.tensor([ids[at : at + 3] for at in range(5)])
    log_p = run.artifact.model(contexts).detach().double().log_softmax(1)
    total = -log_p[range(5), ids[3:]].sum().item()
    expect(page.locator("#score-said")).to_have_text(f"{total / 5:.4f} nats per symbol, {total:.4f} in all.")
    page.get_by_label("Steps").fill("0")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Train again")).to_be_visible()
    expect(page.locator("#train-said")).to_contain_text("Step 100 of 100")
    page.get_by_label("Model").select_option("Trained here")
    page.get_by_label("Temperature").fill("1")
    expect(page.locator("#bars button")).not_to_have_count(1)


def test_training_lowers_the_loss_of_three_architectures(opened: Open) -> None:
    for name in ("mlp", "bigram", "rnn"):
        page = opened(trained(TRAINED[name], WORDS * 20, max_steps=1))
        losses = page.evaluate(
            """async () => {
              const { config, batch } = lab.settings.train;
              const losses = [];
              await lab.trainHere({ config, steps: 100, rate: 0.05, batch, seed: 1 }, ({ loss }) => losses.push(loss));
              return losses;
            }"""
        )
        assert losses[0] == pytest.approx(np.log(15), abs=0.4) and losses[-1] < losses[0] - 1, name


@pytest.mark.parametrize("words", [WORDS, HEBREW], ids=["latin", "hebrew"])
def test_axe_finds_nothing_and_a_phone_needs_no_scrolling_sideways(opened: Open, words: list[str]) -> None:
    page = opened(trained(TRAINED["mlp"], words))
    page.evaluate(AXE.AXE_SCRIPT)
    for width, scheme in ((1440, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        options = {"runOnly": STANDARD, "resultTypes": ["violations"]}
        found = page.evaluate("options => axe.run(options).then((result) => result.violations)", options)
        assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "words",
    [["</script>", "a&b", "<!--", "x<y"] * 3, ["🙂🙃", "🙃🙂🙂", "🙂", "👍🙂"] * 3, HEBREW],
    ids=["markup", "emoji", "hebrew"],
)
def test_odd_words_are_shown_as_they_are(opened: Open, words: list[str]) -> None:
    page = opened(trained(TRAINED["one"], words))
    page.get_by_label("Word", exact=True).fill(words[0])
    expect(page.locator("#score tr")).to_have_count(len(words[0]) + 2)
    expect(page.locator("#score-said")).not_to_contain_text("Not in the vocabulary")
