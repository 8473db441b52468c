"""The suite's own rules: one hypothesis profile, no test imports another, none sleeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parents[1]
RULES = {
    "imports another test": r"^\s*(from|import) .*\btest_\w+( import|,|$)",
    "has a hypothesis profile of its own": r"\b(load|register)_profile\(|\bdeadline=|\bderandomize=",
    "sleeps": r"\bsleep\(|\bwait_for_timeout\(",
}
OWNERS = {"has a hypothesis profile of its own": "conftest.py", "sleeps": "waiting.py"}


def broken(sources: Mapping[str, str]) -> list[str]:
    """Who breaks a rule, one sentence each. Sources by path below ``tests``."""
    return [
        f"{name} {rule}"
        for name, source in sources.items()
        for rule, pattern in RULES.items()
        if name not in (OWNERS.get(rule), "core/test_suite.py") and re.search(pattern, source, re.MULTILINE)
    ]


def sources() -> dict[str, str]:
    return {str(path.relative_to(TESTS)): path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")}


def test_every_file_keeps_the_rules() -> None:
    assert len(sources()) > 60
    assert broken(sources()) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("from tests.core.test_families import SMALL", "imports another test"),
        ("    from tests.core import test_families", "imports another test"),
        ("import tests.core.test_families", "imports another test"),
        ("@settings(max_examples=25, deadline=None)", "has a hypothesis profile of its own"),
        ('settings.load_profile("mine")', "has a hypothesis profile of its own"),
        ("    time.sleep(1)", "sleeps"),
        ("page.wait_for_timeout(500)", "sleeps"),
    ],
)
def test_each_rule_can_be_broken(line: str, rule: str) -> None:
    assert broken({"app/test_new.py": f"import pytest\n{line}\n"}) == [f"app/test_new.py {rule}"]


def test_the_profile_has_no_deadline_and_the_same_examples_each_time() -> None:
    assert (settings().deadline, settings().derandomize) == (None, True)
