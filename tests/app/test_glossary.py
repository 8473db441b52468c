"""The glossary: every term is one of the screen's, every sentence short, each said once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mmcore.architectures.settings import CONTEXT_SIZE
from tests.app.conftest import Open, texts
from ui.kit.glossary import GLOSSARY, SETTINGS, WORDS

ROOT = Path(__file__).parents[2]


def on_screen() -> str:
    """Every text in the code of the pages, and of the settings that they show; none of the glossary's, no docstring."""
    files = [*(ROOT / "app_pages").glob("*.py"), *(ROOT / "ui").rglob("*.py"), ROOT / "mmcore" / "config.py"]
    files += (ROOT / "mmcore" / "architectures").glob("*.py")
    found = []
    for path in files:
        if path == ROOT / "ui" / "kit" / "glossary.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
        found += [str(node.value) for node in texts if id(node) not in bare]
    return "\n".join(found)


def test_every_term_is_on_screen() -> None:
    said = on_screen()
    missing = [term for term in GLOSSARY if not re.search(rf"\b{re.escape(term)}\b", said, re.IGNORECASE)]
    assert missing == []


def test_sentences_are_short_and_one_each() -> None:
    assert 30 <= len(GLOSSARY) <= 50
    for term, sentence in GLOSSARY.items():
        assert len(sentence.split()) <= 30, term
        assert sentence.endswith(".") and ". " not in sentence, term
        assert sentence[0].isupper() or sentence[0] in "−", term
    assert list(GLOSSARY) == sorted(GLOSSARY, key=str.lower)


def test_a_setting_is_said_once() -> None:
    titles = {setting.title.partition(" (")[0] for setting in SETTINGS}
    assert not titles & set(WORDS) and titles | set(WORDS) == set(GLOSSARY)
    assert GLOSSARY["Context size"] == CONTEXT_SIZE.first_sentence


def test_lessons_shows_it(open_page: Open) -> None:
    said = texts(open_page("lessons")).replace("\\", "")
    for term, sentence in GLOSSARY.items():
        assert f"**{term}**: {sentence}" in said


def test_every_page_ends_with_its_terms() -> None:
    """Streamlit's own ``stop`` would end a page without them."""
    own = ROOT / "ui" / "terms" / "__init__.py"
    files = {*(ROOT / "app_pages").glob("*.py"), *(ROOT / "ui").rglob("*.py")} - {own}
    assert "st.stop()" in own.read_text("utf-8")
    assert [path.name for path in files if "st.stop()" in path.read_text("utf-8")] == []
