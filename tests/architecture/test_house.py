"""The house rules that can be counted: see CONTRIBUTING.md for what they are for."""

import ast
import re
from pathlib import Path

import pytest

from edge import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "sensors", "kiosk", "sync", "hardware")
CODE = sorted(
    path for folder in (*PACKAGES, "scripts", "tests") for path in (ROOT / folder).rglob("*.py")
)
PRODUCT = [path for path in CODE if path.relative_to(ROOT).parts[0] != "tests"]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
DOCSTRING_LINES_MAX = 8
EMPTY_NAMES = {"utils", "util", "helpers", "manager", "handler", "data", "misc", "common"}
NOT_OURS = {".git", ".venv", "build", "__pycache__", "node_modules"}
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
    )
]
"""Host names of package registries; written apart, so that this file names none."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def our_files() -> list[Path]:
    """Every file of the tree that is ours, code or not."""
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not NOT_OURS & set(path.relative_to(ROOT).parts)
        and not any(part.endswith(("_cache", ".egg-info")) for part in path.parts)
    ]


@pytest.mark.parametrize("path", CODE, ids=name)
def test_a_module_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        assert path.name == "__init__.py"
        return
    assert ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"


@pytest.mark.parametrize("path", CODE, ids=name)
def test_a_file_can_be_read_in_one_sitting(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES_MAX, f"{name(path)} has {lines} lines"


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_function_fits_on_a_screen(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {
        function.name: lines
        for function in functions
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert not long, f"{name(path)}: {long}"


def test_a_module_has_a_name_that_says_something():
    assert [name(path) for path in CODE if path.stem in EMPTY_NAMES] == []


def test_nothing_names_where_packages_come_from():
    assert not (ROOT / "uv.lock").exists(), "uv.lock names index hosts; use `make lock`"
    guilty = {
        f"{name(path)}: {host}"
        for path in our_files()
        for host in REGISTRIES
        if host.encode() in path.read_bytes()
    }
    assert guilty == set()


# --- the tree of errors in the docstring of edge/errors.py


def drawn_tree(docstring: str) -> dict[str, str]:
    """Child -> parent as drawn with box characters."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in docstring.splitlines():
        drawn = re.match(r"^([ │├└─]*)([A-Z]\w+)\s{2,}\S", line)
        if not drawn:
            continue
        depth = len(drawn.group(1))
        above = [(d, n) for d, n in above if d < depth]
        parents[drawn.group(2)] = above[-1][1] if above else "Exception"
        above.append((depth, drawn.group(2)))
    return parents


def test_the_tree_of_errors_is_drawn_as_it_is():
    classes = {
        each.__name__: each.__bases__[0].__name__
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert errors.__doc__
    assert drawn_tree(errors.__doc__) == classes


def test_reading_the_drawn_tree_sees_a_wrong_branch():
    right = "A tree.\n\n    Top    x\n    ├── Left    y\n    │   └── Leaf    z\n    └── Right   z\n"
    expected = {"Top": "Exception", "Left": "Top", "Leaf": "Left", "Right": "Top"}
    assert drawn_tree(right) == expected
    assert drawn_tree(right.replace("│   └── Leaf", "└── Leaf")) != expected
