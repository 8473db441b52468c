"""Clicks that only a browser can make: a point of the map, a bar, the seal, the colour scheme."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from mmcore import Artifact, Run, RunStore, TrainConfig, embedding, load
from mmcore.architectures import model_config
from tests.browser.actions import click_letter, click_middle, upload
from tests.browser.app_server import AppServer, wait_until_idle
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def run(server: AppServer) -> Run:
    """A short finished run in the server's store."""
    return server.trained(model_config(embedding_dim=2, hidden_sizes=(20,)), TrainConfig(max_steps=100))


@pytest.fixture(scope="module")
def weights(store: RunStore, run: Run) -> Artifact:
    stored = store.weights(run.id)
    assert stored is not None
    return load(stored)


def test_clicking_a_character_shows_its_row_and_neighbours(
    page: Page, server: AppServer, run: Run, weights: Artifact
) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/embeddings?run={run.id}")
    expect(page.get_by_text("Row of C for a", exact=True)).to_be_visible()
    table = weights.model.tensors["C"].numpy()
    alone = [weights.vocab.symbols[i] for i in most_alone(table)]
    wait_until_idle(page)
    click_letter(page, alone[0])
    nearest = int(embedding.neighbours(table, weights.vocab.stoi[alone[0]])["id"][0])
    cell = page.get_by_test_id("stDataFrame").locator("td[aria-colindex='1']").first
    expect(cell).to_have_text(weights.vocab.symbols[nearest])
    wait_until_idle(page)
    click_letter(page, alone[1])


def most_alone(table: Any) -> list[int]:
    """Ids of letters with the most room around them, so that a click means one of them."""
    room = {i: embedding.neighbours(table, i, "euclidean")["closeness"][0] for i in range(1, len(table))}
    return sorted((i for i in room if i != 1), key=lambda i: -room[i])


def test_a_second_run_appears_beside_the_first(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/embeddings?run={run.id}")
    page.get_by_role("button", name="Train the same with seed 2").click()
    page.locator(".gtitle").filter(has_text="The second run's, turned onto them").wait_for()
    expect(page.get_by_text("They differ in seed (1 → 2).")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^[\d.]+ % of the 5 nearest neighbours"))).to_be_visible()
    expect(page).to_have_url(re.compile(run.id))


def test_clicking_bars_spells_a_word(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/generate?run={run.id}")
    word = page.locator(".st-key-spelled").get_by_test_id("stText")
    expect(word).to_have_text(".")
    spelled = "."
    for length in range(2):
        wait_until_idle(page)
        chart = page.locator(f".st-key-next_{run.id}__{length}_0")
        spelled += str(chart.locator(".xtick text").first.text_content())
        click_middle(page, chart.locator(".barlayer .point").first)
        expect(word).to_have_text(spelled)
    page.get_by_role("button", name="Draw one").click()
    expect(word).to_have_text(re.compile(rf"^{re.escape(spelled)}.$"))
    page.get_by_role("button", name="Start over").click()
    expect(word).to_have_text(".")


def test_sampled_words_download_as_they_are_listed(page: Page, server: AppServer, run: Run, tmp_path: Any) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/generate?run={run.id}")
    with page.expect_download() as started:
        page.get_by_role("button", name="Words (.txt)").click()
    path = tmp_path / "words.txt"
    started.value.save_as(path)
    words = path.read_text(encoding="utf-8").splitlines()
    assert len(words) == 20
    expect(page.get_by_test_id("stDataFrame").locator("td[aria-colindex='1']").first).to_have_text(words[0])


def test_a_phone_gets_past_the_settings_with_one_tap(page: Page, server: AppServer, run: Run) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/train?run={run.id}")
    link, heading = page.get_by_role("link", name="To the run, below the settings"), page.locator("#this-run")
    expect(heading).to_be_in_viewport()
    expect(link).to_have_count(0)  # for all who can see the run anyway
    page.set_viewport_size({"width": 390, "height": 844})
    wait_until_idle(page)
    expect(heading).not_to_be_in_viewport()
    link.click()
    expect(heading).to_be_in_viewport()
    expect(page.locator(".st-key-verdict")).to_be_in_viewport()  # what it came to, before how it got there


def test_the_test_split_opens_by_its_button_and_a_reload_seals_the_view(
    page: Page, server: AppServer, run: Run
) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/splits?run={run.id}")
    opener = page.get_by_role("button", name="Open the test split")
    expect(page.get_by_text("Never opened.")).to_be_visible()
    opener.click()
    expect(page.get_by_text("Opened once.")).to_be_visible()
    expect(opener).to_have_count(0)
    row = page.locator(".js-plotly-plot").get_by_text(re.compile("^Test$"))
    expect(row.first).to_be_visible()
    page.reload()
    expect(opener).to_be_visible()
    expect(page.get_by_text("Opened once.")).to_be_visible()
    expect(row).to_have_count(0)


def test_a_file_uploaded_in_the_browser_becomes_the_corpus(page: Page, server: AppServer) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/data")
    page.get_by_text("Add a corpus").click()
    upload(page, "not text.txt", b"\xff\xfe\x00")
    expect(page.get_by_text("must be UTF-16 text throughout")).to_be_visible()
    rivers = ["rhône", "loire", "seine", "meuse", "isère", "oise", "aube", "tarn", "lot", "cher"]
    upload(page, "rivers.txt", "\n".join(rivers).encode())
    page.get_by_role("button", name="Add corpus").click()
    expect(page).to_have_url(re.compile("corpus=[0-9a-f]{64}"))
    expect(page.get_by_text("Nothing is stored yet.")).to_have_count(0)  # of the preview, which says the same
    expect(page.get_by_text("Of 10 lines, kept 10 words")).to_be_visible()


def test_charts_follow_the_colour_scheme(page: Page, server: AppServer, run: Run) -> None:
    def ink() -> str:
        title = page.locator(".gtitle").first
        title.wait_for()
        return str(title.evaluate("node => getComputedStyle(node).fill"))

    page.emulate_media(color_scheme="light")
    page.goto(f"{server.url}/splits?run={run.id}")
    light = ink()
    page.emulate_media(color_scheme="dark")
    page.reload()
    until(lambda: ink() != light, "the charts are drawn for the dark scheme")
