"""Make `.venv` ready to run storebox (`--for demo`) or to test it as well (`--for test`).

Called by the Makefile with whatever python3 the machine has, so: the standard library only, and
syntax that an old Python can read far enough to be told it is too old. Running it again is
cheap: a stamp in `.venv` says which lock was installed. It never compiles anything, never uses
sudo, and never touches a package that is there already.
"""

from __future__ import annotations

import argparse
import base64
import glob
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

PYTHON_MIN = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "storebox-setup.json"
LOG = ROOT / "build" / "setup.log"
LOCKS = {"demo": "requirements.lock", "test": "requirements-test.lock"}
LOG_LINES_SHOWN = 12
QUIET_S = 10.0
"""So long a step may run before it is said that it still does."""
STEP_S_MAX = 1800.0
"""No download takes longer on a line that is worth waiting for."""
STARTED_S = time.monotonic()
WHY_PIP_FAILED = (
    "Either the package index cannot be reached (is there a network, a proxy, a certificate?) "
    "or it has no ready-made package for this machine's processor and Python {}.{}; storebox "
    "compiles nothing.".format(*sys.version_info[:2])
)
WHY_APT_FAILED = "Is the network up, and does this machine's Debian have those packages?"


class SystemPackage(NamedTuple):
    """A Debian package, and a program (or else a file pattern) that shows it is there."""

    name: str
    sign: str


FOR_TESTS = (
    SystemPackage("mosquitto", "mosquitto"),
    SystemPackage("chromium", "chromium"),
    SystemPackage("libpcap0.8", "/usr/lib/*/libpcap.so*"),
    SystemPackage("libfaketime", "/usr/lib/*/faketime/libfaketimeMT.so.1"),
    SystemPackage("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    SystemPackage("iproute2", "ip"),
    SystemPackage("python3-gi", "/usr/lib/python3/dist-packages/gi/__init__.py"),
    SystemPackage(
        "gir1.2-gst-rtsp-server-1.0", "/usr/lib/*/girepository-1.0/GstRtspServer-1.0.typelib"
    ),
    SystemPackage("gstreamer1.0-plugins-base", "/usr/lib/*/gstreamer-1.0/libgstvideotestsrc.so"),
    SystemPackage("gstreamer1.0-plugins-good", "/usr/lib/*/gstreamer-1.0/libgstrtp.so"),
    SystemPackage("gstreamer1.0-plugins-bad", "/usr/lib/*/gstreamer-1.0/libgstopenh264.so"),
    SystemPackage("postgresql", "/usr/lib/postgresql/*/bin/initdb"),
)
NODE_PACKAGE = "@asyncapi/specs@6.11.1"
"""Has AsyncAPI's own JSON Schema, which tests hold our contract against. No Python package has."""
NODE_PACKAGE_SHA512 = (
    "A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ=="
)
NODE_PACKAGE_FILE = "package/schemas/3.0.0-without-$id.json"
ASYNCAPI_SCHEMA = VENV / "asyncapi" / "specs-6.11.1.json"
VENV_PACKAGE = "python{}.{}-venv".format(*sys.version_info[:2])
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
"""Brokers and network tools live where an ordinary user's PATH does not look."""


def main() -> None:
    """Set up for the level asked for; end with status 1 and one clear sentence if it cannot be."""
    arguments = argparse.ArgumentParser(description="Set up storebox's .venv.")
    arguments.add_argument("--for", dest="level", choices=sorted(LOCKS), default="test")
    level: str = arguments.parse_args().level
    if sys.version_info < PYTHON_MIN:
        stop(
            "storebox needs Python {}.{} or newer; {} is {}. Install a newer one and say "
            "`make PYTHON=/path/to/python3 ...`.".format(
                *PYTHON_MIN, sys.executable, sys.version.split()[0]
            )
        )
    lacking = missing_packages(level)
    if lacking and os.geteuid() == 0:
        install_packages(lacking)
        lacking = missing_packages(level)
    if VENV_PACKAGE not in lacking:
        bring_up_to_date(level)
        if level == "test" and not ASYNCAPI_SCHEMA.exists():
            fetch_asyncapi_schema()
    if lacking:
        stop(
            f"System packages are missing: run `sudo apt-get install -y {' '.join(lacking)}`, "
            "then the same command again."
        )


def bring_up_to_date(level: str) -> None:
    """Nothing, when the stamp says so."""
    if up_to_date(level):
        say(".venv is up to date")
    else:
        set_up(level)


def set_up(level: str) -> None:
    """The venv, what the lock says, and storebox itself; each step names itself."""
    STAMP.unlink(missing_ok=True)
    if not venv_works():
        make_venv()
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-input"]
    pip += ["--disable-pip-version-check", "--progress-bar=off"]
    lock = LOCKS[level]
    packages = [*pip, "--only-binary=:all:", "--require-hashes", "-r", lock]
    run(f"installing {lock}", packages, explain=WHY_PIP_FAILED)
    itself = [*pip, "--no-build-isolation", "--no-index", "-e", "."]
    run("installing storebox itself", itself, explain=WHY_PIP_FAILED)
    STAMP.write_text(json.dumps(wanted_stamp(level)), encoding="utf-8")
    say(f"ready: .venv can {'run' if level == 'demo' else 'run and test'} storebox")


# --- what is there already


def up_to_date(level: str) -> bool:
    """Whether `.venv` was set up here from today's lock, for `level` or for more."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    enough = {level, "test"}
    return stamp in [wanted_stamp(each) for each in enough] and venv_works()


def wanted_stamp(level: str) -> dict[str, str]:
    """What a venv set up for `level` is marked with; any change of it means setting up again."""
    import tomllib  # here, because an older Python must get as far as being told so

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaging = [declared["project"], declared["build-system"], declared["tool"]["hatch"]]
    digest = hashlib.sha256((ROOT / LOCKS[level]).read_bytes())
    digest.update(json.dumps(packaging, sort_keys=True).encode())
    return {"level": level, "root": str(ROOT), "sha256": digest.hexdigest()}


def venv_works() -> bool:
    """Whether `.venv` has a Python that starts, is new enough, and still finds its pip."""
    python = VENV / "bin" / "python"
    code = f"import sys, pip; sys.exit(sys.version_info < {PYTHON_MIN})"
    if not python.exists():
        return False
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def missing_packages(level: str) -> list[str]:
    """The names of the system packages that this machine lacks for `level`."""
    venv = [] if can_make_venv() or venv_works() else [VENV_PACKAGE]
    wanted = FOR_TESTS if level == "test" else ()
    return venv + [package.name for package in wanted if not present(package)]


def can_make_venv() -> bool:
    """Whether this Python has the half of `venv` that Debian keeps in a package of its own."""
    return importlib.util.find_spec("ensurepip") is not None


def present(package: SystemPackage) -> bool:
    """Whether the package's sign is there, however it came."""
    if package.sign.startswith("/"):
        return bool(glob.glob(package.sign))
    return shutil.which(package.sign, path=SYSTEM_PATH) is not None


# --- what is made


def make_venv() -> None:
    """A fresh `.venv` of the Python that runs this."""
    shutil.rmtree(VENV, ignore_errors=True)
    run("making .venv", [sys.executable, "-m", "venv", str(VENV)])


def install_packages(names: list[str]) -> None:
    """As root, by apt-get. A server that comes with it is not left running."""
    if shutil.which("apt-get") is None:
        stop(f"This machine has no apt-get: install {', '.join(names)} in its own way.")
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]
    run("reading the list of system packages", [*apt, "update"], explain=WHY_APT_FAILED)
    install = [*apt, "install", "--no-install-recommends", *names]
    run(f"installing {', '.join(names)}", install, explain=WHY_APT_FAILED)
    for server in {"mosquitto", "postgresql"} & set(names):
        if Path("/run/systemd/system").exists():
            stop_it = ["systemctl", "disable", "--now", f"{server}.service"]
            run(f"turning off the system's {server} (tests start their own)", stop_it)


