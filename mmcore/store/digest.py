"""Settings as a short text that the database can look for: equal settings, equal digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from ..config import RunConfig
from ..fields import Config


def digest(config: Config) -> str:
    """The sha256 of what differs from the defaults, so that a setting added later changes no older run's digest."""
    return hashlib.sha256(json.dumps(_telling(config), sort_keys=True).encode()).hexdigest()


def digests(config: RunConfig) -> dict[str, str]:
    """A run's columns by which it is found by its settings."""
    return {"config_digest": digest(config), "split_digest": digest(config.split)}


def _telling(value: object) -> object:
    """A setting as JSON has it, without what is as by default."""
    if isinstance(value, Config):
        fields = [(f, getattr(value, f.name)) for f in dataclasses.fields(value)]  # type: ignore[arg-type]
        return {f.name: _telling(own) for f, own in fields if f.name == "architecture" or own != f.default}
    if isinstance(value, tuple):
        return list(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value  # 1.0 is 1, as configs compare
