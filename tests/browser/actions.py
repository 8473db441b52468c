"""What a visitor does on a page, and what the downloaded weights are worth in plain torch."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmcore import BUNDLED_NAMES, RunConfig, build_dataset, read_words
from tests.browser.app_server import wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator, Page

playwright = pytest.importorskip("playwright.sync_api")
expect, NotThere = playwright.expect, playwright.TimeoutError

POINTS = "() => document.querySelector('.live-plot')?.data?.[0]?.x?.length ?? 0"


def fill(page: Page, label: str, value: object) -> None:
    """Type into a field and wait until the app has taken it."""
    field = page.get_by_label(label, exact=True)
    field.fill(str(value))
    field.press("Tab")
    expect(field).to_have_value(str(value))
    wait_until_idle(page)


def choose(page: Page, label: str, option: str | re.Pattern[str]) -> None:
    """Choose in a list, and wait until the app has taken it."""
    wait_until_idle(page)
    for _ in range(5):  # a list that is drawn anew just then closes
        page.get_by_role("combobox", name=label, exact=True).click()
        with contextlib.suppress(NotThere):
            page.get_by_role("option", name=option, exact=True).click(timeout=15_000)
            break
    else:
        raise AssertionError(f"the list {label!r} has no {option!r}")
    wait_until_idle(page)


def badge(page: Page, text: str) -> None:
    """Wait for a run's state beside its name."""
    states = page.get_by_test_id("stBadge").or_(page.locator(".stMarkdownBadge"))
    expect(states.get_by_text(text).first).to_be_visible()


def click_middle(page: Page, target: Locator) -> None:
    """Click where something is drawn: charts take the mouse on a layer above."""
    for _ in range(5):  # a chart that is drawn anew just then has it nowhere
        target.scroll_into_view_if_needed()
        if box := target.bounding_box():
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            return
    raise AssertionError(f"{target} is not drawn")


def click_letter(page: Page, symbol: str) -> None:
    """Click a letter of the map until its row is shown: a chart that is just being redrawn loses a click."""
    row = page.get_by_text(f"Row of C for {symbol}", exact=True)
    for patience in (4_000, 8_000, 16_000):
        click_middle(page, page.locator(".annotation-text").filter(has_text=re.compile(f"^{symbol}$")).first)
        with contextlib.suppress(AssertionError):
            expect(row).to_be_visible(timeout=patience)
            return
    expect(row).to_be_visible()


def nav(page: Page, title: str) -> None:
    """Go to a page through the sidebar."""
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    wait_until_idle(page)


def wait_for_more_points(page: Page) -> None:
    """The curve has points, and gets more of them."""
    page.wait_for_function(f"({POINTS})() > 1")
    before = page.evaluate(POINTS)
    page.wait_for_function(f"({POINTS})() > {before}")


def download(page: Page, key: str, folder: Path) -> Path:
    """Ask the dialog *Take home*, which is open, for a format, and save its file in `folder`."""
    with page.expect_download() as waiting:
        page.locator(f".st-key-save_{key} button").click()
    target = folder / waiting.value.suggested_filename
    waiting.value.save_as(target)
    return target


def upload(page: Page, name: str, content: bytes) -> None:
    """Choose a file and wait until the server has it: a form that is sent before lacks it."""
    payload: FilePayload = {"name": name, "mimeType": "text/plain", "buffer": content}
    with page.expect_response(lambda answer: "/upload_file/" in answer.url and answer.request.method == "PUT"):
        page.locator("input[type=file]").set_input_files(payload)
    expect(page.get_by_text(name)).to_be_visible()
    wait_until_idle(page)


def plain_val_loss(tensors: dict[str, Tensor], config: RunConfig) -> float:
    """The lecture's forward pass on the validation split, with nothing of this project in it but the examples."""
    val = build_dataset(read_words(BUNDLED_NAMES), config.split, config.model.context_size).val
    x, y = torch.from_numpy(val.contexts), torch.from_numpy(val.targets)
    emb = tensors["C"][x]
    h = torch.tanh(emb.view(emb.shape[0], -1) @ tensors["W1"] + tensors["b1"])
    return F.cross_entropy(h @ tensors["W2"] + tensors["b2"], y).item()
