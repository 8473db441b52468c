"""The probability tree on Generate: its numbers are those that mmcore draws from, and it answers in the browser."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mmcore import Run, RunConfig, RunStore, TrainConfig, Vocab, load, next_distribution, split_words
from mmcore.architectures import model_config
from mmcore.export.in_browser import NETWORK, described, source
from mmcore.gallery import gallery_corpus
from mmcore.jobs import run_inline
from mmcore.reading import Reading, read_corpus
from mmcore.sample import label, probabilities
from mmcore.symbols import WORDS
from tests.browser.app_server import AppServer, wait_until_idle
from tests.models import SMALL, shaken

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

expect = pytest.importorskip("playwright.sync_api").expect

TEXTS = Path(__file__).parents[1] / "core" / "texts"
VOCAB_SIZE = 11
MOST_ROWS = 14  # that the tree draws, at its end
DRAWN = """async ([source, described, flat, contexts, choices]) => {
  window.samplingModule ??= await import(`data:text/javascript;base64,${source}`);
  const bytes = Uint8Array.from(atob(flat), (character) => character.charCodeAt(0));
  const model = samplingModule.unpack(described, new Float32Array(bytes.buffer));
  return contexts.map((ids) => {
    const { logits } = samplingModule.forward(model, ids);
    return choices.map(([temperature, topK]) => Array.from(samplingModule.probabilities(logits, temperature, topK)));
  });
}"""
CHOICES = [(0.0, 0), (0.3, 0), (1.0, 0), (1.0, 4), (2.5, 1), (5.0, 11)]


def test_what_the_browser_draws_from_is_what_mmcore_draws_from(tab: Page) -> None:
    encoded = base64.b64encode(source(*NETWORK).encode()).decode()
    for seed, config in enumerate(SMALL.values()):
        model = shaken(config, VOCAB_SIZE, seed).copy(torch.float32)
        random, size = np.random.default_rng(seed), config.context_size
        contexts = [[0] * size, [*[0] * (size - 1), 3], random.integers(1, VOCAB_SIZE, size).tolist()]
        flat = base64.b64encode(model.flat.numpy()).decode()
        found = tab.evaluate(DRAWN, [encoded, described(model), flat, contexts, CHOICES])
        logits = model(torch.tensor(contexts)).detach()
        for place, (temperature, top_k) in enumerate(CHOICES):
            expected = probabilities(logits, temperature, top_k or None).numpy()
            assert np.allclose([rows[place] for rows in found], expected, atol=1e-5), (config, temperature, top_k)


TYPED = """async ([source, data, texts]) => {
  const { idsOf } = await import(`data:text/javascript;base64,${source}`);
  return texts.map((text) => idsOf(text, data));
}"""


@pytest.mark.parametrize(
    ("tokens", "symbols", "text", "ids", "strange"),
    [
        ("characters", ["", "a", "é"], "AE\u0301b", [1, 2], ["b"]),
        ("graphemes", ["", "👩\u200d🚀", "🇮🇳", "दी"], "🇮🇳👩\u200d🚀दीx", [2, 1, 3], ["x"]),
        ("words", ["", "<unk>", "fox", "the"], "The  fox runs", [3, 2, 1], []),
        ("words", ["", "fox", "the"], "The fox runs", [2, 1], ["runs"]),
    ],
)
def test_what_is_typed_is_cut_as_mmcore_cuts_it(
    tab: Page, tokens: str, symbols: list[str], text: str, ids: list[int], strange: list[str]
) -> None:
    encoded = base64.b64encode(source("text.js").encode()).decode()
    found = tab.evaluate(TYPED, [encoded, {"symbols": symbols, "tokens": tokens}, [text]])
    assert found == [{"ids": ids, "strange": strange}]
    vocab = Vocab(tuple(symbols), tokens)
    if not strange:
        assert vocab.encode(vocab.typed(text)) == ids


# ---- on the page


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    """A short finished run in the server's store."""
    return server.trained(model_config(embedding_dim=4, hidden_sizes=(20,)), TrainConfig(max_steps=120))


