"""What a screen reader, a keyboard and a fingertip need of every page: WCAG 2.2 AA and best practice, as axe has it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from mmcore import Run, TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer
from tests.browser.screenshots import settle
from ui import pages

AXE = pytest.importorskip("axe_playwright_python.base")
expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = (
    "",
    "lessons",
    "data",
    "train",
    "playground",
    "sweep",
    "splits",
    "embeddings",
    "generate",
    "under_the_hood",
    "neurons",
    "runs",
    "compare",
)

# Beside axe, which sees no target that is hidden until the mouse comes, and no heading level of another page.
FOUND = """() => {
  const size = (box) => Math.min(box.width, box.height);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const small = all('.stTooltipHoverTarget > button, .modebar-btn').map((e) => size(e.getBoundingClientRect()));
  return {
    levels: all('h1, h2, h3, h4, h5, h6').map((heading) => Number(heading.tagName[1])),
    unnamed: all('th').filter((cell) => !cell.textContent.trim()).length,
    small: small.filter((side) => side > 0 && side < 23.5).length,
  };
}"""


STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    return server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))


def violations(page: Page) -> list[str]:
    """What axe finds: the rule, the element, and what is wrong."""
    page.evaluate(AXE.AXE_SCRIPT)
    options = {"runOnly": STANDARD, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options).then((result) => result.violations)", options)
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("path", PAGES)
def test_d6_nothing_is_in_the_way_on_any_page_in_either_theme(
    page: Page, server: AppServer, run: Run, path: str
) -> None:
    """Axe finds nothing; no level of heading is left out, no column is without a name, no icon is too small."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server.url}/{path}?run={run.id}&runs={run.id}")
        settle(page)
        found: dict[str, Any] = page.evaluate(FOUND)
        levels = found["levels"]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), levels
        assert (found["unnamed"], found["small"]) == (0, 0)
        assert violations(page) == [], scheme


def test_d6_help_takes_no_stop_of_its_own_and_opens_with_its_field(page: Page, server: AppServer) -> None:
    """A Tab from field to field, each with its help; Escape closes it."""
    page.goto(f"{server.url}/train")
    settle(page)
    page.get_by_role("spinbutton", name="Embedding dimension").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox", name="Hidden units")).to_be_focused()
    expect(page.get_by_role("tooltip")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_role("spinbutton", name="Steps")).to_be_focused()


def test_a_screen_reader_hears_the_rooms_of_the_navigation(page: Page, server: AppServer) -> None:
    page.goto(server.url)
    room = page.get_by_test_id("stSidebarNav").get_by_role("group", name="Look inside")
    expect(room.get_by_role("link")).to_have_count(len(pages.GROUPS["Look inside"]))


def test_escape_closes_a_dialog_also_after_a_download(page: Page, server: AppServer, run: Run) -> None:
    page.goto(f"{server.url}/train?run={run.id}")
    page.get_by_role("button", name="Take home").click()
    with page.expect_download():
        page.locator(".st-key-save_curve button").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
