"""The two lock files: complete, hashed, agreeing with pyproject.toml, and naming no index host."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN, TEST = "requirements.lock", "requirements-test.lock"


def pins(lock: str) -> dict[str, list[tuple[Requirement, int]]]:
    """Package -> its pins (one for each range of Pythons) with their number of hashes."""
    found: dict[str, list[tuple[Requirement, int]]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for block in re.split(r"\n(?=\S)", text.strip()):
        head, *rest = [line.rstrip(" \\").strip() for line in block.splitlines()]
        requirement = Requirement(head)
        hashes = [line for line in rest if re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line)]
        assert len(hashes) == len(rest), f"{lock}: a line that is no hash below {head}"
        found.setdefault(canonicalize_name(requirement.name), []).append((requirement, len(hashes)))
    return found


def declared(lock: str) -> list[Requirement]:
    """What pyproject.toml asks of this lock."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    wanted = project["dependencies"] + project["optional-dependencies"]["demo"] + groups["build"]
    return [Requirement(each) for each in wanted + (groups["test"] if lock == TEST else [])]


@pytest.mark.parametrize("lock", [RUN, TEST])
def test_a_lock_has_all_that_is_declared(lock):
    pinned = pins(lock)
    for requirement in declared(lock):
        candidates = pinned.get(canonicalize_name(requirement.name), [])
        assert candidates, f"{requirement.name} is not in {lock}: run `make lock`"
        for pin, _ in candidates:
            version = next(iter(pin.specifier)).version
            assert requirement.specifier.contains(version), f"{lock}: {pin} is not {requirement}"


@pytest.mark.parametrize("lock", [RUN, TEST])
def test_a_lock_pins_and_hashes_everything(lock):
    for group in pins(lock).values():
        for pin, hashes in group:
            assert [each.operator for each in pin.specifier] == ["=="]
            assert hashes, f"{lock}: {pin} has no hash"


@pytest.mark.parametrize("lock", [RUN, TEST])
def test_a_lock_names_no_index_host(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"--(index-url|extra-index-url|find-links|trusted-host)", text)


def test_both_locks_agree():
    run, test = pins(RUN), pins(TEST)
    assert {name: [str(pin) for pin, _ in group] for name, group in run.items()} == {
        name: [str(pin) for pin, _ in group] for name, group in test.items() if name in run
    }


@pytest.mark.parametrize("lock", [RUN, TEST])
@pytest.mark.parametrize("package", ["dlib", "face-recognition-models"])
def test_what_would_be_compiled_is_never_installed(lock, package):
    for pin, _ in pins(lock).get(package, []):
        assert pin.marker is not None
        assert not pin.marker.evaluate(), f"{lock} would install {pin}"
    assert f"{package}-{'bin' if package == 'dlib' else 'ng'}" in pins(lock)
