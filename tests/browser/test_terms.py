"""The glossary's terms on every page: each that a page says is marked where it stands first, and explained."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mmcore import TrainConfig
from mmcore.architectures import model_config
from tests.browser.app_server import AppServer, wait_until_idle
from tests.browser.screenshots import settle
from tests.waiting import until
from ui import pages
from ui.kit.glossary import GLOSSARY, SPELLED

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect

TEXTS = """() => [...document.querySelectorAll('[data-testid=stMain] [data-testid=stMarkdownContainer] p')]
    .filter((text) => text.checkVisibility())
    .filter((text) => !text.closest('a, button, label, summary, [data-testid=stSlider], .st-key-glossary'))
    .map((text) => {
      const bare = text.cloneNode(true);
      bare.querySelectorAll('code, a, .katex').forEach((one) => one.replaceWith(' · '));
      return bare.textContent;
    })"""
MARKED = """() => [...CSS.highlights.get('terms') ?? []].filter((range) => range.startContainer.isConnected)
    .map((range) => [range.startContainer.data, Math.max(0, range.startOffset - 3), range.endOffset + 10])
    .map(([text, start, end]) => text.slice(start, end))"""
ENTRIES = """() => Object.fromEntries(
  [...document.querySelectorAll('.terms dt')].map((term) => [term.textContent, term.nextElementSibling?.textContent])
)"""
PLACE = """wanted => {
  const range = document.createRange();
  for (const { startContainer, startOffset, endContainer, endOffset } of CSS.highlights.get('terms')) {
    range.setStart(startContainer, startOffset);
    range.setEnd(endContainer, endOffset);
    if (range.toString().toLowerCase() === wanted) break;
  }
  range.startContainer.parentElement.scrollIntoView({ block: 'center' });
  const box = range.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""


def said(texts: list[str]) -> set[str]:
    """The terms in some texts, a longer one before one that it begins with."""
    text, found = "\n".join(texts), set()
    for term in sorted(GLOSSARY, key=len, reverse=True):
        text, count = re.subn(rf"(?<![^\W_])(?:{SPELLED[term]})(?![^\W_])", "·", text, flags=re.IGNORECASE)
        found |= {term} if count else set()
    return found


def test_every_term_that_a_page_says_is_marked_and_explained(page: Page, server: AppServer) -> None:
    run = server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))
    everywhere: set[str] = set()
    for one in pages.PAGES:
        page.goto(f"{server.url}/{'' if one is pages.HOME else one.name}?run={run.id}&runs={run.id}")
        settle(page)

        def explained() -> bool:
            """What is on the page, and what is said of it, at one moment: the page may still be drawn."""
            texts, marked, entries = page.evaluate(f"() => [({TEXTS})(), ({MARKED})(), ({ENTRIES})()]")
            known = said(texts)
            everywhere.update(known)
            meanings = {term: GLOSSARY.get(term) for term in entries}
            return known <= said(marked) and known <= set(entries) and entries == meanings

        until(explained, f"{one.name} marks and explains every term that it says")
    assert len(everywhere) >= 20


def test_a_term_is_explained_where_it_stands_and_by_keyboard_at_the_end(page: Page, server: AppServer) -> None:
    run = server.trained(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=100))
    page.goto(f"{server.url}/splits?run={run.id}")
    settle(page)
    wait_until_idle(page)
    card, entries = page.locator(".terms-card"), page.locator(".terms dl")
    until(lambda: "Loss" in said(page.evaluate(MARKED)), "the word loss is marked")
    page.mouse.click(*page.evaluate(PLACE, "loss"))
    expect(card).to_have_text(f"Loss: {GLOSSARY['Loss']}")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.locator(".terms summary").focus()
    page.keyboard.press("Enter")
    expect(entries).to_be_visible()
    expect(entries).to_contain_text(GLOSSARY["Loss"])
