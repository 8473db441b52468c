"""For every test."""

from __future__ import annotations

import signal

# A shell that runs the suite in the background has Ctrl-C ignored, and what it starts inherits that; tests that press
# Ctrl-C mean an ordinary one.
signal.signal(signal.SIGINT, signal.default_int_handler)
