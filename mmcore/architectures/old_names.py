"""What tensors were called before: in weights files of format 1, and in the updates that older runs recorded."""

from __future__ import annotations

from .interface import ModelConfig

DIGITS = "0123456789"  # at the end of a name: the layer
OLD = {
    "W_ih": "Wx",
    "b_ih": "bx",
    "W_hh": "Wh",
    "b_hh": "bh",
    "W_lm_head": "W",
    "b_lm_head": "b",
    "bn_gain": "gain",
    "bn_bias": "b",
    "bn_running_mean": "mean",
    "bn_running_var": "var",
    "ln_gain": "gain",
    "ln_bias": "b",
    "wpe": "P",
    "ln1_gain": "gain_attend",
    "ln1_bias": "b_attend",
    "W_attn": "Wqkv",
    "b_attn": "bqkv",
    "W_attn_proj": "Wmix",
    "b_attn_proj": "bmix",
    "ln2_gain": "gain_think",
    "ln2_bias": "b_think",
    "W_fc": "Wup",
    "b_fc": "bup",
    "W_mlp_proj": "Wdown",
    "b_mlp_proj": "bdown",
    "lnf_gain": "gain_last",
    "lnf_bias": "b_last",
}


def renamed(config: ModelConfig) -> dict[str, str]:
    """A model's tensors by their old names: the new ones. None of the new ones is another's old one."""
    return {_old(name): name for name in config.shapes(1)}


def _old(name: str) -> str:
    stem = name.rstrip(DIGITS)
    return OLD.get(stem, stem) + name.removeprefix(stem)
