"""A trained model as one self-describing file: weights, configuration, vocabulary."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..architectures.interface import ModelConfig
from ..architectures.old_names import renamed
from ..config import RunConfig
from ..cost import MAX_FILE_BYTES as MAX_BYTES
from ..cost import MAX_HEADER_BYTES
from ..dataset import Splits, Vocab
from ..fields import choice, cut, quoted
from ..model import Model
from ..symbols import CHARACTERS, TOKENS, Tokens
from ..text import MAX_WORD_LENGTH
from ..version import __version__

FORMAT, OLDER = "makemore-lab/2", "makemore-lab/1"  # the older one has other names for some tensors
MAX_TENSORS = 10_000
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Artifact:
    """A model with all that is needed to use it, to know where it comes from, and to train it again.

    The file is a ``.safetensors`` with the tensors ``C, W1, b1, …`` (float32) and, as its metadata,
    ``format``, ``version``, ``config`` (a :class:`RunConfig`: model, training, split, corpus sha256),
    ``vocab`` (symbols by id), ``losses`` and ``step``, each JSON; and where they are known ``tokens`` (what symbols
    are; characters if it is missing), ``cleaning`` (what was done to the text) and ``trained_words`` (base64 of the
    words' hashes, see :func:`word_hashes`).
    """

    model: Model
    vocab: Vocab
    config: RunConfig
    losses: Mapping[str, float]  # nats per character
    step: int
    cleaning: Mapping[str, Any] = field(default_factory=dict)  # as CorpusReport.cleaning has it; empty if not known
    trained_words: Hashes | None = field(default=None, repr=False)  # of the train split; None if not known

    def trained_on(self, words: Sequence[str]) -> int | None:
        """How many of some words are in the split it was trained on; None where that is not known."""
        if self.trained_words is None:
            return None
        known = set(self.trained_words.tolist())
        return sum(digest in known for digest in map(_hash, words))

    def with_words(self, splits: Splits) -> Artifact:
        """The same with a record of the words it was trained on, for a file that leaves the store with its corpus."""
        return replace(self, trained_words=word_hashes(splits.train))

    def to_bytes(self) -> bytes:
        """The ``.safetensors`` file."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": __version__,
            "config": self.config.to_dict(),
            "vocab": self.vocab.symbols,
            "tokens": self.vocab.tokens,
            "losses": {name: loss for name, loss in self.losses.items() if math.isfinite(loss)},
            "step": self.step,
        }
        values |= {"cleaning": dict(self.cleaning)} if self.cleaning else {}
        if self.trained_words is not None:
            values["trained_words"] = base64.b64encode(self.trained_words.tobytes()).decode()
        # Views of one flat tensor share memory, which safetensors does not store.
        tensors = {name: tensor.clone() for name, tensor in self.model.tensors.items()}
        return save_tensors(tensors, {key: json.dumps(value) for key, value in values.items()})


def load(source: bytes | str | Path) -> Artifact:
    """Read a ``.safetensors`` file and check its parts against each other before building the model.

    Raises
    ------
    ValueError
        With the first thing that does not fit.
    """
    data = source if isinstance(source, bytes) else _read(Path(source))
    if len(data) > MAX_BYTES:
        raise ValueError(f"weights file must be at most {MAX_BYTES:,} bytes, got {len(data):,}")
    _check_header(data)
    try:
        tensors = load_tensors(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"weights file must be a whole .safetensors file, got {len(data):,} bytes: {cut(str(error))}"
        ) from None
    values = _metadata(data)
    config, vocab = RunConfig.from_dict(values["config"]), _vocab(values["vocab"], values.get("tokens", CHARACTERS))
    if values["format"] == OLDER:
        names = renamed(config.model)
        tensors = {names.get(name, name): tensor for name, tensor in tensors.items()}
    _check_tensors(tensors, config.model, vocab.size)
    model = Model(config.model, vocab.size, seed=None)
    with torch.no_grad():
        for name, tensor in model.tensors.items():
            tensor.copy_(tensors[name])
    cleaning, hashes = _cleaning(values.get("cleaning", {})), _hashes(values.get("trained_words"))
    return Artifact(model, vocab, config, _losses(values["losses"]), _step(values["step"]), cleaning, hashes)


def _check_header(data: bytes) -> None:
    """Refuse what would take memory and minutes to be read before it can be looked at."""
    size = int.from_bytes(data[:8], "little")
    if MAX_HEADER_BYTES < size <= len(data):
        raise ValueError(f"weights file header must be at most {MAX_HEADER_BYTES:,} bytes, got {size:,}")
    if (tensors := data.count(b'"data_offsets"', 8, 8 + size)) > MAX_TENSORS:
        raise ValueError(f"weights file must have at most {MAX_TENSORS:,} tensors, got {tensors:,}")


