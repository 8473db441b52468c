"""The picture of the network: its numbers are those of mmcore, and everything on it answers in the browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mmcore import Run, RunStore, TrainConfig, Vocab, load, restore, show_symbol
from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.export.in_browser import NETWORK, described, source
from mmcore.model import Model
from mmcore.trace import forward_trace, without_unit
from tests.browser.app_server import AppServer, wait_until_idle
from tests.models import SMALL, shaken

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    Drawn = tuple[Locator, list[Any]]

expect = pytest.importorskip("playwright.sync_api").expect

VOCAB_SIZE = 11
MODELS: dict[str, ModelConfig] = SMALL | {
    "mlp-relu": model_config(context_size=5, embedding_dim=3, hidden_sizes=(9,), activation="relu"),
    "mlp-lecture": model_config(context_size=2, embedding_dim=2, hidden_sizes=(30,), init="lecture"),
    "mlp-direct": model_config(context_size=4, embedding_dim=3, hidden_sizes=(), direct=True),
    "wavenet-relu": model_config(
        architecture="wavenet", context_size=8, embedding_dim=3, hidden_size=5, normalisation="layer", activation="gelu"
    ),
    "transformer-one": model_config(architecture="transformer", context_size=9, embedding_dim=12, layers=1, heads=3),
}
LOAD = """async ([source, described, flat]) => {
  window.forwardModule ??= await import(`data:text/javascript;base64,${source}`);
  const bytes = Uint8Array.from(atob(flat), (character) => character.charCodeAt(0));
  window.model = forwardModule.unpack(described, new Float32Array(bytes.buffer));
}"""
COMPUTE = """([ids, off]) => {
  const plain = (value) => value?.map ? Array.from(value, plain) : value;
  const units = Object.fromEntries(Object.entries(off).map(([name, units]) => [name, new Set(units)]));
  return Object.fromEntries(
    Object.entries(forwardModule.forward(model, ids, units)).map(([name, value]) => [name, plain(value)]));
}"""

Compute = Callable[..., dict[str, Any]]


def loaded(tab: Page, model: Model) -> Compute:
    """``forward`` of a model in the browser, on a blank page: ``compute(ids, h1=[3])``."""
    encoded = [base64.b64encode(part).decode() for part in (source(*NETWORK).encode(), model.flat.numpy())]
    tab.evaluate(LOAD, [encoded[0], described(model), encoded[1]])
    return lambda ids, **off: tab.evaluate(COMPUTE, [ids, off])


def single(config: ModelConfig, seed: int) -> Model:
    return shaken(config, VOCAB_SIZE, seed).copy(torch.float32)


def words(config: ModelConfig, seed: int, count: int = 4) -> list[list[int]]:
    """Contexts of words of random lengths, and one with no boundary at all."""
    random, size = np.random.default_rng(seed), config.context_size
    drawn = [random.integers(1, VOCAB_SIZE, size) for _ in range(count)]
    return [[0] * (size - length) + row.tolist()[:length] for row, length in zip(drawn, [size, 0, 1, 2], strict=True)]


@pytest.mark.parametrize("name", MODELS)
def test_every_number_of_the_picture_is_that_of_trace(tab: Page, name: str) -> None:
    model = single(MODELS[name], seed=len(name))
    compute = loaded(tab, model)
    for ids in words(MODELS[name], seed=7):
        made = compute(ids)
        for step in forward_trace(model, ids[-model.config.context_size :], 0).steps[:-1]:
            assert np.allclose(made[step.name], step.value, rtol=1e-5, atol=1e-5), (step.name, ids)


def test_a_unit_switched_off_says_nothing(tab: Page) -> None:
    model = single(SMALL["mlp"], seed=3)
    compute = loaded(tab, model)
    without = without_unit(without_unit(model, 1, 5), 2, 0)
    for ids in words(model.config, seed=1):
        found = compute(ids, h1=[5], h2=[0])
        assert np.allclose(found["logits"], forward_trace(without, ids, 0)["logits"], rtol=1e-5, atol=1e-5)
        assert not np.allclose(found["logits"], compute(ids)["logits"], atol=1e-3)


OFF = {  # what is switched off, and the rows of weights that only it is read by
    "rnn": ("h", 3, {"W_hh": [3], "W_lm_head": [3]}),
    "gru": ("h", 3, {"W_hh": [3], "W_lm_head": [3]}),
    "lstm": ("h", 3, {"W_hh": [3], "W_lm_head": [3]}),
    "wavenet": ("h1", 2, {"W2": [2, 16 + 2]}),
    "transformer": ("up1", 7, {"W_mlp_proj1": [7]}),
    "transformer-head": ("attention2", 1, {"W_attn_proj2": list(range(8, 16))}),
}


@pytest.mark.parametrize("name", OFF)
def test_a_unit_switched_off_is_one_that_nothing_reads(tab: Page, name: str) -> None:
    result, unit, unread = OFF[name]
    model = single(SMALL[name.partition("-")[0]], seed=4)
    compute, without = loaded(tab, model), model.copy()
    for tensor, rows in unread.items():
        without.tensors[tensor][rows] = 0
    for ids in words(model.config, seed=2):
        expected = forward_trace(without, ids, 0)["logits"]
        assert np.allclose(compute(ids, **{result: [unit]})["logits"], expected, rtol=1e-5, atol=1e-5)
        assert not np.allclose(compute(ids)["logits"], expected, atol=1e-4)


# ---- on the page


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    """A short finished run in the server's store."""
    return server.trained(model_config(embedding_dim=4, hidden_sizes=(20,)), TrainConfig(max_steps=120))


