"""From page to page: the run and the checkpoint that are chosen once, and what the navigation looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mmcore import Run, TrainConfig
from mmcore.architectures import model_config
from tests.browser.actions import nav
from tests.browser.app_server import AppServer, wait_until_idle
from ui import pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

BAR = 60  # px, about


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    return server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))


def test_a_checkpoint_is_chosen_once_for_all_pages_that_look_inside(page: Page, server: AppServer, run: Run) -> None:
    page.goto(f"{server.url}/{pages.SPLITS.name}?run={run.id}&step=0")
    wait_until_idle(page)
    said = page.get_by_text("Validation loss 3.").first.inner_text()
    for chosen in (*pages.GROUPS["Look inside"], pages.GENERATE):
        nav(page, chosen.title)
        expect(page).to_have_url(f"{server.url}/{chosen.name}?run={run.id}&step=0")
        expect(page.get_by_text(said, exact=True)).to_be_visible()
        box = page.locator(".st-key-chosen").bounding_box()
        assert box is not None and box["height"] <= BAR and box["y"] < 300, "a number of the run, without scrolling"
    page.get_by_role("slider", name="Checkpoint (step)").press("End")
    expect(page).to_have_url(f"{server.url}/{pages.GENERATE.name}?run={run.id}")
    nav(page, pages.SPLITS.title)
    expect(page.get_by_role("slider", name="Checkpoint (step)")).to_have_attribute("aria-valuetext", "Step 100")


def test_on_a_phone_the_bar_fits(page: Page, server: AppServer, run: Run) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/{pages.SPLITS.name}?run={run.id}")
    wait_until_idle(page)
    bar = page.locator(".st-key-chosen").bounding_box()
    assert bar is not None and bar["height"] < 180 and bar["x"] >= 0 and bar["x"] + bar["width"] <= 390


def test_a_room_of_one_page_has_no_heading_of_its_own(page: Page, server: AppServer) -> None:
    page.goto(server.url)
    headings = page.get_by_test_id("stNavSectionHeader")
    page.get_by_test_id("stSidebarNavLink").first.wait_for()
    shown = [heading.inner_text().strip() for heading in headings.all() if heading.is_visible()]
    assert [said.split("\n")[0] for said in shown] == [name for name, group in pages.GROUPS.items() if len(group) > 1]
    assert page.get_by_test_id("stSidebarNavLink").count() == len(pages.PAGES), "and old addresses are not offered"
