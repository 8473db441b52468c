"""The tree of files in README.md is the tree that there is."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def said() -> set[str]:
    """The paths in README's tree: what is indented is in the folder above it."""
    tree = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Files")[2].split("```")[1]
    paths, folder = set(), ""
    for line in tree.splitlines():
        name = line[:22].strip().removesuffix(" …")
        if not name:
            continue
        folder = folder if line.startswith(" ") else name
        paths.add(folder + name if line.startswith(" ") else name)
    return paths


def test_every_file_of_the_tree_in_readme_is_there_and_every_file_of_mmcore_is_in_the_tree() -> None:
    assert {path for path in said() if not (ROOT / path).exists()} == set()
    parts = {f"mmcore/{path.name}/" for path in (ROOT / "mmcore").iterdir() if (path / "__init__.py").exists()}
    parts |= {f"mmcore/{path.name}" for path in (ROOT / "mmcore").glob("[a-z]*.py")} - {"mmcore/version.py"}
    assert parts - said() == set()
