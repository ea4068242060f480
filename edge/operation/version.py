"""Which storebox this is. Asked by the command line, the status answer and the birth message."""

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def version() -> str:
    """The installed version; from a source tree that is not installed, the one it would have."""
    try:
        return metadata.version("storebox")
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
