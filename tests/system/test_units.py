"""The systemd units, read by systemd itself: valid, as locked up as promised, as declared.

No unit is started here. The program's path is replaced by one that exists on every machine.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.clock import BOOT_ID_VARIABLE
from edge.sections import FacesSection
from scripts.dropins import drop_in
from sensors import wire
from sensors.declaration import Needs, kinds

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "systemd"
PROGRAM = re.compile(r"/opt/storebox/venv/bin/\w+")

WAIT_S_MAX = 20.0
CORE_EXPOSURE_MAX = 10
"""In tenths, as `systemd-analyze security` counts, a hair above what version 252 finds (9)."""
SENSOR_EXPOSURE_MAX = {"code": 5, "face": 12, "pcap": 11, "probe_lines": 11, "wifi": 14}
"""The radar's is the highest: it may set radios (CAP_NET_ADMIN), which restarting one takes."""
SENSOR_EXPOSURE_MAX_ELSE = 10

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with the units installed, and one sensor of each kind, named after it."""
    root = tmp_path_factory.mktemp("machine")
    installed = root / "etc" / "systemd" / "system"
    installed.mkdir(parents=True)
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket")):
        text = unit.read_text(encoding="utf-8")
        (installed / unit.name).write_text(PROGRAM.sub("/bin/true", text), encoding="utf-8")
    for kind in kinds():
        folder = installed / f"storebox-sensor@{kind}.service.d"
        folder.mkdir()
        shutil.copy(UNITS / "drop-ins" / f"{kind}.conf", folder)
    return root


def analyze(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze with the units of `machine` before those of this one."""
    paths = f"{machine / 'etc/systemd/system'}:"
    return subprocess.run(
        ["systemd-analyze", *arguments],
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": paths, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
    )


def verified(machine: Path, unit: str) -> str:
    """What systemd has to say against `unit`; an unknown key is only a warning to it."""
    run = analyze(machine, "verify", "--man=no", unit)
    return run.stderr + (f"status {run.returncode}" if run.returncode else "")


def exposure(machine: Path, unit: str) -> int:
    """The exposure of `unit` in tenths."""
    run = analyze(machine, "security", "--offline=true", f"--root={machine}", "--no-pager", unit)
    found = re.search(r"exposure level for \S+: (\d+)\.(\d)", run.stdout)
    assert found, run.stdout + run.stderr
    return int(found.group(1)) * 10 + int(found.group(2))


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_core(machine):
    assert verified(machine, "storebox.service") == ""


@needs_systemd
@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("type_", ["service", "socket"])
def test_systemd_has_nothing_to_say_against_a_sensor(machine, kind, type_):
    assert verified(machine, f"storebox-sensor@{kind}.{type_}") == ""


