"""The server before anyone visits it, and one whose store cannot be used."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mmcore import BUNDLED_NAMES, RunConfig, RunState, RunStore, TrainConfig, read_words
from mmcore.jobs import WORKERS
from tests.browser.app_server import IDLE, AppServer, wait_until_idle, watched_page
from tests.waiting import until
from ui.kit.live import PLOTLY_URL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def test_e3_what_is_queued_is_trained_without_a_visit(server: AppServer, store: RunStore) -> None:
    config = RunConfig(corpus_sha256=store.add_corpus(read_words(BUNDLED_NAMES)), train=TrainConfig(max_steps=20))
    server.stop()
    waiting = store.create(config)
    server.start()
    until(lambda: store.run(waiting.id).state is RunState.FINISHED, "the run that waited has finished")


def test_the_server_says_that_it_can_work(server: AppServer) -> None:
    found: dict[str, Any] = {}

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{server.url}/health") as answer:
                assert answer.status == 200 and answer.headers.get_content_type() == "application/json"
                found.update(json.load(answer))
        except urllib.error.HTTPError:  # while it makes its pages ready, a look at the store may take too long
            return False
        return True

    until(answers, "the server can work")
    assert found["store"] == found["queue"] == "ok" and found["workers"] == WORKERS


def test_a_page_is_not_idle_while_the_server_has_not_answered(page: Page, server: AppServer) -> None:
    page.goto(f"{server.url}/data")
    wait_until_idle(page)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        page.get_by_test_id("stSidebarNavLink").filter(has_text="Lessons").click()
        with pytest.raises(playwright.TimeoutError):
            page.wait_for_function(IDLE, arg="while it is silent", timeout=1_500)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    wait_until_idle(page)
    assert page.get_by_role("heading", name="Lessons", exact=True).is_visible()


def test_the_server_gives_plotly_js_out_of_the_installed_package(server: AppServer) -> None:
    with urllib.request.urlopen(f"{server.url}/{PLOTLY_URL}") as answer:
        assert answer.headers.get_content_type() == "text/javascript"
        assert answer.read() == (files("plotly") / "package_data" / "plotly.min.js").read_bytes()


def test_e5_a_store_that_cannot_be_read_is_said_in_a_sentence(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("no database")
    server = AppServer(tmp_path)
    server.start()
    try:
        with watched_page(browser, server.url) as page:
            page.goto(f"{server.url}/runs")
            expect(page.get_by_text("Nothing that was stored is changed")).to_be_visible()
            assert "store must be" in page.get_by_test_id("stAlert").inner_text()
    finally:
        server.stop()
    server.check_log()
    assert (tmp_path / "store.sqlite").read_text() == "no database"
