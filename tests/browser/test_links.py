"""Links in a browser: those that are copied, and (E7) those that other people's text is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from mmcore import RunConfig, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.browser.actions import fill, nav
from tests.browser.app_server import AppServer, wait_until_idle, watched_page
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, WebSocketRoute

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

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


@pytest.fixture(scope="module")
def elsewhere(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app on another server, with a store of its own."""
    other = AppServer(tmp_path_factory.mktemp("elsewhere"))
    other.start()
    yield other
    other.stop()
    other.check_log()


def copied(page: Page, server: AppServer) -> str:
    """What *Copy link* puts onto the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    page.wait_for_function("() => document.querySelector('.copy-link')?.onclick")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link: str = page.evaluate("navigator.clipboard.readText()")
    page.context.clear_permissions()
    return link


def test_a_reload_and_a_copied_link_show_what_was_seen(page: Page, browser: Browser, server: AppServer) -> None:
    run = server.trained(model_config(hidden_sizes=(7,)), TrainConfig(max_steps=5))
    page.goto(f"{server.url}/under_the_hood?run={run.id}")
    wait_until_idle(page)
    fill(page, "Word", "ava")
    page.get_by_test_id("stButtonGroup").get_by_text("Backward", exact=True).click()
    expect(page.get_by_text("Step 1 of 11")).to_be_visible()  # the view before has such buttons, too
    for number in (2, 3):
        page.get_by_role("button", name="Next", exact=True).click()
        expect(page.get_by_text(f"Step {number} of 11")).to_be_visible()
    page.wait_for_url("**operation=db2*")

    def seen(tab: Page) -> None:
        expect(tab.get_by_label("Word", exact=True)).to_have_value("ava")
        expect(tab.get_by_role("radio", name="Backward", exact=True)).to_be_checked()
        expect(tab.get_by_text("Step 3 of 11")).to_be_visible()
        expect(tab.get_by_test_id("stMain").get_by_text("In the address")).to_have_count(0)

    link = copied(page, server)
    page.reload()
    seen(page)
    page.goto(f"{server.url}/generate?run={run.id}&temperature=hot&prefix=mar")
    note = "In the address, temperature must be a number from 0 to 5, got 'hot'. Using 1."
    expect(page.get_by_text(note)).to_be_visible()
    beneath, above = (
        place.bounding_box() for place in (page.get_by_text(note), page.get_by_role("button", name="Copy link"))
    )
    assert beneath and above and beneath["y"] >= above["y"] + above["height"], "the link does not lie on the note"
    expect(page.locator(".tree-prefix")).to_have_value("mar")
    with watched_page(browser, server.url) as visitor:
        visitor.goto(link)
        seen(visitor)


def test_back_and_forward_lead_through_what_was_seen(page: Page, server: AppServer) -> None:
    run = server.trained(model_config(hidden_sizes=(7,)), TrainConfig(max_steps=5))
    page.goto(f"{server.url}/under_the_hood?run={run.id}")
    wait_until_idle(page)
    views = page.get_by_test_id("stButtonGroup")
    for view in ("Backward", "Update"):
        views.get_by_text(view, exact=True).click()
        page.wait_for_url(f"**view={view}*")
        wait_until_idle(page)
    for go, view in (
        (page.go_back, "Backward"),
        (page.go_back, "Forward"),
        (page.go_forward, "Backward"),
        (page.go_forward, "Update"),
    ):
        go()
        expect(views.get_by_role("radio", name=view, exact=True)).to_be_checked()
        wait_until_idle(page)
        assert ("view=" in page.url) is (view != "Forward") and page.url.endswith(view) is (view != "Forward")


def test_back_leads_to_nothing_that_was_not_seen(page: Page, server: AppServer) -> None:
    """One choice is one step, and what is written on the way to a page is none that takes a choice away."""
    run = server.trained(model_config(hidden_sizes=(7,)), TrainConfig(max_steps=5))
    page.goto(f"{server.url}/under_the_hood?run={run.id}&view=Backward&operation=db2")
    views = page.get_by_test_id("stButtonGroup")
    backward = views.get_by_role("radio", name="Backward", exact=True)
    expect(page.get_by_text("Step 3 of 11")).to_be_visible()
    wait_until_idle(page)
    for view in ("Forward", "Stable softmax"):
        views.get_by_text(view, exact=True).click()
        page.wait_for_url(lambda url, view=view: ("view=" in url) is (view != "Forward"))
        wait_until_idle(page)
    page.go_back()
    expect(views.get_by_role("radio", name="Forward", exact=True)).to_be_checked()
    wait_until_idle(page)
    page.go_back()
    expect(backward).to_be_checked()
    expect(page.get_by_text("Step 3 of 11")).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_text("In the address")).to_have_count(0)
    nav(page, "Splits")
    nav(page, "Network")
    expect(backward).to_be_checked()
    page.wait_for_url("**view=Backward*")
    page.go_back()
    wait_until_idle(page)
    while "/splits" not in page.url:  # but at the page as it was on its way to what the visitor had chosen
        expect(backward).to_be_checked()
        page.go_back()
        wait_until_idle(page)
    expect(page.get_by_role("heading", name="Splits", exact=True)).to_be_visible()


def test_what_is_chosen_before_the_address_arrives_does_not_undo_it(browser: Browser, server: AppServer) -> None:
    """A part of the page that is drawn alone is asked for with the address that the browser has, maybe an older one."""
    run = server.trained(model_config(hidden_sizes=(7,)), TrainConfig(max_steps=5))
    waiting: list[Callable[[], None]] = []
    slow = False

    def line(here: WebSocketRoute) -> None:
        there = here.connect_to_server()
        there.on_message(lambda message: waiting.append(partial(here.send, message)) if slow else here.send(message))

    with watched_page(browser, server.url) as page:
        page.route_web_socket("**/stream", line)
        page.goto(f"{server.url}/under_the_hood?run={run.id}")
        wait_until_idle(page)
        slow = True
        page.get_by_test_id("stButtonGroup").get_by_text("Backward", exact=True).click()
        until(lambda: bool(page.title() and waiting), "the server answers")
        page.get_by_role("button", name="Next", exact=True).click()
        while waiting:  # in their order
            waiting.pop(0)()
        slow = False
        page.wait_for_url("**operation=dlogits*")
        expect(page.get_by_text("Step 2 of 11")).to_be_visible()
        assert "view=Backward" in page.url


def test_a_copied_link_fills_the_form_of_another_server(
    page: Page, browser: Browser, server: AppServer, elsewhere: AppServer
) -> None:
    run = server.trained(
        model_config(context_size=5, hidden_sizes=(7,)), TrainConfig(max_steps=5, learning_rate=0.0123)
    )
    page.goto(f"{server.url}/generate?run={run.id}")
    link = copied(page, server)
    assert link.startswith(f"{server.url}/generate?run={run.id}&") and len(link) < 1_500
    with watched_page(browser, elsewhere.url) as visitor:
        visitor.goto(link.replace(server.url, elsewhere.url))
        visitor.get_by_role("link", name="Train it here").click()
        expect(visitor.get_by_label("Learning rate", exact=True)).to_have_value("0.0123")
        expect(visitor.get_by_label("Context size", exact=True)).to_have_value("5")
        expect(visitor.get_by_label("Hidden units (per layer)", exact=True)).to_have_value("7")
