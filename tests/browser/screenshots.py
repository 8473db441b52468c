"""Pictures of every page, wide and narrow, light and dark: ``python -m tests.browser.screenshots OUTDIR [STORE_URL]``.

Ends with an error if a page scrolls sideways, talks to another host or raises. Without a store, every page is empty.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.browser.app_server import AppServer, launch, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")
HEIGHT = 1000

# How far each scrolling surface can go sideways, and how tall the page is.
MEASURE = """() => {
  const main = document.querySelector('[data-testid=stMain]');
  const sideways = [document.scrollingElement, main].map((box) => box.scrollWidth - box.clientWidth);
  return { sideways: Math.max(...sideways), height: main.scrollHeight };
}"""


def page_paths(browser: Browser, url: str) -> list[str]:
    """The pages the navigation offers."""
    with watched_page(browser, url, viewport={"width": WIDTHS[0], "height": HEIGHT}) as page:
        page.goto(url)
        links = page.get_by_test_id("stSidebarNavLink")
        links.first.wait_for()
        return [link.get_attribute("href").removeprefix(url).strip("/") for link in links.all()]


def settle(page: Page) -> None:
    """Wait for the script, the charts and the fonts."""
    wait_until_idle(page)
    page.wait_for_function(
        "[...document.querySelectorAll('.live-plot, .film-map')].every((plot) => plot.querySelector('svg'))"
    )
    page.evaluate("document.fonts.ready.then(() => null)")


def picture(page: Page, address: str, target: Path) -> str | None:
    """Save the whole page; the complaint, if there is one."""
    page.goto(address)
    settle(page)
    width = page.viewport_size["width"]
    page.set_viewport_size({"width": width, "height": max(HEIGHT, page.evaluate(MEASURE)["height"])})
    settle(page)
    page.screenshot(path=target, animations="disabled")
    if page.get_by_test_id("stException").count():
        return f"{target.name}: the page raised an error"
    sideways = page.evaluate(MEASURE)["sideways"]
    return f"{target.name}: scrolls {sideways} px sideways" if sideways > 0 else None


def main(outdir: Path, store_url: str | None) -> list[str]:
    """All pictures of all pages; the complaints."""
    outdir.mkdir(parents=True, exist_ok=True)
    complaints: list[str | None] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = AppServer(Path(folder), store_url)
        server.start()
        try:
            browser = launch(playwright)
            for path in page_paths(browser, server.url):
                for width in WIDTHS:
                    for scheme in SCHEMES:
                        options = {"viewport": {"width": width, "height": HEIGHT}, "color_scheme": scheme}
                        target = outdir / f"{path or 'home'}-{width}-{scheme}.png"
                        with watched_page(browser, server.url, **options) as page:
                            complaints.append(picture(page, f"{server.url}/{path}", target))
            browser.close()
        finally:
            server.stop()
        server.check_log()
    return [complaint for complaint in complaints if complaint]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    found = main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)
    sys.exit("\n".join(found) or 0)
