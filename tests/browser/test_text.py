"""The door for text in a browser (B2): what is uploaded, pasted and typed is cleaned in one way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mmcore import RunConfig, RunStore, TrainConfig, read_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from mmcore.reading import read_corpus
from tests.browser.actions import badge, fill, nav, upload
from tests.browser.app_server import AppServer, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

TEXTS = Path(__file__).parents[1] / "core" / "texts"
CASES = [  # a file, its words, its vocabulary, and what is said of it before anything is stored
    ("bom_in_middle.txt", 12, 16, "took out U+FEFF (zero width no-break space) once, in line 7"),
    ("nfd.txt", 20, 10, "composed 20 words to Unicode NFC"),
    ("rtl30.txt", 30, 23, "Read as UTF-8: one word a line."),
]


def metric(page: Page, label: str) -> Locator:
    there = page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True))
    return there.first.get_by_test_id("stMetricValue")


def give(page: Page, server: AppServer, file: str) -> None:
    """Upload a text on Data."""
    page.goto(f"{server.url}/data")
    wait_until_idle(page)
    page.get_by_text("Add a corpus").click()
    upload(page, file, (TEXTS / file).read_bytes())


@pytest.mark.parametrize(("file", "words", "vocabulary", "said"), CASES, ids=[file for file, *_ in CASES])
def test_b2_a_file_is_read_said_trained_on_and_sampled_from(
    page: Page, server: AppServer, store: RunStore, file: str, words: int, vocabulary: int, said: str
) -> None:
    corpus, main = read_corpus(TEXTS / file), page.get_by_test_id("stMain")
    give(page, server, file)
    expect(main.get_by_text(said)).to_be_visible()
    assert corpus.sha256 not in set(store.corpora().sha256), "nothing is stored by looking"
    page.get_by_role("button", name="Add corpus").click()
    expect(page).to_have_url(re.compile(f"corpus={corpus.sha256}"))
    expect(main.get_by_text("Nothing is stored yet.")).to_have_count(0)
    expect(main.get_by_text(said)).to_have_count(1)  # that of the preview is gone
    expect(metric(page, "Words")).to_have_text(str(words))
    expect(metric(page, "Vocabulary")).to_have_text(str(vocabulary))

    nav(page, "Run")
    trained_on = f"Corpus: {file.partition('.')[0]}, {words} words"
    expect(main.get_by_text(trained_on)).to_be_visible()
    page.reload()
    expect(main.get_by_text(trained_on)).to_be_visible()
    wait_until_idle(page)
    fill(page, "Steps", 20)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")
    badge(page, "Finished")
    run = store.latest()
    assert run is not None and run.config.corpus_sha256 == corpus.sha256

    page.goto(f"{server.url}/generate?run={run.id}&scored={corpus.words[0]}")
    expect(main.get_by_text(re.compile(r"^\d+ of 20 are new"))).to_be_visible()
    expect(page.get_by_label("Word to score", exact=True)).to_have_value(corpus.words[0])
    wait_until_idle(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("header.csv", "a table with cells that end at commas, column “name” (1 of 2)"),
        ("tabs.tsv", "a table with cells that end at tabs, column 1 of 2, without a header"),
    ],
)
def test_b2_a_table_is_said_and_words_that_are_there_already_are_chosen(
    page: Page, server: AppServer, store: RunStore, file: str, said: str
) -> None:
    sha256, main = store.add_corpus(read_corpus(TEXTS / "bom_in_middle.txt")), page.get_by_test_id("stMain")
    give(page, server, file)
    expect(main.get_by_text(said)).to_be_visible()
    expect(main.get_by_text("These words are stored already, as “bom_in_middle”.")).to_be_visible()
    main.get_by_role("button", name="Choose it").click()
    expect(page).to_have_url(re.compile(f"corpus={sha256}"))
    expect(main.get_by_text("Nothing is stored yet.")).to_have_count(0)
    expect(metric(page, "Words")).to_have_text("12")
    expect(metric(page, "Vocabulary")).to_have_text("16")


def test_a_run_opened_in_a_new_tab_is_trained_again_on_its_corpus(
    page: Page, browser: Browser, server: AppServer, store: RunStore
) -> None:
    corpus = read_corpus(TEXTS / "rtl30.txt")
    made = RunConfig(corpus_sha256=store.add_corpus(corpus), train=TrainConfig(max_steps=20))
    run = run_inline(store, store.create(made, token="tests").id, token="tests")
    with watched_page(browser, server.url) as visitor:  # who has no corpus chosen
        visitor.goto(f"{server.url}/train?run={run.id}")
        expect(visitor.get_by_text(re.compile(f"^Corpus: {corpus.name}, 30 words"))).to_be_visible()
        wait_until_idle(visitor)
        visitor.get_by_role("button", name="Train", exact=True).click()
        expect(visitor).not_to_have_url(re.compile(run.id))
        badge(visitor, "Finished")
    again = store.latest()
    assert again is not None and again.id != run.id and again.config == run.config


def test_b2_a_decomposed_letter_is_the_same_wherever_it_is_typed(
    page: Page, server: AppServer, store: RunStore
) -> None:
    raw = "zoe\u0301\nrene\u0301\nlore\u0301\nmile\u0301\n".encode() * 5
    corpus = read_words(raw, name="nfd")
    config = model_config(embedding_dim=2, hidden_sizes=(8,))
    made = RunConfig(corpus_sha256=store.add_corpus(corpus), model=config, train=TrainConfig(max_steps=5))
    run = store.create(made, token="tests")
    run_inline(store, run.id, token="tests")
    page.goto(f"{server.url}/generate?run={run.id}")
    wait_until_idle(page)
    fields = {"prefix": page.locator(".tree-prefix"), "scored": page.get_by_label("Word to score", exact=True)}
    for name, field in fields.items():
        field.fill("zoe\u0301")
        field.press("Enter")
        page.wait_for_url(f"**{name}=*")  # the app has it
        wait_until_idle(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.locator(".st-key-spelled").get_by_test_id("stText")).to_have_text(".zo\u00e9")
    page.goto(f"{server.url}/data?corpus={corpus.sha256}")
    wait_until_idle(page)
    page.get_by_label("Word", exact=True).fill("ZOE\u0301")
    page.get_by_label("Word", exact=True).press("Enter")
    wait_until_idle(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
