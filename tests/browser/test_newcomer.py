"""Someone who has never been here: from an empty store to a lesson done; and the app's tasks by keyboard alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore, TrainConfig
from mmcore.architectures import model_config
from tests.browser.actions import badge
from tests.browser.app_server import VIEWPORT, AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, ViewportSize

expect = pytest.importorskip("playwright.sync_api").expect

PHONE: ViewportSize = {"width": 390, "height": 844}
FARTHEST = 120  # presses of Tab to whatever is on a page


def heading(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
    wait_until_idle(page)


@pytest.mark.parametrize("size", [VIEWPORT, PHONE], ids=lambda size: f"{size['width']}px")
def test_a_newcomer_trains_looks_inside_and_does_a_lesson(page: Page, server: AppServer, size: ViewportSize) -> None:
    server.empty()
    page.set_viewport_size(size)
    page.goto(server.url)
    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name="Train a model").click()
    expect(page.locator(".picture-ready")).to_be_visible()
    badge(page, "Finished")
    main.get_by_role("link", name=re.compile("^Network")).click()
    heading(page, "Network")
    expect(page.locator(".picture-ready")).to_be_visible()
    expect(main.get_by_text(re.compile(r"^Validation loss \d\.\d{4}$"))).to_be_visible()
    page.goto(server.url)  # as its icon in the browser's bar does
    main.get_by_role("link", name=re.compile("^Lessons")).click()
    heading(page, "Lessons")
    main.locator(".st-key-open_window").get_by_role("button").click()
    heading(page, "Data")
    strip = page.locator(".st-key-lesson")
    if size is PHONE:  # what the page shows has the screen while the question is folded
        strip.get_by_role("button", name="Fold", exact=True).click()
        expect(strip.get_by_role("button", name="Check")).to_be_hidden()
        page.wait_for_function("document.querySelector('.st-key-lesson').offsetHeight < 60")
        strip.get_by_role("button", name="Unfold").click()
    strip.get_by_text("5", exact=True).click()
    strip.get_by_role("button", name="Check").click()
    expect(strip.get_by_text("Right.", exact=True)).to_be_visible()
    strip.get_by_role("button", name="Next", exact=True).click()
    heading(page, "Embeddings")
    expect(strip.get_by_text("Lesson 2 of 12")).to_be_visible()


# ---- by keyboard


def reach(page: Page, wanted: Locator, key: str = "Tab") -> Locator:
    """Press Tab until something has the focus; it must be visible where it is."""
    expect(wanted).to_be_visible()
    for _ in range(FARTHEST):
        page.keyboard.press(key)
        if wanted.evaluate("one => one === document.activeElement || one.contains(document.activeElement)"):
            return wanted
    raise AssertionError(f"{FARTHEST} presses of {key} do not reach {wanted}")


def press(page: Page, role: str, name: str | re.Pattern[str], keys: str = "Enter") -> None:
    """Reach something by its role and name, and press keys there, one after the other."""
    wanted = page.get_by_test_id("stMain").get_by_role(role, name=name, exact=isinstance(name, str)).first  # type: ignore[arg-type]
    reach(page, wanted)
    for one in keys.split():
        page.keyboard.press(one)
    wait_until_idle(page)


def visit(page: Page, title: str) -> None:
    """Go to a page by its link in the sidebar, which a keyboard reaches from the top of the page."""
    page.evaluate("document.activeElement?.blur()")
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True)
    reach(page, link)
    page.keyboard.press("Enter")
    heading(page, title)


def test_a_model_is_trained_stopped_and_taken_home_by_keyboard(page: Page, server: AppServer, store: RunStore) -> None:
    server.empty()
    page.goto(f"{server.url}/train")
    heading(page, "Run")
    press(page, "spinbutton", "Steps", "Control+a 9 0 0 0 0 0 0 Enter")
    press(page, "button", "Train")
    badge(page, "Running")
    press(page, "button", "Stop")
    badge(page, "Stopped")
    press(page, "button", "Take home")
    with page.expect_download() as saved:
        reach(page, page.get_by_role("dialog").locator(".st-key-save_curve").get_by_role("button"))
        page.keyboard.press("Enter")
    assert saved.value.suggested_filename.endswith("curve.csv")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    run = store.latest()
    assert run is not None and run.max_steps == 9_000_000


def test_every_page_does_its_task_by_keyboard(page: Page, server: AppServer) -> None:
    run = server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))
    page.goto(f"{server.url}/?run={run.id}")
    heading(page, "Makemore Lab")

    visit(page, "Data")
    press(page, "textbox", "Word", "Control+a a v a Enter")
    expect(page.get_by_role("region", name="4 examples")).to_be_visible()

    visit(page, "Generate")
    reach(page, page.locator(".tree-prefix"))
    page.keyboard.type("k")
    reach(page, page.locator(".tree-drawn"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".tree-prefix")).to_have_value(re.compile("^k."))
    press(page, "textbox", "Word to score", "Control+a a v a Enter")

    visit(page, "Network")
    reach(page, page.get_by_role("application"))
    page.keyboard.press("ArrowUp")
    expect(page.locator(".picture-panel")).to_contain_text("of the hidden layer")
    press(page, "radio", "Forward", "ArrowRight Space")
    expect(page.get_by_role("radio", name="Backward", exact=True)).to_be_checked()
    press(page, "button", "Next")

    visit(page, "Embeddings")
    reach(page, page.get_by_role("slider", name="Step").first)
    page.keyboard.press("Home")

    visit(page, "Playground")
    press(page, "slider", re.compile("Hidden units"), "ArrowRight")
    expect(page.get_by_text("hidden size 200 → 300")).to_be_visible()

    visit(page, "Compare")
    press(page, "combobox", re.compile("Runs"), "ArrowDown Enter Escape")

    visit(page, "Lessons")
    press(page, "button", "Begin")
    heading(page, "Data")
    strip = page.locator(".st-key-lesson")
    reach(page, strip.get_by_role("radio").first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    wait_until_idle(page)
    check = strip.get_by_role("button", name="Check")
    expect(check).to_be_enabled()
    reach(page, check)
    page.keyboard.press("Enter")
    expect(strip.get_by_text(re.compile("^(Right|No)\\.$"))).to_be_visible()


def test_runs_are_selected_compared_and_deleted_by_keyboard(page: Page, server: AppServer) -> None:
    server.empty()
    for size in (2, 3):
        server.trained(model_config(hidden_sizes=(size,)), TrainConfig(max_steps=5))
    page.goto(f"{server.url}/runs")
    heading(page, "Runs")
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text("in the table, arrow keys and Shift + Space")).to_be_visible()
    reach(page, page.get_by_test_id("data-grid-canvas").first)
    page.keyboard.press("Shift+Space")
    expect(main.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    expect(main.get_by_text("2 selected")).to_be_visible()
    wait_until_idle(page)
    press(page, "button", "Compare")
    heading(page, "Compare")
    expect(main.get_by_text("2 runs")).to_be_visible()
    visit(page, "Runs")
    press(page, "button", "Delete")
    expect(main.get_by_text("No run", exact=False).first).to_be_visible()
    press(page, "button", "Undo")
    expect(main.get_by_text("2 selected")).to_be_visible()


def test_a_sweep_and_an_experiment_are_started_by_keyboard(page: Page, server: AppServer, store: RunStore) -> None:
    server.empty()
    server.trained(model_config(hidden_sizes=(2,)), TrainConfig(max_steps=5))
    page.goto(f"{server.url}/sweep")
    heading(page, "Sweep")
    for title in ("Context size (characters)", "Embedding dimension (numbers)", "Seeds"):
        press(page, "textbox", title, "Control+a 2 Enter")
    expect(page.get_by_text("1 setting × 1 seed = 1 run")).to_be_visible()
    press(page, "button", "Start the sweep")
    page.wait_for_url("**/sweep?sweep=*")
    expect(page.get_by_text("1 of 1 runs done")).to_be_visible()

    visit(page, "Lessons")
    press(page, "radio", "Initialisation", "ArrowRight Space")
    press(page, "button", re.compile(r"^Train the \d+ runs$"))
    press(page, "button", "Stop")
    expect(page.get_by_role("button", name="Go on", exact=True)).to_be_visible()
    started = store.sweeps()
    assert len(started) == 2 and "Context" in [one.name for one in started]
