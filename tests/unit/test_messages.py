"""The wire: what is said comes back the same, and what is hostile is refused."""

import json
from random import Random

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import BadMessage
from edge.records import Event, Moment, Stream
from edge.storage.outbox import EVENT_BYTES_MAX
from sync import batch as codec
from sync.batch import BODY_BYTES_MAX, Batch, moment_of, pack, read_header, unpack
from sync.messages import (
    BATCH_EVENTS_MAX,
    MESSAGE_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    Ack,
    Address,
    Dataset,
    Hello,
    Presence,
    decode,
    encode,
    parse_topic,
)

ADDRESS = Address("chain", "shop-1", "box.1")
EPOCH = "0badcafe"
NOW = Moment(1_800_000_000_000, 5_000, "b00tb00t", True)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", fullmatch=True)
moments = st.builds(
    Moment,
    st.integers(0, 253_402_300_799_999),
    st.integers(0, 2**50),
    st.text(max_size=36),
    st.booleans(),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def event(seq, body=b"{}", *, moment=NOW, stream=Stream.CRIT):
    return Event(ADDRESS.box, EPOCH, stream, seq, "made.v1", moment, msgspec.Raw(body))


def received(payload) -> Batch:
    return unpack(ADDRESS, *read_header(payload))


def forged(body=b"[]", *, address=ADDRESS, **changes):
    """A batch whose header fits its body, except for `changes`."""
    header, _ = read_header(pack(address, [event(1)], NOW)[0])
    fields = {"enc": "identity", "sha256_64": codec._checksum(body)} | changes
    return msgspec.json.encode(msgspec.structs.replace(header, **fields)) + b"\n" + body


@given(
    first=st.integers(1, 2**31 - 600),
    stream=st.sampled_from(Stream),
    told=st.lists(st.tuples(moments, json_values, st.booleans()), min_size=1, max_size=20),
)
def test_events_cross_byte_for_byte(first, stream, told):
    events = [
        # json.dumps puts blanks and escapes where msgspec would not: the bytes must stay theirs.
        event(
            first + place,
            json.dumps(value).encode() if spaced else msgspec.json.encode(value),
            moment=moment,
            stream=stream,
        )
        for place, (moment, value, spaced) in enumerate(told)
    ]
    payload, last = pack(ADDRESS, events, NOW)
    batch = received(payload)
    assert last == batch.header.last == first + len(events) - 1
    assert batch.header.stream is stream
    for sent, got in zip(events, batch.events, strict=True):
        assert bytes(got.data) == bytes(sent.body)
        assert (got.id, got.seq, got.type) == (sent.id, sent.seq, sent.type)
        assert moment_of(got) == sent.moment


@given(tenant=names, store=names, box=names, dataset=st.sampled_from(Dataset))
def test_topics_name_their_box(tenant, store, box, dataset):
    address = Address(tenant, store, box)
    assert parse_topic(address.up(Stream.BULK)) == (address, "up/bulk")
    assert parse_topic(address.presence) == (address, "st")
    assert parse_topic(address.dataset(dataset)) == (address, f"dn/d/{dataset}")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "sb/v1/chain/shop/box",
        "sb/v2/chain/shop/box/st",
        "xx/v1/chain/shop/box/st",
        "sb/v1/chain//box/st",
        "sb/v1/chain/shop/box\n/st",
        "sb/v1/chain/../box/st",
        "sb/v1/chain/" + "s" * 60 + "/box/st",
    ],
)
def test_foreign_topics_are_refused(topic):
    with pytest.raises(BadMessage):
        parse_topic(topic)


@pytest.mark.parametrize(
    "message",
    [
        Ack(1, EPOCH, {Stream.CRIT: 7, Stream.BULK: 0}, (Stream.BULK,)),
        Presence(1, "offline", "b00tb00t", 3),
    ],
)
def test_messages_come_back_the_same(message):
    assert decode(encode(message), type(message)) == message


