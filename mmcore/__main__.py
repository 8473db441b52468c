"""``python -m mmcore``: see :mod:`mmcore.cli`."""

import os
import sys

INTERRUPTED = 130  # what shells expect after Ctrl-C: 128 + SIGINT

try:
    from .cli.app import app

    app(prog_name="python -m mmcore")
except KeyboardInterrupt:  # so early that no command has begun: no traceback then either
    sys.exit(INTERRUPTED)
except SystemExit as end:
    if end.code != INTERRUPTED:
        raise
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)  # all is saved, and giving a large model's memory back would take half a second
