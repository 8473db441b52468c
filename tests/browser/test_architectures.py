"""In Chromium, for every architecture: choose it, train, look at its embeddings, sample, take the weights home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import load_file

from mmcore import ARCHITECTURES, PRESETS
from mmcore.presets import preset_for
from tests.browser.actions import badge, choose, download, fill, nav
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

FIELDS = {"hidden_sizes": "Hidden units (per layer)", "hidden_size": "Hidden units", "heads": "Heads"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_from_training_to_the_weights(page: Page, server: AppServer, tmp_path: Path, architecture: str) -> None:
    family = ARCHITECTURES[architecture]
    page.goto(f"{server.url}/train")
    wait_until_idle(page)
    choose(page, "Architecture", family.title)
    steps = PRESETS[preset_for(architecture)].train.max_steps
    expect(page.get_by_label("Steps", exact=True)).to_have_value(str(steps))  # what is typed before is overwritten
    wait_until_idle(page)
    for name, label in FIELDS.items():
        expect(page.get_by_label(label, exact=True)).to_have_count(int(name in family.__dataclass_fields__))
    smaller = {"layers": 1} if "layers" in family.__dataclass_fields__ else {}  # a machine may be busy
    for name, value in smaller.items():
        fill(page, name.capitalize(), value)
    fill(page, "Steps", 20)
    before = page.url  # with the run of the family before, which has finished
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(lambda url: "run=" in url and url != before)
    wait_until_idle(page)
    badge(page, "Finished")
    shapes = PRESETS[preset_for(architecture)].model.replace(**smaller).shapes(27)

    nav(page, "Embeddings")
    if "C" in shapes:
        expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()
    else:
        expect(page.get_by_text("has no embedding table")).to_be_visible()
    nav(page, "Generate")
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    expect(page.get_by_text("One character at a time")).to_be_visible()

    nav(page, "Run")
    page.get_by_role("button", name="Take home").click()
    weights = load_file(download(page, "weights", tmp_path))
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == shapes
