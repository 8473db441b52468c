"""The map through time: it moves in the browser, and the server hears where it comes to rest."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from mmcore import Run, TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer, wait_until_idle
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

LETTERS = "() => document.querySelector('.film-map').data.flatMap((trace) => [...trace.x])"
MARKER = "() => document.querySelector('.film-curve').data[3].x[0]"


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    """A short finished run in the server's store."""
    return server.trained(model_config(embedding_dim=4, hidden_sizes=(20,)), TrainConfig(max_steps=120))


def open_film(page: Page, server: AppServer, run: Run) -> list[Any]:
    """Open it by its old address, and record from then on what the browser sends to the server."""
    from playwright.sync_api import expect

    spoken: list[Any] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: spoken.append(frame)))
    page.goto(f"{server.url}/film?run={run.id}")
    expect(page.locator(".film-step")).to_have_text("120")
    wait_until_idle(page)
    expect(page).to_have_url(f"{server.url}/embeddings?run={run.id}")
    assert spoken, "a page that opens must have spoken to the server, or this counts nothing"
    page.on("request", lambda request: spoken.append(request.url))
    spoken.clear()
    return spoken


def test_play_the_film(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    spoken = open_film(page, server, run)
    letters, marker = page.evaluate(LETTERS), page.evaluate(MARKER)
    assert marker == 120
    names = page.locator(".film-names").inner_text()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.wait_for_function(f"({MARKER})() >= 3 && ({MARKER})() < 100")  # it began again, and goes on
    early, middle = page.evaluate(LETTERS), page.evaluate(MARKER)
    page.wait_for_function(f"({MARKER})() > {middle}")
    assert page.evaluate(LETTERS) != early != letters
    assert page.locator(".film-names").inner_text() != names
    assert spoken == []
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    stopped = page.evaluate(MARKER)
    expect(page).to_have_url(f"{server.url}/embeddings?run={run.id}&step={stopped}")
    bar = page.get_by_role("slider", name="Checkpoint (step)")
    expect(bar).to_have_attribute("aria-valuetext", f"Step {stopped}")
    wait_until_idle(page)

    slider = page.get_by_role("slider", name="Checkpoint", exact=True)
    before, words = slider.input_value(), page.locator(".film-names").inner_text()
    slider.press("End")
    expect(page.locator(".film-step")).to_have_text("120")
    assert slider.input_value() != before and page.evaluate(MARKER) == 120 != stopped
    assert page.evaluate(LETTERS) == letters and page.locator(".film-names").inner_text() == names != words
    slider.press("ArrowLeft")
    expect(page.locator(".film-step")).not_to_have_text("120")
    assert re.match(r"Step \d+: train loss [\d.]+, validation loss", slider.get_attribute("aria-valuetext") or "")
    slider.press("Home")
    expect(page.locator(".film-step")).to_have_text("0")
    expect(bar).to_have_attribute("aria-valuetext", "Step 0")
    bar.press("End")  # and the other way round
    expect(page.locator(".film-step")).to_have_text("120")
    expect(page).to_have_url(f"{server.url}/embeddings?run={run.id}")


def test_an_answer_that_comes_late_does_not_move_the_film_back(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    spoken = open_film(page, server, run)
    slider = page.get_by_role("slider", name="Checkpoint", exact=True)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        for said, key in enumerate(("ArrowLeft", "End"), 1):  # to another frame and back, before the first is answered
            slider.press(key)
            until(lambda said=said: page.evaluate("() => true") and len(spoken) >= said, "the film says where it rests")
        expect(page.locator(".film-step")).to_have_text("120")
        page.evaluate(
            """() => {
              window.steps = new Set();
              const step = document.querySelector('.film-step'), note = () => window.steps.add(step.textContent);
              new MutationObserver(note).observe(step, { childList: true, characterData: true, subtree: true });
            }"""
        )
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    wait_until_idle(page)
    expect(page).to_have_url(f"{server.url}/embeddings?run={run.id}")
    assert set(page.evaluate("() => [...window.steps]")) <= {"120"}
    expect(page.get_by_role("slider", name="Checkpoint (step)")).to_have_attribute("aria-valuetext", "Step 120")


def test_without_motion_frames_follow_each_other_without_gliding(page: Page, server: AppServer, run: Run) -> None:
    page.emulate_media(reduced_motion="reduce")
    open_film(page, server, run)
    page.get_by_role("slider", name="Checkpoint", exact=True).press("Home")
    frames = page.evaluate(
        """async () => {
          const plot = document.querySelector('.film-map'), seen = new Set();
          document.querySelector('.film-play').click();
          while (+document.querySelector('.film-slider').value < 6) {
            await new Promise(requestAnimationFrame);
            seen.add(JSON.stringify([...plot.data[0].x]));
          }
          document.querySelector('.film-play').click();
          return seen.size;
        }"""
    )
    assert 2 <= frames <= 7  # gliding would show dozens of places between them
