"""A trained model as files that live without us: which formats there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..fields import require

if TYPE_CHECKING:
    from .artifact import Artifact


@dataclass(frozen=True)
class Format:
    """A kind of file that a trained model can be written as."""

    name: str  # on screen
    suffixes: tuple[str, ...]  # that its files end in, the usual one first
    media_type: str
    write: Callable[[Artifact], bytes]


def _weights(artifact: Artifact) -> bytes:
    return artifact.to_bytes()


def _state_dict(artifact: Artifact) -> bytes:
    from .state_dict import state_dict_bytes

    return state_dict_bytes(artifact.model)


FORMATS: dict[str, Format] = {
    "weights": Format("Weights", (".safetensors",), "application/octet-stream", _weights),
    "state_dict": Format("State dict", (".pt", ".pth"), "application/octet-stream", _state_dict),
}
SUFFIXES = tuple(suffix for known in FORMATS.values() for suffix in known.suffixes)


def format_of(path: Path) -> Format:
    """The format that a file's name asks for, whatever its case; ``ValueError`` with those there are."""
    suffix = path.suffix.lower()
    require(suffix in SUFFIXES, "out", "a file ending in " + ", ".join(SUFFIXES), str(path))
    return next(known for known in FORMATS.values() if suffix in known.suffixes)