@pytest.fixture
def drawn(page: Page, server: AppServer, run: Run) -> tuple[Locator, list[Any]]:
    """The tree of the run, and what the browser has sent to the server since it stood there."""
    spoken: list[Any] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: spoken.append(frame)))
    page.goto(f"{server.url}/generate?run={run.id}")
    tree = page.get_by_role("region", name="Probability tree")
    expect(tree.locator(".tree-count")).to_contain_text("are new")
    wait_until_idle(page)
    assert spoken, "a page that opens must have spoken to the server, or this counts nothing"
    spoken.clear()
    return tree, spoken


def rows(tree: Locator) -> list[list[str]]:
    """What the table says: what was read, the next symbol, its probability and that of the path."""
    if tree.locator("details[open]").count() == 0:
        tree.get_by_text("The same numbers as a table").click()
        expect(tree.locator("tbody tr").first).to_be_visible()
    return [line.split("\t") for line in tree.locator("tbody tr").all_inner_texts()]


def check(tree: Locator, store: RunStore, run: Run, prefix: str, **how: Any) -> None:
    """Every number of the table is that of mmcore, and every path is as likely as its steps together."""
    artifact = load(store.weights(run.id) or b"")
    found = rows(tree)
    assert sum(len(before) - 1 - len(prefix) == 3 for before, *_ in found) <= MOST_ROWS
    assert {len(before) - 1 - len(prefix) for before, *_ in found} == {0, 1, 2, 3}, "four characters ahead"
    paths = {prefix: 1.0}
    for before, symbol, p, path in found:
        word, known = before[1:], next_distribution(artifact.model, artifact.vocab, before[1:], **how)
        expected = known["probability"][0 if symbol == "." else artifact.vocab.stoi[symbol]]
        paths[word + symbol] = paths[word] * expected
        assert float(p) == pytest.approx(expected, abs=1e-5)
        assert float(path) == pytest.approx(paths[word + symbol], abs=1e-5)


def test_temperature_redraws_it_without_the_server_which_follows_when_it_rests(
    drawn: tuple[Locator, list[Any]], store: RunStore, run: Run, page: Page
) -> None:
    tree, spoken = drawn
    check(tree, store, run, "")
    slider = tree.get_by_label("Temperature")
    slider.evaluate("(slider) => { slider.value = 0.5; slider.dispatchEvent(new Event('input')); }")
    expect(tree.locator(".tree-hot")).to_have_text("0.50")
    check(tree, store, run, "", temperature=0.5)
    assert spoken == []
    slider.press("ArrowRight")
    expect(page.get_by_role("spinbutton", name="Temperature")).to_have_value("0.55")
    wait_until_idle(page)
    page.get_by_role("spinbutton", name="Top-k").last.fill("2")
    page.get_by_role("spinbutton", name="Top-k").last.press("Enter")
    expect(tree.get_by_label("Top-k")).to_have_value("2")
    check(tree, store, run, "", temperature=0.55, top_k=2)


def test_a_click_and_a_key_go_deeper_and_back(
    drawn: tuple[Locator, list[Any]], store: RunStore, run: Run, page: Page
) -> None:
    tree, _ = drawn
    artifact, prefix = load(store.weights(run.id) or b""), tree.get_by_role("textbox", name="Prefix")
    likeliest = next_distribution(artifact.model, artifact.vocab).set_index("symbol")["probability"].idxmax()
    root = tree.get_by_role("treeitem").first
    expect(root).to_have_accessible_name("The empty prefix")
    tree.locator(f"[data-key='0.{artifact.vocab.stoi[likeliest]}'] .tree-hit").click()
    expect(prefix).to_have_value(likeliest)
    check(tree, store, run, likeliest)
    expect(page.get_by_role("textbox", name="Prefix").last).to_have_value(likeliest)  # what the many words begin with
    wait_until_idle(page)
    root.focus()
    root.press("ArrowRight")
    named = tree.locator("[role=treeitem]:focus").get_attribute("aria-label") or ""
    tree.locator("[role=treeitem]:focus").press("Enter")
    expect(prefix).to_have_value(named.partition(":")[0])
    expect(tree.get_by_role("treeitem").first).to_be_focused()
    tree.get_by_role("treeitem").first.press("Enter")
    expect(prefix).to_have_value(likeliest)
    tree.get_by_role("button", name="One back").click()
    expect(prefix).to_have_value("")


