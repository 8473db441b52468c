"""For every test."""

from __future__ import annotations

import signal

import torch
from hypothesis import settings

# The only profile. Derandomised: the same examples on every run, so that a red suite is a change of ours and not luck.
settings.register_profile("suite", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("suite")

torch.set_num_threads(1)  # tensors this small only lose time to threads

# A shell that runs the suite in the background has Ctrl-C ignored, and what it starts inherits that; tests that press
# Ctrl-C mean an ordinary one.
signal.signal(signal.SIGINT, signal.default_int_handler)
