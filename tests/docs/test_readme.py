"""What README and ARCHITECTURE promise exists: commands, make targets, files, the configuration."""

import re
from pathlib import Path

import pytest

from edge.config import load
from tests.command import storebox
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^\| `storebox ([a-z -]+?)(?: [A-Z]+)*` \|", README, re.M)))
TARGETS = sorted(set(re.findall(r"^    make ([a-z-]+)", README, re.M)))
FILES = sorted(
    set(re.findall(r"`((?:edge|sensors|hardware|kiosk|sync)/[a-z_/0-9]+\.py)`", ARCHITECTURE))
)


def helped(*words: str) -> str:
    done = storebox(*words, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_exists(command: str) -> None:
    assert helped(*command.split())


def test_every_command_is_in_the_readme() -> None:
    nouns = set(re.findall(r"^  ([a-z]+) ", helped(), re.M))
    assert nouns == {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_architecture_exists(name: str) -> None:
    assert (ROOT / name).is_file()


BLOCKS = re.findall(r"```toml\n(.*?)```", README, re.S)


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "storebox.toml"
    path.write_text(BLOCKS[0])
    assert set(load(path).sensors) == {"radar", "hotspot", "door", "scanner"}


@pytest.mark.parametrize("block", BLOCKS[1:])
def test_a_further_piece_of_configuration_is_valid(tmp_path: Path, block: str) -> None:
    path = tmp_path / "storebox.toml"
    path.write_text('[box]\ntenant = "chain"\nstore = "MSK-017"\nbox = "box-1"\n' + block)
    load(path)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_a_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
