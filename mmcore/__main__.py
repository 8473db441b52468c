"""``python -m mmcore``: see :mod:`mmcore.cli`."""

import sys

try:
    from .cli import app

    app(prog_name="python -m mmcore")
except KeyboardInterrupt:  # so early that no command has begun: no traceback then either
    sys.exit(130)