def test_each_word_says_where_it_occurs(drawn: tuple[Locator, list[Any]], store: RunStore, run: Run) -> None:
    tree, _ = drawn
    splits = split_words(store.corpus(run.config.corpus_sha256).words, run.config.split)
    titles = {"train": "in train", "val": "in validation", "test": "in test", "new": "new"}
    tree.get_by_role("textbox", name="Prefix").fill("an")
    words = tree.locator(".tree-words li")
    expect(words.locator("b").filter(has_text=re.compile("^an"))).to_have_count(12)
    said = [(item.locator("b").inner_text(), item.locator("span").inner_text()) for item in words.all()]
    assert said == [(word, titles[label(word, splits)]) for word, _ in said]
    fresh = sum(where == "new" for _, where in said)
    expect(tree.locator(".tree-count")).to_have_text(f"{fresh} of 12 are new: they occur in no split.")
    tree.get_by_role("button", name="Draw others").click()
    expect(words.locator("b").first).not_to_have_text(said[0][0])


ORDER = """() => [...document.querySelectorAll('.tree-node:not([data-key="0"]) text')].map((text) => {
  const at = (pattern) => text.getExtentOfChar(text.textContent.search(pattern)).x;
  const symbol = text.querySelector('.tree-symbol').textContent.replace(/[\u2068\u2069]/g, '');
  return [symbol, at(symbol), at(/\\d/)];
})"""


def test_letters_that_are_read_from_right_to_left_stand_before_their_share(
    page: Page, server: AppServer, store: RunStore
) -> None:
    model = model_config(embedding_dim=4, hidden_sizes=(20,))
    sha256 = store.add_corpus(gallery_corpus("hebrew"))
    run = store.create(RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=50)), token="tests")
    run_inline(store, run.id, token="tests")
    page.goto(f"{server.url}/generate?run={run.id}")
    expect(page.locator(".tree-node").nth(4)).to_be_visible()
    found = [(symbol, share - letter) for symbol, letter, share in page.evaluate(ORDER) if symbol > "\u0590"]
    assert len(found) > 3 and min(after for _, after in found) > 5, found
    expect(page.locator(".tree-note")).to_contain_text(re.compile("likeliest is \u2068.\u2069, \\d"))


def test_long_words_stand_beside_each_other_on_a_phone(page: Page, server: AppServer, store: RunStore) -> None:
    corpus = read_corpus(TEXTS / "story.txt", Reading(tokens=WORDS))
    config = RunConfig(corpus_sha256=store.add_corpus(corpus), train=TrainConfig(max_steps=20))
    run = run_inline(store, store.create(config, token="tests").id, token="tests")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/generate?run={run.id}")
    tree = page.get_by_role("region", name="Probability tree")
    expect(tree.locator(".tree-count")).to_contain_text("are new")
    page.wait_for_function(APART)


APART = """() => {
  const texts = [...document.querySelectorAll(".tree-drawn text")].map((text) => text.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top + 6 < b.bottom && b.top + 6 < a.bottom;
  const inside = (text) => text.right <= document.querySelector(".tree-drawn").getBoundingClientRect().right;
  return texts.length > 3 && texts.every((a, i) => inside(a) && texts.every((b, j) => i === j || !meet(a, b)));
}"""
