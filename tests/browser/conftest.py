"""Fixtures of the browser tests; without Chromium or playwright they skip, or fail where REQUIRE_BROWSER=1.

Chromium, the app and a tab of each are started once for all files, and made as new between them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore
from tests.browser import app_server
from tests.browser.app_server import AppServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")  # ends before other tests: while playwright runs, asyncio.run() cannot
def browser() -> Iterator[Browser]:
    """Chromium."""
    missing = [
        name
        for name, found in {"chromium": app_server.CHROMIUM, "playwright": find_spec("playwright")}.items()
        if not found
    ]
    if missing:
        sentence = f"browser tests need {' and '.join(missing)}"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=app_server.TIMEOUT_MS)
    with sync_playwright() as playwright:
        chromium = app_server.launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def app(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app."""
    running = AppServer(tmp_path_factory.mktemp("app"))
    running.start()
    yield running
    running.stop()
    running.check_log()


@pytest.fixture(scope="module")
def server(app: AppServer) -> Iterator[AppServer]:
    """The app with an empty store for each test file; its log must hold no traceback."""
    app.empty()
    yield app
    app.check_log()


@pytest.fixture(scope="module")
def store(server: AppServer) -> Iterator[RunStore]:
    """The server's store."""
    with closing(RunStore(server.store_url)) as opened:
        yield opened


@pytest.fixture(scope="package")
def tab(browser: Browser) -> Iterator[Page]:
    """One tab for all tests: it has compiled the app's scripts, for which a new one needs seconds."""
    context = app_server.new_context(browser)
    opened = context.new_page()
    app_server.forget(opened)
    yield opened
    context.close()


@pytest.fixture
def page(tab: Page, server: AppServer) -> Iterator[Page]:
    """A fresh visitor, not yet on any page: ``page.goto(server.url)``. Who leaves no page open keeps no core busy."""
    try:
        with app_server.watched(tab.context, server.url):
            yield tab
    finally:
        app_server.forget(tab)
