"""``python -m mmcore`` and ``makemore-lab``: see :mod:`mmcore.cli`."""

import os
import sys

INTERRUPTED = 130  # what shells expect after Ctrl-C: 128 + SIGINT


def main(with_app: bool = True) -> None:
    """The installed command ``makemore-lab``, or ``python -m mmcore``: the same without the app."""
    try:
        from .cli.app import app
        from .cli.lab import lab

        if with_app:
            lab(prog_name="makemore-lab")
        else:
            app(prog_name="python -m mmcore")
    except KeyboardInterrupt:  # so early that no command has begun: no traceback then either
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)  # all is saved, and giving a large model's memory back would take half a second


if __name__ == "__main__":
    main(with_app=False)
