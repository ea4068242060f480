"""The JSON Schemas of the wire, written from the types that box and platform validate with.

`python -m sync.contract.schemas` writes them beside this file after a type changed; a test compares
them with the types, so that neither can change without the other. `asyncapi.yaml` refers to the
files and says on which topic each is said. Nothing of the product imports this.
"""

import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.inspect import DictType, EnumType, StrType, StructType, Type

from sync import commands, datasets, messages, rows, spoken
from sync.contract import events, services

FOLDER = Path(__file__).resolve().parent
FOLDERS = ("messages", "rows", "events", "commands", "services")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

MESSAGES: dict[str, Any] = {
    "batch-header": messages.BatchHeader,
    "batch-body": tuple[messages.CloudEvent, ...],
    "ack": messages.Ack,
    "greeting": messages.Greeting,
    "hello": messages.Hello,
    "presence": messages.Presence,
    "manifest": datasets.Manifest,
    "chunk-header": datasets.Chunk,
    "bucket-header": datasets.Bucket,
    "delta-header": datasets.Delta,
    "want": datasets.Want,
    "command": spoken.Command,
    "request": spoken.Request,
    "response": spoken.Response,
}

_KEY = msgspec.json.schema(datasets.RowKey)
_PLACED = {"type": "array", "prefixItems": [_KEY, {"type": "object"}], "minItems": 2, "maxItems": 2}
_GONE = {"type": "array", "prefixItems": [_KEY], "minItems": 1, "maxItems": 1}
BODIES: dict[str, dict[str, Any]] = {
    "rows-body": {
        "title": "Rows",
        "description": "The body of a chunk or bucket: each row with its key.",
        "type": "array",
        "items": _PLACED,
        "maxItems": datasets.CHUNK_ROWS_MAX,
    },
    "changes-body": {
        "title": "Changes",
        "description": "The body of a delta: a row with its key, or the key alone of a row gone.",
        "type": "array",
        "items": {"oneOf": [_PLACED, _GONE]},
    },
}


def generate() -> dict[str, bytes]:
    """The text of each schema by its path below this folder."""
    kinds = {
        **{f"messages/{name}": kind for name, kind in MESSAGES.items()},
        **{f"rows/{name}": kind for name, kind in rows.KINDS.items()},
        **{f"commands/{name}": kind for name, kind in commands.ACTIONS.items()},
        **{f"events/{name}": kind for name, kind in events.BY_TYPE.items()},
    }
    for service, (asked, told) in services.BY_SERVICE.items():
        kinds |= {f"services/{service}.args": asked, f"services/{service}.value": told}
    texts = {_file(name): _text(_schema(kind)) for name, kind in kinds.items()}
    return texts | {_file(f"messages/{name}"): _text(body) for name, body in BODIES.items()}


def _file(name: str) -> str:
    return f"{name}.schema.json"


def _schema(kind: Any) -> dict[str, Any]:
    """msgspec's own, with what it leaves out: which names an object's members may have."""
    schema = msgspec.json.schema(kind)
    for struct in _structs(msgspec.inspect.type_info(kind)):
        members = schema["$defs"][struct.cls.__name__]["properties"]
        for field in struct.fields:
            if isinstance(field.type, DictType) and (names := _names(field.type.key_type)):
                members[field.encode_name]["propertyNames"] = names
    return schema


def _names(key: Type) -> dict[str, Any]:
    if isinstance(key, EnumType):
        return {"enum": [member.value for member in key.cls]}
    if isinstance(key, StrType) and key.max_length is not None:
        return {"maxLength": key.max_length}
    return {}


def _structs(kind: Any) -> Iterator[StructType]:
    """All that `kind` consists of. Ours do not contain themselves."""
    if isinstance(kind, StructType):
        yield kind
        for field in kind.fields:
            yield from _structs(field.type)
    for name in ("item_type", "value_type"):
        if hasattr(kind, name):
            yield from _structs(getattr(kind, name))
    for each in (*getattr(kind, "item_types", ()), *getattr(kind, "types", ())):
        yield from _structs(each)


def _text(schema: dict[str, Any]) -> bytes:
    document = {"$schema": DIALECT, **_plain(schema)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _plain(schema: Any) -> Any:
    """The same without the indentation of docstrings."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: inspect.cleandoc(value) if name == "description" else _plain(value)
        for name, value in schema.items()
    }


def main() -> None:
    """Write all of them, and nothing but them."""
    for folder in FOLDERS:
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
        (FOLDER / folder).mkdir()
    for name, text in generate().items():
        (FOLDER / name).write_bytes(text)


if __name__ == "__main__":
    main()