def word_hashes(words: Sequence[str]) -> Hashes:
    """The distinct words' hashes in ascending order: of each the first 8 bytes of its SHA-256, in UTF-8."""
    return np.unique(np.array(list(map(_hash, words)), dtype="<u8"))


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"weights file must be readable, got {quoted(str(path))} ({error.strerror})") from None


def _metadata(data: bytes) -> dict[str, Any]:
    """The parsed metadata; safetensors has already shown the header to be sound."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    raw = header.get("__metadata__") or {}
    needed, optional = (
        ("format", "version", "config", "vocab", "losses", "step"),
        ("cleaning", "trained_words", "tokens"),
    )
    missing = [key for key in needed if key not in raw]
    if missing:
        raise ValueError(f"weights file must have the metadata {', '.join(needed)}, got none for {', '.join(missing)}")
    try:
        values = {key: json.loads(raw[key]) for key in (*needed, *optional) if key in raw}
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"weights file metadata must be JSON, got {cut(str(error))}") from None
    if values["format"] not in (FORMAT, OLDER):
        raise ValueError(f"weights file format must be {FORMAT} or {OLDER}, got {quoted(values['format'])}")
    return values


def _vocab(symbols: object, tokens: object) -> Vocab:
    choice("tokens", tokens, TOKENS)
    assert isinstance(tokens, str)
    if not (isinstance(symbols, list) and all(_is_one(symbol, TOKENS[tokens]) for symbol in symbols)):
        raise ValueError(f"vocab must be a list of {tokens}, got {cut(str(symbols))}")
    if lone := [hex(ord(c)) for symbol in symbols for c in symbol if "\ud800" <= c <= "\udfff"]:
        raise ValueError(f"vocab must be {tokens}, got half of one, the lone surrogate {lone[0]}")
    return Vocab(tuple(symbols), tokens)


def _is_one(symbol: object, tokens: Tokens) -> bool:
    """Whether something is the boundary or a single symbol."""
    if not isinstance(symbol, str) or len(symbol) > MAX_WORD_LENGTH:
        return False
    return list(tokens.cut(symbol)) == ([symbol] if symbol else [])


def _check_tensors(tensors: dict[str, Tensor], config: ModelConfig, vocab_size: int) -> None:
    shapes = config.shapes(vocab_size)
    if set(tensors) != set(shapes):
        raise ValueError(f"tensors must be {', '.join(shapes)} for this config, got {cut(', '.join(sorted(tensors)))}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
            got = f"{tuple(tensor.shape)} {tensor.dtype}"
            raise ValueError(f"tensor {name} must have shape {shape} and dtype float32 for this config, got {got}")
        if bad := int((~tensor.isfinite()).sum()):
            raise ValueError(f"tensor {name} must hold finite numbers, got {bad} that are not")


def _losses(values: object) -> dict[str, float]:
    if not (isinstance(values, dict) and all(type(v) in (int, float) for v in values.values())):
        raise ValueError(f"losses must be numbers by name, got {cut(str(values))}")
    # Comparing refuses NaN too, and does not overflow on a huge int as math.isfinite would.
    if not all(-math.inf < loss < math.inf for loss in values.values()):
        raise ValueError(f"losses must be finite numbers, got {cut(str(values))}")
    return values


def _cleaning(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"cleaning must be a table of what was done to the text, got {cut(str(value))}")
    return value


def _hashes(value: object) -> Hashes | None:
    if value is None:
        return None
    try:
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<u8")  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"trained_words must be base64 of 8 bytes a word, got {cut(str(value))}") from None


def _step(value: object) -> int:
    if type(value) is not int or value < 0:  # JSON's true is an int to isinstance
        raise ValueError(f"step must be a whole number from 0, got {quoted(value)}")
    return value


def plain_torch(config: ModelConfig, path: str = "model.safetensors", between: str = "") -> str:
    """Python that loads such a file and samples one word with nothing but torch and safetensors."""
    start = [
        "import json, torch; from safetensors import safe_open",
        f'f = safe_open({json.dumps(path)}, "pt"); p = {{k: f.get_tensor(k) for k in f.keys()}}',
        f'itos, ids = json.loads(f.metadata()["vocab"]), [0] * {config.context_size}',
        f"while len(ids) == {config.context_size} or ids[-1]:",
        *(f"    {line}" for line in config.plain_lines()),
        "    ids.append(torch.multinomial(logits.softmax(0), 1).item())",
        f"print({json.dumps(between)}.join(itos[i] for i in ids if i))",
    ]
    return "\n".join(start) + "\n"
