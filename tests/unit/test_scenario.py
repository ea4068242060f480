"""The seeded shop morning: the same for its seed, true to itself, and no luck in its faces."""

import base64
import json
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge.codes.check_digits import has_gs1_check
from edge.errors import DeviceError, InputError
from edge.face_models import DLIB, dimensions_of
from edge.records import (
    ConsentKind,
    Member,
)
from edge.sales import (
    Product,
    Stock,
)
from hardware.capture_file import records
from hardware.dot11 import RADIOTAP, ProbeParser, ProbeRequest
from hardware.faces.backends import load
from hardware.faces.face import FaceBackend
from sensors.scenario import building, cast, clips, faces, radar, script, shop, story
from tests.scenarios import SEED, built


@pytest.fixture(scope="module")
def directory() -> Path:
    return built()


@pytest.fixture(scope="module")
def morning(directory) -> story.Story:
    return story.load(directory)


@pytest.fixture(scope="module")
def backend() -> FaceBackend:
    return load(None, DLIB)


def platform(directory: Path, name: str, row: type) -> list:
    return msgspec.json.decode(
        (directory / "platform" / f"{name}.json").read_bytes(), type=list[row]
    )


def apart(one: bytes, other: bytes) -> float:
    return float(np.linalg.norm(np.frombuffer(one, "<f4") - np.frombuffer(other, "<f4")))


def templates(directory: Path) -> dict[str, list[bytes]]:
    rows = json.loads((directory / "platform" / "templates.json").read_text())
    assert {row["model"] for row in rows} == {DLIB}
    return {row["member"]: [base64.b64decode(one) for one in row["vectors"]] for row in rows}


# --- the seed decides everything


def test_the_radio_capture_depends_on_the_seed_alone(directory, tmp_path):
    paths = [tmp_path / "same", tmp_path / "other"]
    for path, seed in zip(paths, (SEED, SEED + 1), strict=True):
        radar.write(path, seed=seed, start_ms=story.START_MS, duration_ms=story.DURATION_MS)
    assert paths[0].read_bytes() == (directory / "radar.pcap").read_bytes()
    assert paths[1].read_bytes() != paths[0].read_bytes()


def test_a_clip_is_the_same_when_drawn_again(directory, morning, tmp_path):
    first = morning.visits[0]
    (person,) = (one for one in cast.PEOPLE if one.label == first.label)
    building.film(tmp_path, (first,), {first.label: faces.altered(person.face)}, SEED)
    assert (tmp_path / first.clip).read_bytes() == (directory / first.clip).read_bytes()


def test_templates_are_the_same_when_embedded_again(directory, backend):
    (number,) = (n for n, one in enumerate(cast.PEOPLE) if one.member == "m-1004")
    chance = np.random.default_rng([SEED, 2, number])
    again = building.photographed(backend, faces.altered(cast.PEOPLE[number].face), chance)
    assert again == templates(directory)["m-1004"]


def test_the_plot_depends_on_the_seed_alone(morning):
    assert script.visits(SEED) == morning.visits
    assert script.visits(SEED + 1) != morning.visits


def test_a_finished_scenario_is_kept(directory, morning):
    before = (directory / "story.json").stat()
    lines: list[str] = []
    assert story.build(directory, seed=SEED, progress=lines.append) == morning
    assert lines == []
    assert (directory / "story.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": "x"}'])
def test_a_damaged_story_is_no_story(tmp_path, content):
    (tmp_path / "story.json").write_text(content)
    with pytest.raises(InputError, match="holds no story"):
        story.load(tmp_path)


# --- faces


def test_every_walk_in_was_measured_and_is_clear(morning):
    assert [one.label for one in morning.likeness] == [visit.label for visit in morning.visits]
    for visit, likeness in zip(morning.visits, morning.likeness, strict=True):
        assert (likeness.own_max is not None) == visit.by_face
        assert (likeness.own_max or 0) <= 0.32
        assert likeness.others_min >= 0.44


def test_templates_of_different_members_are_far_apart(directory):
    for (_, some), (_, others) in combinations(templates(directory).items(), 2):
        assert min(apart(one, other) for one in some for other in others) > 0.44


def test_templates_have_length_1(directory):
    for vectors in templates(directory).values():
        lengths = [np.linalg.norm(np.frombuffer(vector, "<f4")) for vector in vectors]
        assert lengths == pytest.approx([1.0] * 3, abs=1e-5)


def test_enrolment_pictures_differ_and_are_one_person(directory):
    for vectors in templates(directory).values():
        distances = [apart(one, other) for one, other in combinations(vectors, 2)]
        assert min(distances) > 0.02
        assert max(distances) < 0.32


def test_a_face_that_is_too_like_anothers_stops_the_build(directory, morning, backend):
    first = morning.visits[0]
    known = templates(directory)
    exchanged = {**known, "m-1001": known["m-1002"], "m-1002": known["m-1001"]}
    with pytest.raises(DeviceError, match="not clear enough"):
        building.measured(backend, directory / first.clip, first, exchanged)


def test_a_clip_without_a_face_stops_the_build(directory, morning, backend, tmp_path):
    wall = np.full((400, 300, 3), 90, np.uint8)
    clips.render(wall, tmp_path / "wall.avi", seed=1)
    with pytest.raises(DeviceError, match="see no face"):
        building.measured(backend, tmp_path / "wall.avi", morning.visits[0], templates(directory))


# --- the platform's rows


