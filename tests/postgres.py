"""A real PostgreSQL for tests: a cluster of its own on a unix socket, as a user who is not root.

Used by tests of the platform's database. It listens on no port. Its fsync is off:
these tests kill who writes into it, never itself.
"""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

START_S_MAX = 30
FOLDERS = [os.environ.get("PATH", ""), *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
PROGRAMS = {
    name: shutil.which(name, path=os.pathsep.join(FOLDERS))
    for name in ("initdb", "pg_ctl", "createdb")
}
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=60"


class Postgres:
    """A running server. `stop` ends it and removes it."""

    def __init__(self) -> None:
        self._user = _owner()
        # Short, because it holds a socket.
        self._folder = Path(tempfile.mkdtemp(prefix="storebox-pg-", dir="/tmp"))
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._cluster = self._folder / "cluster"
        self._run("initdb", "-D", self._cluster, "-U", "storebox", "-A", "trust", "--no-sync")
        options = f"-k {self._folder} {SETTINGS}"
        self._control("start", "-l", self._folder / "log", "-o", options)
        self._databases = 0

    def new_database(self) -> str:
        """The address of an empty database."""
        self._databases += 1
        name = f"test{self._databases}"
        self._run("createdb", "-h", self._folder, "-U", "storebox", name)
        return f"postgresql://storebox@/{name}?host={self._folder}"

    def stop(self) -> None:
        """End it at once."""
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self._folder)

    def _control(self, verb: str, *options: object) -> None:
        self._run("pg_ctl", verb, "-w", "-t", START_S_MAX, "-D", self._cluster, *options)

    def _run(self, program: str, *arguments: object) -> None:
        # pg_ctl hands its descriptors on to the server: a pipe would never end.
        with (self._folder.parent / f"{self._folder.name}.out").open("w+b") as output:
            os.unlink(output.name)
            done = subprocess.run(
                [str(PROGRAMS[program]), *map(str, arguments)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode()


def installed() -> bool:
    """Whether there is one on this machine."""
    return all(PROGRAMS.values())


def _owner() -> pwd.struct_passwd | None:
    """Who runs it: ourselves, or for root, whose servers PostgreSQL refuses, somebody harmless."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
