"""The door for text in a browser (B2): what is uploaded, pasted and typed is cleaned in one way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mmcore import RunConfig, RunStore, TrainConfig, read_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.browser.actions import upload
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

NAMES = ["surado", "romon", "lizisun", "lugavon", "nikos", "mevin", "\ufeffmugolas", "kirin", "rigon", "kulu", "kuge"]


def add(page: Page, server: AppServer, file: str, content: str) -> None:
    """Upload a file on Data and send the form."""
    page.goto(f"{server.url}/data")
    wait_until_idle(page)
    page.get_by_text("Add a corpus").click()
    upload(page, file, content.encode())
    page.get_by_role("button", name="Add corpus").click()
    expect(page).to_have_url(re.compile("corpus=[0-9a-f]{64}"))
    wait_until_idle(page)


def test_b2_an_uploaded_bom_is_reported_and_gone(page: Page, server: AppServer) -> None:
    add(page, server, "bom.txt", "".join(name + "\n" for name in [*NAMES, "kizo"]))
    expect(page.get_by_text("took out U+FEFF (zero width no-break space) once, in line 7")).to_be_visible()
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text("Vocabulary", exact=True))
    expect(metric.get_by_test_id("stMetricValue")).to_have_text("16")


def test_b2_the_column_of_an_uploaded_table_is_said_before_anything_is_stored(page: Page, server: AppServer) -> None:
    page.goto(f"{server.url}/data")
    wait_until_idle(page)
    page.get_by_text("Add a corpus").click()
    upload(page, "t.csv", "".join(f"{name.strip()},{at}\n" for at, name in enumerate(["name", *NAMES])).encode())
    expect(page.get_by_text("a table with cells that end at commas")).to_be_visible()
    expect(page).not_to_have_url(re.compile("corpus="))
    page.get_by_role("button", name="Add corpus").click()
    expect(page).to_have_url(re.compile("corpus=[0-9a-f]{64}"))


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
    expect(page.get_by_test_id("stCode").first).to_have_text(".zo\u00e9")
    page.goto(f"{server.url}/data?corpus={corpus.sha256}")
    wait_until_idle(page)
    page.get_by_label("Word", exact=True).fill("ZOE\u0301")
    page.get_by_label("Word", exact=True).press("Enter")
    wait_until_idle(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
