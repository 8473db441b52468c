"""All lessons, done by following what the strip beside the pages says."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from mmcore import TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer, wait_until_idle
from ui import pages
from ui.lessons.lessons import LESSONS

if TYPE_CHECKING:
    from playwright.sync_api import Page

NotThere = pytest.importorskip("playwright.sync_api").TimeoutError

PLACE = """(key) => {
  const evidence = document.querySelector(`.st-key-${key}`);
  const box = evidence.getBoundingClientRect();
  const shown = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
  const beside = document.querySelector('.st-key-lesson').getBoundingClientRect().left - box.right;
  const outline = getComputedStyle(evidence).outlineStyle;
  return { share: shown / Math.min(box.height, innerHeight), outline, beside };
}"""

FREE = """() => {
  const link = document.querySelector('.copy-link');
  const { left, top, width, height } = link?.getBoundingClientRect() ?? {};
  return link?.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""


CUT_OFF = """() => [...document.querySelectorAll('[data-testid=stTable], [data-testid=stTable] *')]
    .filter((part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).overflowX !== 'visible')
    .map((part) => part.innerText).filter((text) => text.trim())"""


def in_view(page: Page, key: str) -> dict[str, Any]:
    """Where the evidence is, once scrolling has come to rest at it."""
    there = page.wait_for_function(
        f"(key) => {{ const place = ({PLACE})(key); return place.share > 0.8 && place; }}", arg=key
    )
    found: dict[str, Any] = there.json_value()
    return found


def test_every_lesson_is_done_by_what_the_strip_says(page: Page, server: AppServer) -> None:
    from playwright.sync_api import expect

    server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=300))
    page.goto(f"{server.url}/lessons")
    page.locator(f".st-key-open_{LESSONS[0].name}").get_by_role("button").click()
    strip = page.locator(".st-key-lesson")
    for number, lesson in enumerate(LESSONS):
        expect(strip.get_by_text(f"Lesson {number + 1} of {len(LESSONS)}")).to_be_visible()
        expect(page.get_by_role("heading", name=pages.BY_NAME[lesson.page].title, exact=True)).to_be_visible()
        wait_until_idle(page)
        assert page.evaluate(CUT_OFF) == [], "a table beside the strip has all its columns"
        page.wait_for_function("() => document.querySelector('.lesson-look')?.onclick")
        strip.get_by_role("button", name="Look here").click()
        found = in_view(page, lesson.evidence)
        assert found["outline"] == "solid" and found["beside"] > 0, (lesson.name, found)
        if lesson.name == "rate":
            page.get_by_role("button", name="Range test").click()
            expect(page.get_by_role("button", name=re.compile(r"Use [\d.]+"))).to_be_visible()
        if lesson.name == "guess":
            page.get_by_role("button", name="Draw the first word").click()
            last = page.get_by_text("The last word was")
            while not last.count():
                with contextlib.suppress(NotThere):  # the word may just have ended
                    page.get_by_role("button", name="Show it").click(timeout=5_000)
                wait_until_idle(page)
        strip.get_by_text(lesson.choices[lesson.right], exact=True).click()
        check = strip.get_by_role("button", name="Check")
        expect(check).to_be_enabled()
        check.click()
        expect(strip.get_by_text("Right.", exact=True)).to_be_visible()
        if number + 1 < len(LESSONS):
            strip.get_by_role("button", name="Next", exact=True).click()
    strip.get_by_role("link", name="All lessons are done").click()
    expect(page.get_by_text(f"{len(LESSONS)} of {len(LESSONS)} lessons finished")).to_be_visible()
    page.reload()
    expect(page.get_by_text(f"{len(LESSONS)} of {len(LESSONS)} lessons finished")).to_be_visible()
    page.locator(".st-key-lesson").get_by_role("button", name="Close").click()
    expect(page.locator(".st-key-lesson")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 390])
def test_the_link_to_a_page_is_not_beneath_the_strip(page: Page, server: AppServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{server.url}/data?lesson=window")
    page.locator(".st-key-lesson").wait_for()
    wait_until_idle(page)
    page.wait_for_function(FREE)
