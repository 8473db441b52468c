"""How long the picture of the network takes to answer a key, in Chromium: ``python -m benchmarks.picture``.

From the press of a key in its prefix to the frame after it was drawn again, without a server: the component's own
files on a blank page, with untrained networks of every architecture, as large as they are usually trained and larger.
The median of 20 keys is to stay below 50 ms. Needs requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from mmcore import BUNDLED_NAMES, Vocab, read_words
from mmcore.architectures import model_config
from mmcore.model import Model
from tests.browser.app_server import launch
from ui import picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

RESULTS = Path(__file__).parent / "results" / "picture.json"
KEYS = "annabellachristopher"  # 20
WIDE: dict[str, Any] = {"context_size": 16, "embedding_dim": 32, "hidden_size": 300}
MODELS = {
    "bigram": model_config(architecture="bigram"),
    "MLP, 3 characters, 200 units": model_config(),
    "MLP, 16 characters, 300 units": model_config(context_size=16, hidden_sizes=(300,)),
    "RNN, 300 units": model_config(architecture="rnn", **WIDE),
    "GRU, 300 units": model_config(architecture="gru", **WIDE),
    "LSTM, 300 units": model_config(architecture="lstm", **WIDE),
    "WaveNet, 16 characters, 300 units": model_config(architecture="wavenet", **WIDE),
    "transformer, 4 layers of 64": model_config(architecture="transformer"),
}
THEME = (
    "--st-text-color: #1f272a; --st-border-color: #d8dcdb; --st-background-color: #fcfcfb; --st-primary-color: #0b6b69"
)
MOUNT = """async ([source, data]) => {
  const { default: draw } = await import(`data:text/javascript;base64,${source}`);
  draw({ data, parentElement: document.body });
  const prefix = document.querySelector('.picture-prefix');
  window.times = [];
  document.addEventListener('keydown', ({ timeStamp }) => {
    prefix.addEventListener('input', () => requestAnimationFrame(() => setTimeout(() =>
      window.times.push(performance.now() - timeStamp))), { once: true });
  }, true);
  prefix.value = '';
  prefix.focus();
}"""


def key_times(page: Page, model: Model, vocab: Vocab) -> list[float]:
    """Milliseconds from each key to the frame after it."""
    module = "\n".join((picture.HERE / part).read_text("utf-8") for part in picture.PARTS)
    style, body = ((picture.HERE / name).read_text("utf-8") for name in ("picture.css", "picture.html"))
    page.set_content(f"<style>body {{ {THEME} }} {style}</style>{body}")
    data = picture.data_of(model, vocab, step=0) | {"small": False}
    page.evaluate(MOUNT, [base64.b64encode(module.encode()).decode(), data])
    for count, key in enumerate(KEYS, 1):
        page.keyboard.press(key)
        page.wait_for_function(f"window.times.length === {count}")
    times: list[float] = page.evaluate("window.times")
    return times


def main() -> None:
    """Measure, print, keep."""
    vocab = Vocab.from_words(read_words(BUNDLED_NAMES).words)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        found = {name: key_times(page, Model(config, vocab.size), vocab) for name, config in MODELS.items()}
        browser.close()
    out = {
        "milliseconds": found,
        "median": {name: statistics.median(times) for name, times in found.items()},
        "load": os.getloadavg(),
    }
    RESULTS.write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps({name: out[name] for name in ("median", "load")}, indent=1))


if __name__ == "__main__":
    main()