def test_only_who_agreed_to_it_has_templates(directory):
    members = platform(directory, "members", Member)
    agreed = {one.id for one in members if one.agreed(ConsentKind.FACE)}
    assert set(templates(directory)) == agreed
    assert len(agreed) >= 2
    assert len(members) == 8
    for vectors in templates(directory).values():
        assert [len(vector) for vector in vectors] == [4 * dimensions_of(DLIB)] * 3


def test_codes_are_valid_and_collide_with_nothing(directory):
    products = platform(directory, "catalogue", Product)
    cards = [one.card for one in platform(directory, "members", Member)]
    codes = [one.gtin for one in products] + cards + [shop.UNKNOWN_GTIN]
    assert len(set(codes)) == len(codes)
    assert all(has_gs1_check(code) and len(code) == 13 for code in codes)
    assert all(code.startswith("278") for code in cards)
    assert all(one.gtin.startswith("299") for one in products)


def test_the_catalogue_has_models_in_sizes_and_both_languages(directory):
    products = platform(directory, "catalogue", Product)
    assert 12 <= len(products) <= 30
    assert len({one.sku for one in products}) == len(products)
    assert all(set(one.titles) == {"ru", "en"} and one.price_minor > 0 for one in products)
    assert all((one.member_price_minor or 0) < one.price_minor for one in products)
    assert any(len({p.size for p in products if p.model == one.model}) > 2 for one in products)


def test_stock_is_known_everywhere_and_one_size_is_sold_out_here(directory):
    skus = {one.sku for one in platform(directory, "catalogue", Product)}
    rows = {(one.sku, one.place): one.quantity for one in platform(directory, "stock", Stock)}
    places = {shop.STORE, *shop.NEARBY, shop.WAREHOUSE}
    assert set(rows) == {(sku, place) for sku in skus for place in places}
    assert rows[shop.SOLD_OUT_HERE, shop.STORE] == 0
    assert rows[shop.SOLD_OUT_HERE, shop.WAREHOUSE] > 0


# --- the plot


def test_those_who_walk_in_are_who_the_demo_needs(directory, morning):
    members = {one.id: one for one in platform(directory, "members", Member)}
    for visit in morning.visits:
        agreed = visit.member is not None and members[visit.member].agreed(ConsentKind.FACE)
        assert visit.by_face == agreed
    assert sum(visit.member is None for visit in morning.visits) >= 1
    assert any(visit.member and not visit.by_face for visit in morning.visits)
    assert len({visit.member for visit in morning.visits if visit.by_face}) >= 2


def test_everything_happens_in_order_within_the_morning(morning):
    for events in (morning.visits, morning.acts):
        times = [one.at_ms for one in events]
        assert times == sorted(times)
        assert morning.start_ms <= times[0]
        assert times[-1] <= morning.end_ms


def test_orders_are_placed_with_the_line_up_and_cut(directory, morning):
    members = {one.id: one for one in platform(directory, "members", Member)}
    products = {one.gtin: one for one in platform(directory, "catalogue", Product)}
    cut, orders_while_cut, orders, in_cart = False, 0, 0, 0
    card, scanned = None, None
    for act in morning.acts:
        match act:
            case story.Scan(text=text, expected=story.Expected.CARD):
                card = text
            case story.Scan(text=text, expected=story.Expected.PRODUCT):
                scanned = products[text].sku
            case story.Scan(text=text, expected=story.Expected.UNKNOWN):
                assert text not in products
            case story.Add(sku=sku):
                assert sku == scanned
                in_cart += 1
            case story.PlaceOrder(member=member, lines=lines):
                assert lines == in_cart > 0
                assert (members[member].card if member else None) == card
                orders, orders_while_cut = orders + 1, orders_while_cut + cut
                in_cart, card = 0, None
            case story.Cut():
                cut = True
            case story.Restore():
                cut = False
    assert not cut
    assert orders >= 4
    assert orders_while_cut == 2


def test_the_kiosk_also_meets_the_unknown_and_garbage(morning):
    expected = {act.expected for act in morning.acts if isinstance(act, story.Scan)}
    assert expected == set(story.Expected)


def test_the_scripts_of_the_devices_follow_the_truth(directory, morning):
    door = json.loads((directory / "door.json").read_text())
    shown = [(morning.start_ms + one["at_ms"], one["video"]) for one in door["segments"]]
    assert shown == [(visit.at_ms, visit.clip) for visit in morning.visits]
    assert all((directory / clip).stat().st_size > 0 for _, clip in shown)
    lines = (directory / "scanner.jsonl").read_text().splitlines()
    scans = [(morning.start_ms + one["at_ms"], one["text"]) for one in map(json.loads, lines)]
    truth = [(act.at_ms, act.text) for act in morning.acts if isinstance(act, story.Scan)]
    assert scans == truth


# --- the radio


def test_the_radar_hears_what_the_truth_says(directory, morning):
    parser = ProbeParser(RADIOTAP)
    heard = list(records(directory / "radar.pcap"))
    parsed = [parser.parse(one.frame) for one in heard]
    probes = [one for one in parsed if isinstance(one, ProbeRequest)]
    assert len(heard) == morning.radar.frames > 2000
    assert len(heard) - len(probes) == morning.radar.malformed > 0
    assert heard[0].offset_ms == 0
    assert 0 < heard[-1].offset_ms < story.DURATION_MS
    addresses = {one.source for one in probes}
    assert len(addresses) > 5 * morning.radar.phones, "phones change their addresses"
    assert 0 < len({one.source for one in probes if not one.randomised}) <= morning.radar.phones
    strengths = [one.rssi_dbm for one in probes]
    assert min(strengths) < -80
    assert max(strengths) > -50
