"""What a screen reader and a fingertip need of every page: headings in order, headed columns, targets of 24 px."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from mmcore import Run, TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer
from tests.browser.screenshots import settle

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

# axe's rules heading-order, empty-table-header and target-size, for what the project can decide.
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


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    return server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))


@pytest.mark.parametrize("path", PAGES)
def test_d6_headings_tables_and_targets(page: Page, server: AppServer, run: Run, path: str) -> None:
    """No level of heading is left out, no column is without a name, no icon is smaller than a fingertip finds."""
    page.goto(f"{server.url}/{path}?run={run.id}&runs={run.id}")
    settle(page)
    found: dict[str, Any] = page.evaluate(FOUND)
    levels = found["levels"]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    assert (found["unnamed"], found["small"]) == (0, 0)
