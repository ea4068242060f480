"""Input that nobody should send: strategies for the fuzz tests, from noise to almost right.

`after_schema` makes what a schema allows, `mutants` take a specimen and spoil it: a member gone,
doubled, of the wrong type, huge or deep; a body cut, flipped, swapped. Used by the fuzz tests only.
"""

import json
from typing import Any

from hypothesis import strategies as st

from tests.contract.document import FOLDER
from tests.contract.specimens import Specimen

HUGE = 2**70
DEEP = 20_000
"""Deeper than any parser's stack that does not count."""

_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-HUGE, HUGE)
    # JSON Schema takes 1.0 as an integer, and we do not: whoever sends a count sends no fraction.
    | st.floats(-1e6, 1e6).map(lambda number: number + 0.5 if number.is_integer() else number)
    | st.text(max_size=40)
    | st.sampled_from(["", "-", "../..", "\0", "x" * 5000, "🐚" * 200, HUGE, -1, 2**53, 1e308])
)
json_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
noise = (
    st.binary(max_size=300)
    | st.sampled_from(
        [
            b"",
            b"\n",
            b"[" * DEEP,
            b'{"v":' * DEEP,
            b'{"v":1,' + b'"a":1,' * 5000 + b'"b":1}',
            b"x" * (128 * 1024 + 1),
            b"\xff\xfe\x00{}",
            b"1e999999",
            b'"' + b"\\ud800" * 10 + b'"',
        ]
    )
    | json_values.map(lambda value: json.dumps(value).encode())
)


def after_schema(name: str) -> st.SearchStrategy[Any]:
    """What the schema file `name` allows: ours use little of the language of JSON Schema."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return _of(schema, schema)


def _of(node: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in node:
        return st.deferred(lambda: _of(root["$defs"][node["$ref"].rpartition("/")[2]], root))
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if choices := node.get("anyOf", node.get("oneOf")):
        return st.one_of(*(_of(choice, root) for choice in choices))
    makers = {
        "object": _object,
        "array": _array,
        "string": _string,
        "integer": _integer,
        "number": lambda *_: st.floats(allow_nan=False, allow_infinity=False),
        "boolean": lambda *_: st.booleans(),
        "null": lambda *_: st.none(),
    }
    return makers[node["type"]](node, root) if "type" in node else json_values


def _object(node: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    members = {name: _of(each, root) for name, each in node.get("properties", {}).items()}
    needed = {name: members.pop(name) for name in node.get("required", ()) if name in members}
    further = node.get("additionalProperties")
    made = st.fixed_dictionaries(needed, optional=members)
    if not isinstance(further, dict):
        return made
    allowed = node.get("propertyNames", {}).get("enum", ["0", "255", "x"])
    names = st.sampled_from(allowed)
    return st.dictionaries(names, _of(further, root), max_size=3)


def _array(node: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "prefixItems" in node:
        return st.tuples(*(_of(each, root) for each in node["prefixItems"])).map(list)
    longest = min(node.get("maxItems", 4), 4)
    return st.lists(_of(node.get("items", {}), root), max_size=longest)


def _string(node: dict[str, Any], _: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "pattern" in node:
        return st.from_regex(node["pattern"], fullmatch=True)
    return st.text(min_size=node.get("minLength", 0), max_size=min(node.get("maxLength", 20), 20))


def _integer(node: dict[str, Any], _: dict[str, Any]) -> st.SearchStrategy[Any]:
    least = node.get("minimum", node.get("exclusiveMinimum", -HUGE))
    most = node.get("maximum", node.get("exclusiveMaximum", HUGE + 1) - 1)
    return st.integers(least, most)


@st.composite
def mutants(draw: st.DrawFn, said: Specimen) -> bytes:
    """The payload of `said`, spoiled once or twice."""
    payload = said.payload
    for _ in range(draw(st.integers(1, 2))):
        payload = draw(st.sampled_from([_member_spoiled, _bytes_spoiled]))(draw, payload)
    return payload


def _member_spoiled(draw: st.DrawFn, payload: bytes) -> bytes:
    line, newline, body = payload.partition(b"\n")
    try:
        header = json.loads(line)
    except ValueError:
        return _bytes_spoiled(draw, payload)
    if not isinstance(header, dict) or not header:
        return payload + b"x"
    name = draw(st.sampled_from(sorted(header)))
    match draw(st.sampled_from(["gone", "other", "doubled", "inside", "added"])):
        case "gone":
            del header[name]
        case "other":
            header[name] = draw(json_values)
        case "doubled":
            doubled = json.dumps({name: draw(json_values)})[1:-1]
            return line[:-1] + b"," + doubled.encode() + b"}" + newline + body
        case "inside" if isinstance(header[name], dict):
            header[name] |= {draw(st.text(max_size=8)): draw(json_values)}
        case _:
            header |= {draw(st.text(max_size=8)): draw(json_values)}
    return json.dumps(header).encode() + newline + body


def _bytes_spoiled(draw: st.DrawFn, payload: bytes) -> bytes:
    if not payload:
        return b"\0"
    at = draw(st.integers(0, len(payload) - 1))
    match draw(st.sampled_from(["cut", "flip", "insert", "swap", "twice"])):
        case "cut":
            return payload[:at]
        case "flip":
            flipped = payload[at] ^ (1 << draw(st.integers(0, 7)))
            return payload[:at] + bytes([flipped]) + payload[at + 1 :]
        case "insert":
            return payload[:at] + draw(st.binary(min_size=1, max_size=20)) + payload[at:]
        case "swap":
            return payload[at:] + payload[:at]
        case _:
            return payload + payload