@pytest.fixture
def drawn(page: Page, server: AppServer, run: Run) -> Drawn:
    """The picture of the run, alone, and what the browser has sent to the server since it stood there."""
    spoken: list[Any] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: spoken.append(frame)))
    page.goto(f"{server.url}/under_the_hood?run={run.id}")
    expect(page.locator(".picture-names li")).to_have_count(8)
    wait_until_idle(page)
    assert spoken, "a page that opens must have spoken to the server, or this counts nothing"
    page.on("request", lambda request: spoken.append(request.url))
    spoken.clear()
    return page.get_by_role("region", name="Picture of the network"), spoken


def likeliest(model: Model, vocab: Vocab, prefix: str) -> str:
    """What the picture says after a prefix: its likeliest next character."""
    length = model.config.context_size
    ids = ([0] * length + vocab.encode(prefix))[-length:]
    p = forward_trace(model, ids, 0)["p"]
    seen = " ".join(show_symbol(vocab.symbols[i]) for i in ids)
    return f"The network after {seen}: likeliest is {show_symbol(vocab.symbols[p.argmax()])}, {100 * p.max():.1f} %"


def test_a_typed_prefix_goes_through_the_network_in_the_browser(drawn: Drawn, store: RunStore, run: Run) -> None:
    picture, spoken = drawn
    artifact = load(store.weights(run.id) or b"")
    canvas, prefix = picture.get_by_role("application"), picture.get_by_label("Prefix")
    expect(canvas).to_have_attribute("aria-label", likeliest(artifact.model, artifact.vocab, "em"))
    prefix.fill("Anna")
    expect(canvas).to_have_attribute("aria-label", likeliest(artifact.model, artifact.vocab, "anna"))
    expect(picture.get_by_role("status")).to_have_text("The network sees the last 3 characters only.")
    prefix.fill("aé")
    expect(picture.get_by_role("status")).to_have_text("Not in the vocabulary: é.")
    expect(canvas).to_have_attribute("aria-label", likeliest(artifact.model, artifact.vocab, "a"))
    assert spoken == []


def drag(slider: Locator, place: int) -> None:
    """Move a slider, and hold it."""
    slider.evaluate("(slider, place) => { slider.value = place; slider.dispatchEvent(new Event('input')); }", place)


def test_dragging_through_the_checkpoints_shows_their_weights(drawn: Drawn, store: RunStore, run: Run) -> None:
    picture, spoken = drawn
    artifact, kept = load(store.weights(run.id) or b""), store.checkpoints(run.id)
    slider, names = picture.get_by_role("slider", name="Checkpoint"), picture.locator(".picture-names")
    last = names.inner_text()
    slider.focus()
    drag(slider, 0)
    expect(picture.locator(".picture-step")).to_have_text("Step 0")
    first = likeliest(restore(artifact.model, kept[0]), artifact.vocab, "em")
    expect(picture.get_by_role("application")).to_have_attribute("aria-label", first)
    expect(names).not_to_have_text(last)
    drag(slider, len(kept) - 1)
    expect(names).to_have_text(last, use_inner_text=True)
    drag(slider, len(kept) - 2)
    expect(slider).to_have_attribute("aria-valuetext", f"Step {kept[-2].step:,}")
    assert [url for url in spoken if "app/checkpoints" not in str(url)] == []
    assert len(spoken) == 1


