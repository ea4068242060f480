"""Schemas and types mean the same: what one takes the other takes, for whatever hypothesis finds.

The types are what box and platform really validate with; the schemas are what a stranger reads.
"""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import BadMessage
from sync.contract import schemas
from sync.datasets import Header
from sync.messages import decode
from sync.rows import KINDS
from tests.contract.document import validator
from tests.contract.mischief import after_schema, json_values
from tests.contract.specimens import specimens

NOT_MADE = {"batch-body", "templates", "media"}
"""Dates and base64, which a schema's pattern does not tell how to make."""
TYPES = {
    f"{folder}/{name}": kind
    for folder, kinds in (("messages", schemas.MESSAGES), ("rows", KINDS))
    for name, kind in kinds.items()
    if name not in NOT_MADE
}
TYPES |= {
    f"messages/{name}": Header
    for name in ("manifest", "chunk-header", "bucket-header", "delta-header")
}
"""Told apart by `kind`, and read as one."""
SEEDS = {
    "messages/batch-header": "batch-crit-zstd",
    "messages/chunk-header": "chunk",
    "messages/bucket-header": "bucket",
    "messages/delta-header": "delta",
    "messages/presence": "presence-online",
    **{f"messages/{name}": name for name in ("ack", "greeting", "hello", "manifest", "want")},
    **{f"messages/{name}": name for name in ("command", "request", "response")},
}
law = settings(
    max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def agree(name: str, value: object) -> None:
    """The type takes `value` if and only if the schema does."""
    allowed = validator(f"./{name}.schema.json", strict=False).is_valid(value)
    try:
        decode(json.dumps(value).encode(), TYPES[name])
        taken = True
    except BadMessage as error:
        taken, allowed = False, allowed and str(error)
    assert taken is allowed


@pytest.mark.parametrize("name", TYPES)
@law
@given(data=st.data())
def test_what_a_schema_allows_the_type_takes(name, data):
    value = data.draw(after_schema(name))
    msgspec.json.decode(json.dumps(value), type=TYPES[name])


@pytest.mark.parametrize("name", SEEDS)
@law
@given(data=st.data())
def test_about_what_is_almost_right_they_agree(name, data):
    value = json.loads(specimens()[SEEDS[name]].payload.partition(b"\n")[0])
    for member in data.draw(st.lists(st.sampled_from(sorted(value)), min_size=1, max_size=2)):
        if data.draw(st.booleans()):
            value.pop(member, None)
        else:
            value[member] = data.draw(json_values)
    agree(name, value)