def fetch_asyncapi_schema() -> None:
    """One file out of one npm package; nothing of it is run. Without it one test is skipped."""
    npm, build = shutil.which("npm", path=SYSTEM_PATH), LOG.parent
    if npm is None:
        say("no npm here: the contract will not be held against AsyncAPI's own schema")
        return
    for stale in build.glob("asyncapi-specs-*.tgz"):
        stale.unlink()
    pack = [npm, "pack", NODE_PACKAGE, "--ignore-scripts", "--pack-destination", str(build)]
    if not run(f"fetching {NODE_PACKAGE}", pack, optional=True):
        return
    (archive,) = build.glob("asyncapi-specs-*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != NODE_PACKAGE_SHA512:
        stop(f"{archive.name} is not the {NODE_PACKAGE} that we know; it was not used.")
    with tarfile.open(archive) as files:
        found = files.extractfile(NODE_PACKAGE_FILE)
        schema = found.read() if found else b""
    archive.unlink()
    ASYNCAPI_SCHEMA.parent.mkdir(exist_ok=True)
    ASYNCAPI_SCHEMA.write_bytes(schema)


# --- running, saying, failing


def run(step: str, command: list[str], *, explain: str = "", optional: bool = False) -> bool:
    """Run `command` with its output in the log; show that it lives; stop with its last lines.

    When an `optional` one fails, that is said, and the answer is False.
    """
    say(step)
    LOG.parent.mkdir(exist_ok=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        began_at = log.tell()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            status = waited(process, step)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if status != 0 and optional:
        say(f"  {step} failed (all of it: {LOG.relative_to(ROOT)}); going on without")
    elif status != 0:
        lines = log_since(began_at)
        print("\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:]), file=sys.stderr)
        whole = LOG.relative_to(ROOT)
        stop(f"{sentence_case(step)} failed (all of it: {whole}). {explain}".strip())
    return status == 0


def waited(process: subprocess.Popen[bytes], step: str) -> int:
    """The exit status; a line now and then until there is one."""
    deadline_s = time.monotonic() + STEP_S_MAX
    while time.monotonic() < deadline_s:
        try:
            return process.wait(timeout=QUIET_S)
        except subprocess.TimeoutExpired:
            news = [line for line in log_since(0) if not line.strip().startswith("WARNING")]
            say(f"  still {step}: {news[-1].strip()[:80]}")
    stop(f"{sentence_case(step)} took longer than {STEP_S_MAX:.0f} s and was ended.")


def log_since(offset: int) -> list[str]:
    """The lines of the log from `offset` on that are not empty."""
    text = LOG.read_bytes()[offset:].decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()]


def sentence_case(step: str) -> str:
    """`step` as the beginning of a sentence."""
    return step[:1].upper() + step[1:]


def say(line: str) -> None:
    """One line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED_S:5.1f} s] {line}", flush=True)


def stop(sentence: str) -> NoReturn:
    """End here, with what the person can do."""
    print(f"setup: {sentence}", file=sys.stderr, flush=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
