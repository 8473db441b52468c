"""The wheel: built, installed outside the clone, started from an empty folder, and a model trained in it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mmcore import RunState, RunStore
from tests.browser.app_server import ROOT, AppServer, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
INTER_LOADED = "() => [...document.fonts].some(font => font.family.includes('Inter') && font.status === 'loaded')"


class InstalledApp(AppServer):
    """``makemore-lab`` of an environment that holds the wheel, in an empty folder, for a user who has no data yet."""

    def __init__(self, folder: Path) -> None:
        self.store_path = folder / "data" / "makemore-lab" / "makemore.sqlite"
        super().__init__(folder, str(self.store_path))
        self.python = folder / "environment" / "bin" / "python"
        self.cwd = folder / "empty"
        self.cwd.mkdir()
        self.environment = {"MMCORE_STORE": "", "PYTHONPATH": "", "XDG_DATA_HOME": str(folder / "data")}

    def command(self) -> list[str]:
        return [str(self.python.with_name("makemore-lab")), "--port", str(self.port), "--no-browser"]

    def install(self) -> None:
        """Build the wheel and install it; what it needs is this environment's, so that nothing is fetched."""
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(self.folder)]
        subprocess.run(build, cwd=ROOT, check=True)
        (wheel,) = self.folder.glob("*.whl")
        venv.create(self.python.parents[1])
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--no-deps", "--no-index"]
        subprocess.run([*pip, str(wheel)], check=True)
        (packages,) = self.python.parents[1].glob("lib/*/site-packages")
        (packages / "needs.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")


@pytest.fixture
def installed(browser: Browser, tmp_path: Path) -> Iterator[InstalledApp]:
    app = InstalledApp(tmp_path)
    app.install()
    app.start()
    yield app
    app.stop()
    app.check_log()


@pytest.mark.timeout(300)
def test_the_installed_app_opens_and_trains(browser: Browser, installed: InstalledApp) -> None:
    with watched_page(browser, installed.url) as page:
        page.goto(installed.url)
        page.get_by_role("button", name="Train a model").click()
        state = page.get_by_test_id("stBadge").or_(page.locator(".stMarkdownBadge"))
        expect(state.get_by_text("Finished").first).to_be_visible()
        expect(page.locator(".live-plot .scatterlayer .trace").first).to_be_visible()
        page.wait_for_function(INTER_LOADED)
        page.get_by_test_id("stSidebarNavLink").filter(has_text="Embeddings").click()
        wait_until_idle(page)
        expect(page.locator(".scatterlayer .point").first).to_be_visible()
    assert f"Runs are kept in {installed.store_path}\n" in installed.log.read_text()
    store = RunStore(installed.store_url)
    assert [run.state for run in store.runs()] == [RunState.FINISHED]
    store.close()
    assert list(installed.cwd.iterdir()) == []