def test_the_slider_of_the_picture_and_that_of_the_bar_are_one(drawn: Drawn, run: Run, page: Page) -> None:
    picture, _ = drawn
    mine, bar = picture.get_by_role("slider", name="Checkpoint"), page.locator(".st-key-step_choice")
    mine.press("Home")
    expect(bar).to_contain_text("Step 0")
    expect(page).to_have_url(re.compile("step=0"))
    wait_until_idle(page)  # a server that answers later sets the bar once more
    bar.get_by_role("slider").press("ArrowRight")
    expect(mine).to_have_attribute("aria-valuetext", "Step 1")
    mine.press("End")
    expect(bar).to_contain_text(f"Step {run.step:,}")
    expect(page).not_to_have_url(re.compile("step="))


def test_the_keyboard_reaches_every_number_and_switches_units_off(drawn: Drawn, store: RunStore, run: Run) -> None:
    picture, spoken = drawn
    artifact = load(store.weights(run.id) or b"")
    canvas, panel = picture.get_by_role("application"), picture.locator(".picture-panel")
    picture.get_by_label("Prefix").press("Tab")
    picture.get_by_role("button", name="Write a word").press("Tab")
    picture.get_by_role("button", name="Watch it learn").press("Tab")
    picture.get_by_role("slider", name="Checkpoint").press("Tab")
    expect(canvas).to_be_focused()
    expect(panel).to_contain_text("Next character: .")
    canvas.press("ArrowUp")
    expect(panel).to_contain_text("of the hidden layer")
    expect(panel).to_contain_text("contexts of the training split")
    unit = int(panel.inner_text().split()[1])
    canvas.press("Enter")
    expect(panel).to_contain_text("Switched off")
    expect(canvas).to_have_attribute(
        "aria-label", likeliest(without_unit(artifact.model, 1, unit), artifact.vocab, "em")
    )
    canvas.press("p")
    expect(panel.get_by_role("button", name="Unpin")).to_be_visible()
    canvas.press("ArrowUp")
    expect(panel).to_contain_text(f"Unit {unit} of the hidden layer")
    canvas.press("Escape")
    expect(panel).to_contain_text("Number")
    picture.get_by_role("button", name="Switch all on").click()
    expect(canvas).to_have_attribute("aria-label", likeliest(artifact.model, artifact.vocab, "em"))
    assert [url for url in spoken if "app/checkpoints" not in str(url)] == []  # which the slider's focus asks for


def test_the_table_holds_the_same_numbers(drawn: Drawn, store: RunStore, run: Run) -> None:
    picture, _ = drawn
    artifact = load(store.weights(run.id) or b"")
    trace = forward_trace(artifact.model, [0, *artifact.vocab.encode("em")], 0)
    picture.get_by_text("The same numbers as a table").click()
    rows = picture.locator(".picture-scroll tr")
    expect(rows).to_have_count(1 + artifact.vocab.size)
    table = [row.split("\t") for row in rows.all_inner_texts()]
    assert table[0] == ["Character", "Probability", "Logit"]
    assert [float(row[1]) for row in table[1:]] == pytest.approx(trace["p"].tolist(), abs=6e-5)
    picture.get_by_label("Part").select_option("Hidden layer: 20 units")
    expect(rows).to_have_count(1 + 20)
    shown = [float(row.split("\t")[1]) for row in rows.all_inner_texts()[1:]]
    assert shown == pytest.approx(trace["h1"].tolist(), abs=6e-5)


def test_a_name_is_written_character_by_character(drawn: Drawn) -> None:
    picture, spoken = drawn
    prefix = picture.get_by_label("Prefix")
    prefix.fill("")
    picture.evaluate("() => { Math.random = () => 0.999; }")  # never the boundary, which would end the word
    picture.get_by_role("button", name="Write a word").click()
    expect(prefix).not_to_have_value("")
    picture.get_by_role("button", name="Stop").click()
    written = prefix.input_value()
    canvas = picture.get_by_role("application")
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):  # the boundary's bar, then that of a
        canvas.press(key)
    expect(prefix).to_have_value(f"{written}a")
    assert spoken == []
