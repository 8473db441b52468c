"""In Chromium: a slider trains a model, the address brings it back, a point on the strip too, and it can be kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore
from mmcore.playground import MOST_SECONDS
from tests.browser.actions import POINTS, choose, click_middle
from tests.browser.app_server import AppServer, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def metric(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def slide(page: Page, label: str, key: str) -> None:
    """Move a slider by one key press, as a keyboard user does."""
    page.get_by_role("slider", name=label).press(key)


def test_a_slider_trains_and_what_it_trained_can_be_found_again(page: Page, server: AppServer, store: RunStore) -> None:
    page.goto(f"{server.url}/playground?steps=200&embedding_dim=2")
    expect(metric(page, "Steps")).to_have_text("200")
    first = metric(page, "Validation loss").inner_text()
    page.wait_for_function(f"({POINTS})() > 1")  # of the batch loss: how often others are measured is up to the clock

    slide(page, "Hidden units", "ArrowRight")
    expect(metric(page, "Validation loss")).not_to_have_text(first)
    expect(page.get_by_text("hidden size 200 → 300")).to_be_visible()
    page.wait_for_url("**hidden_size=300*")
    second = metric(page, "Validation loss").inner_text()

    page.reload()  # a new visit: the address alone must bring the same model
    expect(metric(page, "Validation loss")).to_have_text(second)

    slide(page, "Hidden units", "ArrowLeft")
    expect(metric(page, "Validation loss")).to_have_text(first)
    wait_until_idle(page)
    click_middle(page, page.locator(".st-key-play_strip .scatterlayer .point").first)  # the earlier setting
    expect(metric(page, "Validation loss")).to_have_text(second)

    page.get_by_role("button", name="Keep as run").click()
    expect(page.get_by_text("Kept as run")).to_be_visible()
    run = store.latest()
    assert run is not None
    assert f"{run.losses['val_loss']:.4f}" == second
    assert run.config.model.to_dict()["hidden_sizes"] == [300]
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Splits").click()
    expect(page.get_by_text(second, exact=True).first).to_be_visible()


def test_on_a_phone_the_losses_stay_above_the_slider_that_is_moved(page: Page, server: AppServer) -> None:
    """D2: a slider moves, and what it changes is seen to change; and plotly's buttons cover nothing."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/playground?steps=20")
    losses = page.locator(".st-key-play_losses")
    expect(losses.get_by_test_id("stMetric")).not_to_have_count(0)
    wait_until_idle(page)
    page.mouse.move(195, 600)
    page.mouse.wheel(0, 300)
    expect(page.get_by_role("heading", name="Playground")).not_to_be_in_viewport()
    expect(losses).to_be_in_viewport(ratio=1)
    before = metric(page, "Validation loss").inner_text()
    slide(page, "Learning rate", "ArrowRight")
    expect(metric(page, "Validation loss")).not_to_have_text(before)
    expect(losses).to_be_in_viewport(ratio=1)
    expect(page.locator(".st-key-play_learning_rate")).to_be_in_viewport()
    height = losses.bounding_box()
    assert height is not None and height["height"] < 100, "one line, and the sliders have the rest"
    expect(page.locator(".modebar-container").first).to_be_hidden()


def test_another_architecture_brings_its_own_sliders_and_can_be_found_again(page: Page, server: AppServer) -> None:
    page.goto(f"{server.url}/playground?steps=20")
    expect(metric(page, "Steps")).to_have_text("20")
    mlp = metric(page, "Validation loss").inner_text()
    choose(page, "Architecture", "GRU")
    expect(page.get_by_text("MLP → GRU")).to_be_visible()
    page.wait_for_url("**architecture=gru*")
    gru = metric(page, "Validation loss").inner_text()
    assert gru != mlp

    slide(page, "Hidden units", "ArrowLeft")
    expect(page.get_by_text("hidden size 64 → 50")).to_be_visible()
    page.wait_for_url("**hidden_size=50*")
    smaller = metric(page, "Validation loss").inner_text()
    page.reload()
    expect(metric(page, "Validation loss")).to_have_text(smaller)

    choose(page, "Architecture", "Bigram")
    expect(page.get_by_text("GRU → Bigram")).to_be_visible()
    expect(page.get_by_role("slider", name="Hidden units")).to_have_count(0)
    expect(page.locator(".st-key-play_map").get_by_text("Probability of each next character")).to_be_visible()
    wait_until_idle(page)
    click_middle(page, page.locator(".st-key-play_strip .scatterlayer .point").first)  # the GRU, from another family
    expect(metric(page, "Validation loss")).to_have_text(smaller)
    expect(page.get_by_role("slider", name="Hidden units")).to_be_visible()


def test_c4_a_visitor_who_left_holds_up_nobody(browser: Browser, page: Page, server: AppServer) -> None:
    page.goto(f"{server.url}/playground?steps=20")
    expect(metric(page, "Steps")).to_have_text("20")
    with watched_page(browser, server.url) as blocking:
        blocking.goto(f"{server.url}/playground?architecture=transformer&steps=1000000&layers=4")
        expect(blocking.get_by_text("Training …")).to_be_visible()
        over = time.monotonic() + MOST_SECONDS  # when its time is up, for a visitor who stays
        slide(page, "Hidden units", "ArrowLeft")
        expect(page.get_by_text("Waiting for 1 other model …")).to_be_visible()
    expect(page.get_by_text("hidden size 200 → 150")).to_be_visible()
    assert time.monotonic() < over
