"""Runs tests on a PostgreSQL server that is started for them.

``python -m tests.on_postgresql`` takes what pytest takes.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.databases import PostgreSQL

if __name__ == "__main__":
    if not PostgreSQL.is_there():
        sys.exit("PostgreSQL is needed where Debian puts it: apt-get install postgresql")
    server = PostgreSQL()
    try:
        environment = os.environ | {"MMCORE_TEST_DATABASE": server.direct}
        sys.exit(subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]], env=environment))
    finally:
        server.close()
