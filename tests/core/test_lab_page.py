"""The lab page as a file: what it carries, whatever the words are."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmcore.architectures import model_config
from mmcore.export import FORMATS
from mmcore.export.trained import Trained
from tests.exported import trained
from tests.models import SMALL

WORDS = ["anna", "bea", "cleo", "dora", "eve", "fay", "gina", "hedda", "ida", "june", "kim", "lea"]
ODD = ["</script>", "a&b", "<!--", "{data}", "שלום", "🙂🙃", '"x"', "\\u003c", "zoé", "b c"]


def page_of(run: Trained) -> str:
    return FORMATS["lab"].write(run).decode()


def carried(page: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a page's script finds in it, as a browser would read it."""
    [text] = re.findall(r'<script type="application/json" id="lab">(.*?)</script>', page, re.DOTALL)
    data = json.loads(text)
    blob = zlib.decompress(base64.b64decode(data["blob"]))
    return data, {name: np.frombuffer(blob, f"<{kind}", size, at) for name, kind, at, size in data["arrays"]}


def test_a_page_carries_the_run_and_what_it_learned_from() -> None:
    run = trained(model_config(context_size=2, embedding_dim=3, hidden_sizes=(5,)), WORDS)
    data, arrays = carried(page_of(run))
    assert arrays["weights"].tolist() == run.artifact.model.flat.tolist()
    counts, V = run.dataset.train.counts, run.artifact.vocab.size
    assert arrays["train_contexts"].tolist() == counts.contexts.ravel().tolist()
    assert arrays["train_counts"].sum() == len(run.dataset.train)
    assert np.diff(arrays["train_starts"]).min() > 0 and arrays["train_columns"].max() < V
    said = dict(data["about"])
    assert said["Validation loss"] == f"{run.artifact.losses['val_loss']:.4f} nats per symbol"
    assert said["Run"] == f"{run.name}, {run.run_id}"
    assert (said["Parameters"], said["Context size"]) == (f"{run.artifact.model.flat.numel():,}", "2")
    assert data["train"]["curve"][-1] == [20, pytest.approx(run.artifact.losses["val_loss"])]


@pytest.mark.parametrize("name", SMALL)
def test_every_architecture_has_a_page_and_three_are_trained_on_it(name: str) -> None:
    data, _ = carried(page_of(trained(SMALL[name], WORDS, max_steps=2)))
    assert (data["train"] is not None) == (SMALL[name].architecture in ("mlp", "bigram", "rnn"))
    if name == "mlp-layer":
        assert data["train"]["note"] == "Here without normalisation. Here with relu in place of gelu."
        assert data["train"]["config"]["activation"] == "relu"


def test_no_word_ends_the_page_early() -> None:
    run = trained(model_config(context_size=1, embedding_dim=2, hidden_sizes=(1,)), ODD)
    page = page_of(run)
    assert page.count("</script>") == 3 and page.rstrip().endswith("</html>")
    data, _ = carried(page)
    assert data["symbols"] == list(run.artifact.vocab.symbols)


def test_a_page_asks_for_nothing() -> None:
    page = page_of(trained(SMALL["mlp"], WORDS, max_steps=2))
    addresses = set(re.findall(r"https?://[^\s\"'`]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nobody fetches
    assert "default-src 'none'" in page and not re.search(r"<(link|img|iframe)|src=|@import|url\(", page)


def test_the_name_of_a_run_is_text() -> None:
    run = dataclasses.replace(trained(SMALL["bigram"], WORDS, max_steps=2), name="<b>&{script}")
    assert "<title>Makemore Lab: &lt;b&gt;&amp;{script}</title>" in page_of(run)
