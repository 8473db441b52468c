"""Fixtures of the browser tests; without Chromium or playwright they skip, or fail where REQUIRE_BROWSER=1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.browser import app_server
from tests.browser.app_server import AppServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")  # ends before other tests: while playwright runs, asyncio.run() cannot
def browser() -> Iterator[Browser]:
    """Chromium, started once for all browser tests."""
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


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app with an empty store, one for each test file; its log must hold no traceback."""
    running = AppServer(tmp_path_factory.mktemp("app"))
    running.start()
    yield running
    running.stop()
    running.check_log()


@pytest.fixture
def page(browser: Browser, server: AppServer) -> Iterator[Page]:
    """A fresh visitor, not yet on any page: ``page.goto(server.url)``."""
    with app_server.watched_page(browser, server.url, viewport={"width": 1440, "height": 1000}) as fresh:
        yield fresh
