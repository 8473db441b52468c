"""Databases that can be taken away for a while: a PostgreSQL server of one's own behind a proxy, or a SQLite file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
NOBODY = 65534  # PostgreSQL refuses to run as root
USER = DATABASE = "lab"


class Database(Protocol):
    """Where runs are stored, by its URL, and the ways in which it may be away."""

    url: str
    cuts: Sequence[str]

    def take_away(self, how: str) -> None: ...

    def bring_back(self) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def away(database: Database, how: str) -> Iterator[None]:
    """Nobody can use a database meanwhile."""
    database.take_away(how)
    try:
        yield
    finally:
        database.bring_back()


class SQLiteFile:
    """A file; it is away while somebody else holds its write lock."""

    cuts = ("locked",)

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite"
        self.url = f"sqlite:///{self.path}"

    def take_away(self, how: str) -> None:
        self._other = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        self._other.execute("BEGIN IMMEDIATE")

    def bring_back(self) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()

    def close(self) -> None: ...


class Proxy:
    """Passes TCP connections on to a port of this machine, until it is told to cut them or to hold what they say."""

    def __init__(self, port: int) -> None:
        self.target = port
        self._pairs: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.port = 0
        self._call(self._listen())

    def cut(self) -> None:
        """End all connections; new ones are refused."""
        self._call(self._cut())

    def hold(self) -> None:
        """Keep connections, and new ones, but pass nothing on."""
        self._call(self._hold())

    def mend(self) -> None:
        """Pass everything on again."""
        self._call(self._mend())

    def close(self) -> None:
        """End it."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _listen(self) -> None:
        self._passing = asyncio.Event()
        self._passing.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        self._server.close()
        for writer in list(self._pairs):
            writer.transport.abort()

    async def _hold(self) -> None:
        self._passing.clear()

    async def _mend(self) -> None:
        self._passing.set()
        if not self._server.is_serving():
            await self._listen()

    async def _end(self) -> None:
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._pairs.add(writer)
        await self._passing.wait()
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._pairs.add(there)
        for pair in ((reader, there), (there_reader, writer)):
            task = asyncio.create_task(self._pass_on(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while said := await reader.read(65_536):
                await self._passing.wait()
                writer.write(said)
                await writer.drain()
        writer.transport.abort()
        self._pairs.discard(writer)


class PostgreSQL:
    """A server of one's own in a folder of its own, reached through a proxy; it may be stopped and started again."""

    cuts = ("connections cut", "nothing answered", "server killed")

    def __init__(self, *, fsync: bool = False) -> None:
        self.fsync = "on" if fsync else "off"  # off: quicker, and safe against all but a failure of the machine
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._run("initdb", "-U", USER, "-A", "trust", "--no-sync", "-D", self.data)
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, DATABASE)
        self.proxy = Proxy(self.port)
        self.direct = f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{DATABASE}"
        self.url = f"postgresql+psycopg://{USER}@127.0.0.1:{self.proxy.port}/{DATABASE}"
        self._how = ""

    @staticmethod
    def is_there() -> bool:
        """Whether PostgreSQL is installed where Debian puts it."""
        return bool(DEBIAN)

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        with (self.folder / f"{program}.log").open("a") as log:  # a pipe would be kept open by the server it starts
            command = [*other, str(DEBIAN[0] / program), *arguments]
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=self.folder)

    def start(self) -> None:
        """Begin to answer."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync={self.fsync}"
        self._run("pg_ctl", "-D", self.data, "-o", options, "-l", str(self.folder / "server.log"), "-w", "start")

    def stop(self) -> None:
        """As if the power failed."""
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def processor_seconds(self) -> float:
        """That it has used so far, of connections that have ended and of its own."""
        pid = (Path(self.data) / "postmaster.pid").read_text().split()[0]
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def take_away(self, how: str) -> None:
        self._how = how
        {"connections cut": self.proxy.cut, "nothing answered": self.proxy.hold, "server killed": self.stop}[how]()

    def bring_back(self) -> None:
        self.start() if self._how == "server killed" else self.proxy.mend()

    def close(self) -> None:
        self.proxy.close()
        self.stop()
        shutil.rmtree(self.folder)
