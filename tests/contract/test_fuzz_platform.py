"""Hostile input on everything that the platform listens to: nothing stored that fits no contract.

Messages go into the reference platform's real dispatch, with its database behind it. What cannot be
used is kept aside (quarantine); if its header is legible its numbers count as done, and only then.
"""

import asyncio
import gc
import hashlib
import json
import logging
import random
import tracemalloc

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edge.records import Stream
from sync.spoken import Service
from tests.contract.document import Breach, contract, validator
from tests.contract.mischief import after_schema, json_values, mutants, noise
from tests.contract.specimens import ADDRESS, DATA, batch_of, specimens
from tests.contract.wires import FedPlatform

EXAMPLES = 120
HOSTILE_MESSAGES = 1000
GROWTH_BYTES_MAX = 2 << 20
NOT_STATE = ("quarantine",)

UPWARD = [
    said
    for said in specimens().values()
    if any(part in said.topic for part in ("/up/", "/rq/")) or said.topic.endswith("/st")
]
TOPICS = sorted(
    {said.topic for said in UPWARD}
    | {ADDRESS.request(service) for service in Service}
    | {f"sb/v1/{ADDRESS}/{rest}" for rest in ("rq/nothing", "up/x", "up/", "st/x", "dn/ack", "")}
    | {"sb/v1/a/-/-/up/crit", "sb/v1/-/-/-/st", "other", "sb/v1/" + "/" * 40, "sb/v2/a/b/c/up/crit"}
)
law = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A platform that has taken what is right; and the loop that it lives on."""
    with asyncio.Runner() as runner:
        platform = runner.run(started(tmp_path_factory.mktemp("platform")))
        yield runner.run, platform
        runner.run(platform.stop())


async def started(directory) -> FedPlatform:
    platform = FedPlatform(directory)
    await platform.start()
    for said in UPWARD:
        await platform.feed(said.topic, said.payload)
    said = sum(map(len, DATA.values()))
    assert platform.count("received") == said, "what is right must be taken, or this proves nothing"
    assert (platform.count("cursor"), platform.count("quarantine")) == (3, 0)
    return platform


def is_refused(topic: str, payload: bytes) -> bool:
    try:
        contract(strict=False).check(topic, payload, qos=1, retain=topic.endswith("/st"))
    except Breach:
        return True
    return False


def counts_as_done(topic: str, payload: bytes) -> bool:
    """Whether this is a batch with a legible header and an undamaged body."""
    line, _, body = payload.partition(b"\n")
    try:
        header = json.loads(line)
        validator("./messages/batch-header.schema.json", strict=False).validate(header | {"v": 1})
    except Exception:
        return False
    return "/up/" in topic and header["sha256_64"] == hashlib.sha256(body).hexdigest()[:16]


def nothing_is_stored(fed, topic: str, payload: bytes) -> None:
    run, platform = fed
    but = ("cursor", "gap", *NOT_STATE) if counts_as_done(topic, payload) else NOT_STATE
    before = platform.state(*but)
    run(platform.feed(topic, payload))
    assert platform.state(*but) == before


@law
@given(topic=st.sampled_from(TOPICS), payload=noise)
def test_noise_is_kept_aside(fed, topic, payload):
    assume(is_refused(topic, payload))
    nothing_is_stored(fed, topic, payload)


@law
@given(data=st.data(), said=st.sampled_from(UPWARD))
def test_what_is_almost_right_is_kept_aside(fed, data, said):
    payload = data.draw(mutants(said))
    assume(is_refused(said.topic, payload))
    nothing_is_stored(fed, said.topic, payload)


@law
@given(data=st.data(), body=noise, honest=st.booleans())
def test_events_that_are_none_are_not_stored(fed, data, body, honest):
    header = data.draw(after_schema("messages/batch-header"))
    if honest:
        header |= {"sha256_64": hashlib.sha256(body).hexdigest()[:16], "box": ADDRESS.box}
    payload = json.dumps(header).encode() + b"\n" + body
    topic = ADDRESS.up(header["stream"])
    assume(is_refused(topic, payload))
    nothing_is_stored(fed, topic, payload)


@law
@given(
    stream=st.sampled_from(Stream),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "first": st.integers(1, 2**31 - 1),
            "n": st.integers(1, 500),
            "epoch": st.from_regex("[0-9a-f]{8}", fullmatch=True),
            "box": st.sampled_from(["box-2", "box-1x"]),
        },
    ),
)
def test_events_that_do_not_fit_their_header_are_not_stored(fed, stream, changes):
    run, platform = fed
    line, _, body = batch_of(stream, "identity").partition(b"\n")
    header = json.loads(line)
    assume(any(header[name] != value for name, value in changes.items()))
    before = platform.count("received")
    payload = json.dumps(header | changes).encode() + b"\n" + body
    run(platform.feed(ADDRESS.up(stream), payload))
    assert platform.count("received") == before


@law
@given(
    service=st.sampled_from(Service),
    args=st.dictionaries(
        st.sampled_from(["sku", "member", "coupon", "order", "phone", "code", "number", "x"]),
        json_values,
        max_size=4,
    ),
)
def test_every_question_is_answered_or_kept_aside(fed, service, args):
    run, platform = fed
    request = json.loads(specimens()["request"].payload) | {"args": args}
    topic, payload = ADDRESS.request(service), json.dumps(request).encode()
    before = platform.count("received"), platform.count("cursor"), platform.count("box")
    run(platform.feed(topic, payload))
    assert (platform.count("received"), platform.count("cursor"), platform.count("box")) == before


@law
@given(data=st.data(), kind=st.sampled_from(["hello", "presence", "want"]))
def test_what_fits_the_schema_brings_nothing_down(fed, data, kind):
    run, platform = fed
    message = data.draw(after_schema(f"messages/{kind}"))
    topic = {"hello": ADDRESS.up("hello"), "presence": ADDRESS.presence}.get(kind)
    before = platform.count("received")
    run(platform.feed(topic or ADDRESS.request("dataset"), json.dumps(message).encode()))
    assert platform.count("received") == before


@pytest.mark.parametrize("stream", Stream)
@pytest.mark.parametrize("enc", ["zstd", "gzip", "identity"])
def test_what_was_committed_is_not_stored_again(fed, stream, enc):
    run, platform = fed
    before = platform.count("received")
    for _ in range(3):
        run(platform.feed(ADDRESS.up(stream), batch_of(stream, enc)))
    assert platform.count("received") == before


def test_another_boxs_batch_is_not_stored(fed):
    run, platform = fed
    before = platform.count("received")
    for said in UPWARD:
        if "/up/" in said.topic and not said.topic.endswith("hello"):
            run(platform.feed(said.topic.replace("box-1", "box-2"), said.payload))
    assert platform.count("received") == before


def test_a_flood_takes_no_memory(fed, caplog):
    run, platform = fed
    caplog.set_level(logging.CRITICAL)  # pytest keeps every line of the log
    chance = random.Random(7)
    hostile = [
        *(said.payload[: chance.randrange(len(said.payload))] for said in UPWARD),
        *(bytes(chance.randrange(256) for _ in range(200)) for _ in range(20)),
        b"[" * 50_000,
    ]

    async def flood(count: int) -> None:
        for number in range(count):
            await platform.feed(chance.choice(TOPICS), hostile[number % len(hostile)])

    run(flood(100))
    gc.collect()
    tracemalloc.start()
    try:
        run(flood(HOSTILE_MESSAGES))
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < GROWTH_BYTES_MAX
    run(platform.feed(ADDRESS.up(Stream.CRIT), batch_of(Stream.CRIT, "zstd")))
    assert platform.wire.said