@needs_systemd
def test_a_misspelt_key_would_be_seen(machine, tmp_path):
    spoilt = tmp_path / "etc" / "systemd" / "system"
    shutil.copytree(machine / "etc" / "systemd" / "system", spoilt)
    unit = spoilt / "storebox.service"
    unit.write_text(unit.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    assert "NoNewPrivilege" in verified(tmp_path, "storebox.service")


@pytest.mark.parametrize("unit", ["storebox.service", "storebox-sensor@.service"])
def test_a_unit_that_hides_the_boot_from_its_process_passes_it(unit):
    """The kernel tells it in /proc/sys, which is hidden; `%b` is the boot id, systemd.unit(5)."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    assert "\nProcSubset=pid\n" in text
    assert f"\nEnvironment={BOOT_ID_VARIABLE}=%b\n" in text


@needs_systemd
def test_the_core_is_locked_up(machine):
    assert exposure(machine, "storebox.service") <= CORE_EXPOSURE_MAX


@needs_systemd
@pytest.mark.parametrize("kind", kinds())
def test_a_sensor_is_locked_up_but_for_its_needs(machine, kind):
    allowed = SENSOR_EXPOSURE_MAX.get(kind, SENSOR_EXPOSURE_MAX_ELSE)
    assert exposure(machine, f"storebox-sensor@{kind}.service") <= allowed


@needs_systemd
def test_a_sensor_without_its_drop_in_has_less(machine):
    bare = exposure(machine, "storebox-sensor@nobody.service")
    assert bare < exposure(machine, "storebox-sensor@wifi.service")


# --- users and folders


@needs_systemd
def test_the_core_has_a_user_and_folders_that_others_cannot_enter(tmp_path):
    (tmp_path / "etc").mkdir()
    rooted = [f"--root={tmp_path}"]
    users = ["systemd-sysusers", *rooted, UNITS / "sysusers.d" / "storebox.conf"]
    folders = ["systemd-tmpfiles", *rooted, "--create", UNITS / "tmpfiles.d" / "storebox.conf"]
    subprocess.run(users, check=True, capture_output=True)
    assert "storebox:" in (tmp_path / "etc" / "passwd").read_text()
    made = subprocess.run(folders, capture_output=True, text=True)
    if os.geteuid() == 0:  # only root may give a folder away
        assert made.returncode == 0, made.stderr
    for folder in ("run/storebox", "run/storebox/sensors", "etc/storebox"):
        assert (tmp_path / folder).stat().st_mode & 0o007 == 0
    models = tmp_path / FacesSection().models.lstrip("/")
    assert models.stat().st_mode & 0o777 == 0o755, "each sensor reads them under its own user"


# --- socket activation


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="no systemd-socket-activate here"
)
def test_connecting_starts_a_sensor_and_hanging_up_ends_it(tmp_path):
    path = tmp_path / "door.sock"
    worker = [sys.executable, "-m", "sensors.worker", "code"]
    activated = subprocess.Popen(
        ["systemd-socket-activate", "-l", path, "--", *worker],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline_s = time.monotonic() + WAIT_S_MAX
        while not path.exists() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as core:
            core.settimeout(WAIT_S_MAX)
            core.connect(str(path))
            (hello,) = wire.FrameReader(down=False).feed(core.recv(65536))
        assert hello.kind == "code"
        assert hello.pid == activated.pid  # the very process that systemd would watch
        assert activated.wait(WAIT_S_MAX) == 0
    finally:
        activated.kill()
        activated.wait()


# --- drop-ins from declarations


def dropins(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "dropins.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)


def test_the_drop_ins_are_what_the_sensors_declare():
    run = dropins("--check")
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_drop_in_edited_by_hand_is_found_and_written_again(tmp_path):
    folder = tmp_path / "drop-ins"
    shutil.copytree(UNITS / "drop-ins", folder)
    (folder / "wifi.conf").write_text("[Service]\nCapabilityBoundingSet=~\n")
    (folder / "toaster.conf").write_text("[Service]\n")
    run = dropins("--check", folder)
    assert run.returncode == 1
    assert "wifi.conf" in run.stdout
    assert "toaster.conf" in run.stdout
    assert dropins(folder).returncode == 0
    assert dropins("--check", folder).returncode == 0


def test_a_need_that_is_not_declared_grants_nothing():
    granted = drop_in("plain", Needs()).split("[Service]\n")[1]
    assert granted == "Environment=STOREBOX_SENSOR_KIND=plain\n"


def test_each_need_opens_only_its_own_door():
    serial = drop_in("k", Needs(devices=("char-ttyACM",)))
    assert "DeviceAllow=char-ttyACM rw" in serial
    assert "SupplementaryGroups=dialout" in serial
    assert "PrivateNetwork" not in serial
    assert "Capability" not in serial
    raw = drop_in("k", Needs(capabilities=("CAP_NET_RAW",), families=("AF_PACKET",)))
    assert "AmbientCapabilities=CAP_NET_RAW" in raw
    assert "RestrictAddressFamilies=AF_PACKET\n" in raw
    assert "PrivateDevices" not in raw
    remote = drop_in("k", Needs(peers=("camera",)))
    assert "RestrictAddressFamilies=AF_INET AF_INET6" in remote
    assert "# For camera: IPAddressAllow=ADDRESS in a drop-in of the site." in remote
    assert "\nIPAddressAllow" not in remote
