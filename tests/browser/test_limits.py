"""In Chromium: whose a run is, and a corpus that is deleted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore, corpus_from_words
from tests.browser.actions import fill
from tests.browser.app_server import AppServer, watched_page
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def owner_of_a_new_run(page: Page, server: AppServer, store: RunStore) -> str | None:
    """Whose the run is that a click on Train makes."""
    before = len(store.runs())
    page.goto(f"{server.url}/train")
    expect(page.get_by_text("waiting runs")).to_be_visible()
    fill(page, "Steps", 5_000_000)  # so that it does not end before it is stopped
    page.get_by_role("button", name="Train", exact=True).click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_visible()

    def stopped() -> bool:
        """Pressed again where the button was just being drawn anew, which loses a click."""
        with contextlib.suppress(playwright.TimeoutError):
            if stop.is_visible():
                stop.click(timeout=2_000)
        return store.runs()[0].ended is not None

    until(stopped, "it has stopped: the next page offers to stop no other")
    runs = store.runs()
    assert len(runs) == before + 1
    return runs[0].owner


def test_c6_a_browser_stays_one_visitor_after_a_reload_and_another_is_another(
    browser: Browser, page: Page, server: AppServer, store: RunStore
) -> None:
    first, second = (owner_of_a_new_run(page, server, store) for _ in range(2))
    assert first is not None and first == second
    with watched_page(browser, server.url) as other:
        assert owner_of_a_new_run(other, server, store) not in (None, first)


def test_c6_a_corpus_without_runs_is_deleted_after_asking(page: Page, server: AppServer, store: RunStore) -> None:
    sha256 = store.add_corpus(corpus_from_words(["anna", "bob", "eve"] * 10, "mine"))
    page.goto(f"{server.url}/data?corpus={sha256}")
    page.get_by_role("button", name="Delete this corpus").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("32,257").first).to_be_visible()
    assert sha256 not in set(store.corpora().sha256)
