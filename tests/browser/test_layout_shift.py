"""How far what is already on a page jumps while it loads: cumulative layout shift, as browsers measure it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mmcore import Run, TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer, watched_page
from tests.browser.screenshots import settle
from ui import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

MOST = 0.05  # half of what counts as good on the web
SIZES: tuple[ViewportSize, ...] = ({"width": 1440, "height": 1000}, {"width": 390, "height": 844})

# Every shift that no input of the visitor's caused, with what moved; kept from before the page's first script on.
WATCH = """() => {
  window.shifts = [];
  const box = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ');
  const named = ({ node, previousRect, currentRect }) => {
    const element = node instanceof Element ? node : node?.parentElement;
    const name = element?.dataset?.testid || element?.className || element?.tagName;
    return `${name}: ${box(previousRect)} to ${box(currentRect)}`;
  };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if (!entry.hadRecentInput) window.shifts.push([entry.value, entry.sources.map(named).join(', ')]);
  }).observe({ type: 'layout-shift', buffered: true });
}"""


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    return server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size['width']}px")
def test_d3_nothing_on_a_page_jumps_while_it_loads(
    browser: Browser, server: AppServer, run: Run, size: ViewportSize
) -> None:
    found = {}
    with watched_page(browser, server.url, viewport=size) as page:
        page.add_init_script(f"({WATCH})()")
        for name in pages.BY_NAME:
            page.goto(f"{server.url}/{'' if name == pages.HOME.name else name}?run={run.id}&runs={run.id}")
            settle(page)
            shifts = page.evaluate("window.shifts")
            found[name] = sum(value for value, _ in shifts), shifts
    assert {name: what for name, what in found.items() if what[0] > MOST} == {}
