"""Other people's text in a browser (E7): an address in it is no link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mmcore import RunConfig, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api")

TEXT = "https://a.example/x www.b.example c@d.example [e](https://f.example)"


def test_e7_an_address_in_a_name_is_no_link(page: Page, server: AppServer, store: RunStore) -> None:
    corpus = corpus_from_words(["www.b.example", "c@d.example"] * 10, TEXT)
    config = model_config(embedding_dim=2, hidden_sizes=(4,))
    made = RunConfig(corpus_sha256=store.add_corpus(corpus), model=config, train=TrainConfig(max_steps=5))
    run = store.create(made, name=TEXT, token="tests")
    store.annotate(run.id, TEXT)
    run_inline(store, run.id, token="tests")
    for name in ("train", "runs", "generate", "splits", "data"):
        page.goto(f"{server.url}/{name}?run={run.id}")
        wait_until_idle(page)
        links = page.locator("a[href]").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        assert not [link for link in links if "example" in link], name
        if name in ("train", "runs"):  # it is there to be read
            assert "a.example/x" in page.get_by_test_id("stMain").inner_text()
