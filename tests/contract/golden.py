"""The golden files: one example of everything said on the wire, as bytes, kept for ever.

`python -m tests.contract.golden` writes what is missing for the present version. What is there is
never written again: boxes in the field say it, so it must stay readable. A readable rendering
stands beside each. Called by hand after something was added to the contract.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from sync import batch, rows, tunnel
from sync.datasets import Manifest, Want
from sync.messages import VERSION, Ack, Greeting, Hello, Presence, decode, parse_topic
from sync.spoken import Command, Request, Response
from tests.contract.document import FOLDER, contract
from tests.contract.specimens import KEY, specimens

GOLDEN = FOLDER / "golden"
PUBLIC_KEY = "platform.pub"


def _batch(topic: str, payload: bytes) -> Any:
    address, _ = parse_topic(topic)
    header, body = batch.read_header(payload)
    return {"header": header, "events": batch.unpack(address, header, body).events}


def _rows(_topic: str, payload: bytes) -> Any:
    header, body, _ = rows.parse(payload)
    if isinstance(header, Manifest):
        return header
    return {"header": header, "rows": [list(_row(row)) for row in rows.rows_of(body, header.enc)]}


def _row(row: rows.Row) -> tuple[Any, ...]:
    return (row.key, row.text) if bytes(row.text) else (row.key,)


def _one(kind: type[Any]) -> Callable[[str, bytes], Any]:
    return lambda _topic, payload: decode(payload, kind)


READERS: dict[str, Callable[[str, bytes], Any]] = {
    "batch": _batch,
    "hello": _one(Hello),
    "presence": _one(Presence),
    "ack": _one(Ack),
    "greeting": _one(Greeting),
    "manifest": _rows,
    "chunk": _rows,
    "bucket": _rows,
    "delta": _rows,
    "want": _one(Want),
    "command": _one(Command),
    "request": _one(Request),
    "response": _one(Response),
    "piece": lambda _topic, payload: tunnel.decode(payload),
}
"""How the product reads each message of the document."""


def rendering(topic: str, payload: bytes, *, retain: bool) -> dict[str, Any]:
    """What a message says, read by the product, as plain JSON."""
    _, message = contract().check(topic, payload, qos=1, retain=retain)
    content = json.loads(msgspec.json.encode(READERS[message](topic, payload)))
    return {"topic": topic, "retain": retain, "message": message, "content": content}


def write(folder: Path) -> list[str]:
    """Write what is missing in `folder`; the names of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PUBLIC_KEY).write_text(KEY.public_line, encoding="ascii")
    written = []
    for name, said in specimens().items():
        binary, readable = folder / f"{name}.bin", folder / f"{name}.json"
        if binary.exists():
            continue
        binary.write_bytes(said.payload)
        text = rendering(said.topic, said.payload, retain=said.retain)
        readable.write_text(json.dumps(text, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(name)
    return written


if __name__ == "__main__":
    print("\n".join(write(GOLDEN / f"v{VERSION}")))
