"""Recordings: what scapy and tcpdump write is read back, and damage gives a sentence."""

import gzip
import random
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from scapy.layers.dot11 import RadioTap
from scapy.utils import PcapNgWriter, PcapWriter

from edge.errors import BadFrame, DeviceNotFound, WrongDevice
from hardware.capture_file import RECORD_BYTES_MAX, Record, records
from tests.drivers.frames import pcap, probe, radiotap

FRAMES = [radiotap(probe(bytes((2, 0, 0, 0, 0, n)), seq=n)) for n in range(5)]
TIMES_MS = [0, 20, 1500, 90_000, 89_990]
EXPECTED = [Record(ms, 127, frame) for ms, frame in zip(TIMES_MS, FRAMES, strict=True)]
PCAP = pcap(list(zip(TIMES_MS, FRAMES, strict=True)))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def blocks(order: str, *, resolution: bytes = b"", offset_s: int = 0) -> bytes:
    """A pcapng section with one interface, and the frames above at one microsecond a tick."""
    options = (struct.pack(order + "HHB3x", 9, 1, resolution[0]) if resolution else b"") + (
        struct.pack(order + "HHq", 14, 8, offset_s) if offset_s else b""
    )
    made = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += block(order, 1, struct.pack(order + "HHI", 127, 0, 65535) + options + bytes(4))
    made += block(order, 0x0BAD, b"skipped!")
    for ms, frame in zip(TIMES_MS, FRAMES, strict=True):
        head = struct.pack(order + "5I", 0, 0, ms * 1000 + 7, len(frame), len(frame))
        made += block(order, 6, head + frame + bytes(-len(frame) % 4))
    return made


def block(order: str, kind: int, body: bytes) -> bytes:
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_what_scapy_writes_as_pcap_is_read_back(
    tmp_path: Path, nano: bool, endianness: str
) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(str(path), linktype=127, nano=nano, endianness=endianness) as writer:
        for ms, frame in zip(TIMES_MS, FRAMES, strict=True):
            packet = RadioTap(frame)
            packet.time = 1_700_000_000 + ms / 1000
            writer.write(packet)
    # scapy keeps times as floats: a millisecond may round down
    read = list(records(path))
    assert [record.frame for record in read] == FRAMES
    assert all(abs(r.offset_ms - ms) <= 1 for r, ms in zip(read, TIMES_MS, strict=True))


def test_what_scapy_writes_as_pcapng_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with PcapNgWriter(str(path)) as writer:
        for frame in FRAMES:
            writer.write(RadioTap(frame))
    assert [(record.link_type, record.frame) for record in records(path)] == [
        (127, frame) for frame in FRAMES
    ]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [b"", b"\x06"])
def test_pcapng_of_both_byte_orders_keeps_time(
    tmp_path: Path, order: str, resolution: bytes
) -> None:
    path = written(tmp_path / "a", blocks(order, resolution=resolution, offset_s=5))
    assert list(records(path)) == EXPECTED


def test_pcapng_ticks_can_be_powers_of_two(tmp_path: Path) -> None:
    path = written(tmp_path / "a", blocks("<", resolution=b"\x94"))  # 2**20 ticks a second
    assert [record.offset_ms for record in records(path)][:3] == [0, 19, 1430]


def test_sections_follow_each_other_even_in_the_other_byte_order(tmp_path: Path) -> None:
    path = written(tmp_path / "a", blocks("<") + blocks(">"))
    assert [record.frame for record in records(path)] == FRAMES * 2


def test_packed_and_plain_captures_are_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.pcap", PCAP)
    packed = written(tmp_path / "a.pcap.gz", gzip.compress(PCAP))
    assert list(records(plain)) == list(records(packed)) == EXPECTED


def test_every_recording_is_read_to_its_end(recordings: Path) -> None:
    paths = sorted((recordings / "wifi").glob("*/*.pcap*"))[::10]
    for path in paths:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        size = 24 + sum(16 + len(record.frame) for record in records(path))
        assert size == len(raw)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_cut_capture_counts_as_far_as_it_goes(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    path = written(tmp_path / "a", pack(PCAP[:-1]))
    stream = records(path)
    assert [next(stream) for _ in range(4)] == EXPECTED[:4]
    with pytest.raises(BadFrame, match="middle of a record"):
        next(stream)


def test_a_cut_archive_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", gzip.compress(PCAP)[:-9])
    with pytest.raises(BadFrame, match="cut short"):
        list(records(path))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", WrongDevice),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), WrongDevice),
        (b"\x1f\x8bgarbage", BadFrame),
        (gzip.compress(b"no capture", mtime=0), WrongDevice),
        (PCAP[:20], BadFrame),
        (PCAP[:4], BadFrame),
        (PCAP[:32] + struct.pack("<I", RECORD_BYTES_MAX + 1) + PCAP[36:], BadFrame),
        (blocks("<")[:12] + struct.pack("<I", 13), BadFrame),
        (blocks("<")[:-1], BadFrame),
        (blocks("<")[:-2] + b"\xff\xff", BadFrame),
        (blocks("<") + block("<", 1, b"abcd"), BadFrame),
        (blocks("<") + block("<", 6, struct.pack("<5I", 9, 0, 0, 0, 0)), BadFrame),
        (blocks("<") + block("<", 6, struct.pack("<5I", 0, 0, 0, 99, 99)), BadFrame),
        (blocks("<") + block("<", 3, bytes(8)), BadFrame),
        (blocks("<") + struct.pack("<II", 6, 0xFFFFFFF0), BadFrame),
    ],
)
def test_what_is_no_capture_gives_a_sentence(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        list(records(written(tmp_path / "a", content)))
    assert str(tmp_path / "a") in str(refused.value)


def test_a_missing_file_is_a_missing_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="cannot be read"):
        list(records(tmp_path / "none.pcap"))
    with pytest.raises(DeviceNotFound, match="cannot be read"):
        list(records(tmp_path))


@pytest.mark.parametrize("whole", [PCAP, blocks("<"), gzip.compress(PCAP, mtime=0)])
def test_damage_anywhere_gives_records_or_a_named_error(tmp_path: Path, whole: bytes) -> None:
    dice = random.Random(7)
    path = tmp_path / "a"
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            content[dice.randrange(len(content))] = dice.choice((0, 255, dice.getrandbits(8)))
        with suppress(BadFrame, WrongDevice):
            list(records(written(path, bytes(content[: dice.randrange(len(content))]))))


def test_a_time_stamp_years_away_is_damage(tmp_path: Path) -> None:
    """The core takes no such moment; what came before it counts."""
    path = written(tmp_path / "a.pcapng", blocks("<", resolution=b"\x00"))
    far = 20 * 366 * 86_400
    head = struct.pack("<5I", 0, 0, far, len(FRAMES[0]), len(FRAMES[0]))
    with path.open("ab") as file:
        file.write(block("<", 6, head + FRAMES[0] + bytes(-len(FRAMES[0]) % 4)))
    reading = records(path)
    assert [next(reading).frame for _ in TIMES_MS] == FRAMES
    with pytest.raises(BadFrame, match="years away"):
        next(reading)
