"""What the browser tests rest on: no other host is reached unseen, and a tab forgets who used it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.app_server import VIEWPORT, AppServer, forget, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FETCH = "url => fetch(url, {mode: 'no-cors'}).then(() => 'reached', () => 'not reached')"


def test_another_host_is_not_reached_and_said(browser: Browser, server: AppServer) -> None:
    with (
        pytest.raises(AssertionError, match=r"other hosts: \['https://fonts\.example/a\.css'\]"),
        watched_page(browser, server.url) as page,
    ):
        page.goto(server.url)
        assert page.evaluate(FETCH, f"{server.url}/_stcore/health") == "reached"
        assert page.evaluate(FETCH, "https://fonts.example/a.css") == "not reached"


def test_a_script_that_fails_is_said(browser: Browser, server: AppServer) -> None:
    with (
        pytest.raises(AssertionError, match=r"script errors in the page: \['mine'\]"),
        watched_page(browser, server.url) as page,
    ):
        page.goto(server.url)
        with page.context.expect_event("weberror"):
            page.evaluate("() => { setTimeout(() => { throw new Error('mine'); }); }")


def test_a_tab_forgets_its_visitor(page: Page, server: AppServer) -> None:
    page.goto(f"{server.url}/data")
    wait_until_idle(page)
    page.evaluate("() => { localStorage.mine = sessionStorage.mine = '1'; }")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.context.new_page()
    assert page.context.cookies()
    forget(page)
    assert (page.context.cookies(), page.context.pages, page.viewport_size) == ([], [page], VIEWPORT)
    page.goto(f"{server.url}/data")
    assert page.evaluate("() => [localStorage.mine, sessionStorage.mine].join()") == ","
    assert page.evaluate("() => matchMedia('(prefers-color-scheme: light)').matches")
