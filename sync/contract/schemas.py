"""The JSON Schemas of the wire, made from the types in `sync/messages.py`.

`python -m sync.contract.schemas` writes them beside this file; a test compares. The types are the
source, so that nothing is described that is not also checked.
"""

from pathlib import Path
from typing import Any

import msgspec

from edge.records import Member, Product, Stock
from sync.messages import (
    Ack,
    BatchHeader,
    CloudEvent,
    DatasetPart,
    Greeting,
    Hello,
    Presence,
    TemplateRow,
)

FOLDER = Path(__file__).resolve().parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: dict[str, Any] = {
    "batch-header": BatchHeader,
    "batch-body": tuple[CloudEvent, ...],
    "ack": Ack,
    "greeting": Greeting,
    "hello": Hello,
    "presence": Presence,
    "dataset-part": DatasetPart,
    "dataset-row-members": Member,
    "dataset-row-templates": TemplateRow,
    "dataset-row-catalogue": Product,
    "dataset-row-stock": Stock,
}


def generate() -> dict[str, bytes]:
    """The text of each schema by the name of its file."""
    return {f"{name}.schema.json": _text(kind) for name, kind in DOCUMENTS.items()}


def _text(kind: Any) -> bytes:
    schema = {"$schema": DIALECT, **msgspec.json.schema(kind)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def main() -> None:
    """Write all of them."""
    for name, text in generate().items():
        (FOLDER / name).write_bytes(text)


if __name__ == "__main__":
    main()
