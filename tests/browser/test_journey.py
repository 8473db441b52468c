"""One run through the whole app: the validation loss is the same to the digit at every stop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import load_file

from mmcore import RunStore
from tests.browser.actions import badge, download, fill, nav, plain_val_loss
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def test_one_run_from_the_form_to_plain_torch(page: Page, server: AppServer, store: RunStore, tmp_path: Path) -> None:
    page.goto(f"{server.url}/train")
    wait_until_idle(page)
    fill(page, "Context size", 4)
    fill(page, "Steps", 2_000)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")
    badge(page, "Finished")
    run = store.latest()
    assert run is not None
    loss = f"{run.losses['val_loss']:.4f}"
    expect(page.get_by_text(loss).first).to_be_visible()
    page.get_by_role("button", name="Take home").click()
    download(page, "weights", tmp_path).rename(tmp_path / "model.safetensors")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    nav(page, "Splits")
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text("Validation loss", exact=True)).first
    expect(metric.get_by_test_id("stMetricValue")).to_have_text(loss)

    nav(page, "Embeddings")
    expect(page.get_by_text(f"Validation loss {loss}")).to_be_visible()
    point = page.locator(".annotation-text").filter(has_text=re.compile("^q$"))
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text(re.compile("^Row of C for "))).to_be_visible()

    nav(page, "Generate")
    expect(page.get_by_text(f"Validation loss {loss}")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ % new|new", re.IGNORECASE)).first).to_be_visible()

    tensors = load_file(tmp_path / "model.safetensors")
    assert sorted(tensors) == ["C", "W1", "W2", "b1", "b2"]
    assert f"{plain_val_loss(tensors, run.config):.4f}" == loss
    assert store.run(run.id).losses["val_loss"] == run.losses["val_loss"]
