"""Stepping through one example, forward and backward, in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mmcore import Run, TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    """A finished run of the size that the quick preset has."""
    return server.trained(model_config(), TrainConfig(max_steps=100))


def press_next(page: Page, number: int, steps: int, title: str) -> None:
    """Press Next and wait for the step it leads to."""
    from playwright.sync_api import expect

    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text(f"Step {number} of {steps}")).to_be_visible()
    expect(page.locator(".gtitle").filter(has_text=re.compile(f"^{re.escape(title)}")).first).to_be_visible()


def test_step_through_a_forward_and_a_backward_pass(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/under_the_hood?run={run.id}")
    expect(page.get_by_text("Step 1 of 8")).to_be_visible()
    forward = ["rows: ", "x: ", "z1: ", "h1: ", "logits: ", "p: ", "Loss: "]
    for number, title in enumerate(forward, start=2):
        press_next(page, number, 8, title)
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    expect(page.get_by_text(re.compile("^Loss = −ln"))).to_be_visible()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_text("Step 7 of 8")).to_be_visible()

    page.get_by_test_id("stButtonGroup").get_by_text("Backward", exact=True).click()
    expect(page.get_by_text("Step 1 of 11")).to_be_visible()
    backward = ["dlogits", "db2", "dW2", "dh1", "dz1", "db1", "dW1", "dx", "drows", "dC"]
    for number, name in enumerate(backward, start=2):
        press_next(page, number, 11, f"{name}: ")
    expect(page.get_by_role("button", name="Next")).to_be_disabled()


def test_play_walks_by_itself(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/under_the_hood?run={run.id}")
    expect(page.get_by_text("Step 1 of 8")).to_be_visible()
    page.get_by_text("Play", exact=True).click()
    expect(page.get_by_text("Step 8 of 8")).to_be_visible()
    expect(page.get_by_role("switch", name="Play").or_(page.get_by_role("checkbox", name="Play"))).not_to_be_checked()


def test_the_heads_of_a_transformer_are_shown_beside_each_other(page: Page, server: AppServer) -> None:
    from playwright.sync_api import expect

    model = model_config(architecture="transformer", embedding_dim=8, layers=1, heads=2)
    ended = server.trained(model, TrainConfig(max_steps=2, batch_size=8))
    page.goto(f"{server.url}/under_the_hood?run={ended.id}")
    expect(page.get_by_text("Step 1 of 12")).to_be_visible()
    for number, title in ((2, "rows: "), (3, "s0: "), (4, "Head 1 attends most to ")):
        press_next(page, number, 12, title)
    heads = [page.locator(".gtitle").filter(has_text=re.compile(f"^Head {n} attends most to .+ %$")) for n in (1, 2)]
    for head in heads:
        expect(head).to_be_visible()
    boxes = [head.bounding_box() for head in heads]
    assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] and boxes[0]["width"] <= 248, "no title is cut off"
    page.get_by_test_id("stButtonGroup").get_by_text("ln1_bias1", exact=True).click()
    expect(page.locator(".gtitle").filter(has_text="ln1_bias1, 8, as this run has learned it")).to_be_visible()