@given(st.binary(max_size=300))
def test_noise_is_refused_with_our_own_error(noise):
    for kind in (Ack, Hello, Presence):
        with pytest.raises(BadMessage):
            decode(noise, kind)
    with pytest.raises(BadMessage):
        received(noise)


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"v":1,"epoch":"0badcafe","upto":{"crit":-1}}',
        b'{"v":1,"epoch":"0badcafe","upto":{"crit":1e99}}',
        b'{"v":1,"epoch":"0badcafe","upto":{"gold":1}}',
        b'{"v":2,"epoch":"0badcafe","upto":{}}',
        b'{"v":1,"epoch":"..\\/..","upto":{}}',
        b"{" + b" " * MESSAGE_BYTES_MAX + b"}",
    ],
)
def test_hostile_acknowledgements_are_refused(payload):
    with pytest.raises(BadMessage):
        decode(payload, Ack)


def cloud_event(**changes):
    event_ = {
        "specversion": "1.0", "id": f"{EPOCH}-crit-1", "source": "/x", "type": "made.v1",
        "time": "2026-01-01T00:00:00Z", "seq": 1, "mono": "5", "boot": "b", "clock": "synced",
        "data": {},
    }  # fmt: skip
    return json.dumps([event_ | changes]).encode()


def test_the_forger_can_forge():
    assert received(forged(cloud_event())).events[0].seq == 1


@pytest.mark.parametrize(
    "payload",
    [
        forged(cloud_event(), v=2),
        forged(cloud_event(), n=2),
        forged(cloud_event(), first=2),
        forged(cloud_event(), enc="zstd"),
        forged(cloud_event(), box="box.2"),
        forged(cloud_event(id="0badcafe-crit-2")),
        forged(cloud_event(id="ffffffff-crit-1")),
        forged(cloud_event(seq=2)),
        forged(cloud_event(time="yesterday")),
        forged(cloud_event(time="2026-01-01T00:00:00")),  # of no time zone
        forged(cloud_event(mono="soon")),
        forged(cloud_event(specversion="0.3")),
        forged(cloud_event().replace(b"{}", b"{]")),
        forged(cloud_event().replace(b"{}", b'"\xff"')),
        forged(cloud_event().replace(b"{}", b"[" * 60_000)),
        forged(b"[]"),
        forged(b"[" * 60_000),
        forged(cloud_event())[:-1],  # cut off
        forged(cloud_event()) + b" ",
        b"x" * 2000 + b"\n" + forged(),
    ],
)
def test_forged_batches_are_refused(payload):
    with pytest.raises(BadMessage):
        received(payload)


def test_a_bomb_does_not_unfold():
    bomb = zstandard.ZstdCompressor(level=19).compress(b" " * (BODY_BYTES_MAX * 10))
    assert len(bomb) < PAYLOAD_BYTES_MAX
    with pytest.raises(BadMessage, match="4 MiB"):
        received(forged(bomb, enc="zstd"))


def test_a_batch_holds_no_more_than_its_limits():
    payload, last = pack(ADDRESS, [event(n) for n in range(1, 700)], NOW)
    assert last == BATCH_EVENTS_MAX == received(payload).header.n


@settings(max_examples=8)  # each packs megabytes
@given(st.integers(1, 16), st.integers())
def test_large_events_travel_in_several_messages(count, seed):
    """Whatever the outbox accepts can be packed, and unpacked by the other side."""
    random = Random(seed)
    texts = (
        random.randbytes(random.randrange(EVENT_BYTES_MAX // 2 - 1)).hex() for _ in range(count)
    )
    events = [event(n, b'"%s"' % text.encode()) for n, text in enumerate(texts, start=1)]
    while events:
        payload, last = pack(ADDRESS, events, NOW)
        assert len(payload) <= PAYLOAD_BYTES_MAX
        header = received(payload).header
        assert (header.first, header.last) == (events[0].seq, last)
        events = events[header.n :]


def test_large_events_that_compress_well_stay_below_the_unpacked_limit():
    events = [event(n, b'"' + b"a" * (EVENT_BYTES_MAX - 2) + b'"') for n in range(1, 200)]
    assert received(pack(ADDRESS, events, NOW)[0]).header.n < 70


def test_a_batch_ends_at_a_hole():
    payload, last = pack(ADDRESS, [event(4), event(5), event(9)], NOW)
    assert (last, received(payload).header.n) == (5, 2)


@pytest.mark.parametrize("wall_ms", [-(2**53), 2**53])
def test_an_absurd_clock_stops_nothing(wall_ms):
    odd = Moment(wall_ms, 1, "b", False)
    assert received(pack(ADDRESS, [event(1, moment=odd)], NOW)[0]).header.n == 1
