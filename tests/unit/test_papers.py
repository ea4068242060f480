"""Sign, retention table and fact sheet say what is configured, and change when it does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import load
from edge.consent import BINDING_MS
from edge.errors import ConfigError
from edge.intake import SALT_LIFETIME_S
from edge.operation.access import KEEPERS
from edge.operation.papers import LANGUAGES, papers
from edge.operation.papers.paper import Bullets, Paper, Table, markdown, page
from edge.presence.footfall import CELL_MIN
from edge.showing import SURVEY_S
from edge.storage.radar_samples import KEPT_MAX
from sensors.radar.equipment import LIFETIME_MS
from sensors.radar.hours import MARGIN_S
from sensors.radar.marks import HASH_BITS
from sensors.radar.surveying import NAMES_S_MAX
from tests.conftest import ROOT

DAY_MS = 24 * 3_600_000
SHOP = """\
[box]
tenant = "chain"
store = "s"
box = "b"
[broker]
host = "mqtt.example.org"
[privacy]
operator = "Shoes Ltd"
contact = "privacy@shop.example"
[recognition]
mode = "zone"
legal_basis = "consent at the desk"
visit_silence_s = 900
identified = 0.99
suggested = 0.8
target_fpir = 0.001
[platform]
lease_h = 72
[kiosk]
store_name = "Shoes"
timezone = "Europe/Moscow"
[shop_broker]
host = "192.168.4.10"
[sensors.radar]
kind = "wifi"
device = "wlan1"
rssi_gate_dbm = -65
window_s = 300
hours = ["mon-sat 09:00-21:00"]
[sensors.hall]
kind = "radius"
device = "udp:127.0.0.1:1813"
secret_file = "/etc/storebox/radius.secret"
senders = { hall = "127.0.0.1" }
[sensors.door]
kind = "face"
device = "rtsp://camera/"
"""
HOTSPOT = SHOP[SHOP.index("[sensors.hall]") : SHOP.index("[sensors.door]")]
CHANGES = {
    "who answers": ("Shoes Ltd", "Boots Ltd"),
    "whom to ask": ("privacy@shop.example", "+7 800 000-00-00"),
    "the shop's name": ('store_name = "Shoes"', 'store_name = "Boots"'),
    "who gets the counts": ("mqtt.example.org", "mqtt.example.com"),
    "mode of faces": ('mode = "zone"', 'mode = "on_request"'),
    "no faces": ('mode = "zone"', 'mode = "off"'),
    "legal basis": ("consent at the desk", "another basis"),
    "lease": ("lease_h = 72", "lease_h = 48"),
    "who is identified": ("identified = 0.99", "identified = 0.995"),
    "who is suggested": ("suggested = 0.8", "suggested = 0.9"),
    "strangers with a name": ("target_fpir = 0.001", "target_fpir = 0.002"),
    "end of visits": ("visit_silence_s = 900", "visit_silence_s = 600"),
    "gate": ("rssi_gate_dbm = -65", "rssi_gate_dbm = -70"),
    "no gate": ("rssi_gate_dbm = -65\n", ""),
    "window": ("window_s = 300", "window_s = 120"),
    "hours": ("21:00", "22:00"),
    "days": ("mon-sat", "mon-sun"),
    "always": ('hours = ["mon-sat 09:00-21:00"]\n', ""),
    "time zone": ("Europe/Moscow", "Asia/Omsk"),
    "the radar's name": ("[sensors.radar]", "[sensors.antenna]"),
    "the camera's name": ("[sensors.door]", "[sensors.gate]"),
    "no camera": ('[sensors.door]\nkind = "face"\ndevice = "rtsp://camera/"\n', ""),
    "no hotspot": (HOTSPOT, ""),
    "the hotspot's name": ("[sensors.hall]", "[sensors.lounge]"),
    "a radar elsewhere": ('"wlan1"', '"satellite:box-2/radar"'),
}
IN_THE_SIGN = {"who answers", "whom to ask", "mode of faces", "no faces", "legal basis", "window"}
IN_THE_SIGN |= {
    "hours",
    "days",
    "always",
    "time zone",
    "no camera",
    "a radar elsewhere",
    "no hotspot",
}


def texts(folder: Path, configuration: str, language: str) -> list[str]:
    """Each paper as Markdown: the sign in Russian and English, the table, the sheet."""
    path = folder / "storebox.toml"
    path.write_text(configuration)
    return [markdown([paper]) for paper in papers(load(path), language)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_in_the_configuration_changes_in_the_papers(
    tmp_path: Path, language: str, change: str
) -> None:
    before, after = CHANGES[change]
    assert before in SHOP
    one = texts(tmp_path, SHOP, language)
    other = texts(tmp_path, SHOP.replace(before, after), language)
    assert one[2:] != other[2:]
    assert change not in IN_THE_SIGN or (one[0] != other[0] and one[1] != other[1])


def test_numbers_of_the_code_stand_in_the_papers(tmp_path: Path) -> None:
    _, sign, table, sheet = texts(tmp_path, SHOP, "en")
    assert f"{MARGIN_S // 60} min before and after" in sign
    assert f"{HASH_BITS} bits of a keyed hash" in sign
    assert f"for {equipment_h()} h at most" in sign
    assert f"for {BINDING_MS // DAY_MS} days" in sign
    assert "within 5 min" in sign
    assert f"{HASH_BITS}-bit number (radar)" in table
    assert f"{SALT_LIFETIME_S // 3600} h, or to the next restart" in table
    assert f"fewer than {CELL_MIN} are not told" in table
    assert f"the newest {KEPT_MAX} windows" in table
    assert f"{HASH_BITS} bits of a keyed hash" in table
    assert f"{equipment_h()} h at most, or to the next restart" in table
    assert f"{NAMES_S_MAX / 60:g} min at most; the picture {SURVEY_S:g} s" in table
    assert f"{BINDING_MS // DAY_MS} days after each login" in table
    assert "300 s" in sheet
    assert "from -65 dBm" in sheet
    assert "consent at the desk" in sheet


def test_numbers_of_the_code_stand_in_the_answer_to_who_asks() -> None:
    keeps = {keeper.name: keeper.keeps for keeper in KEEPERS}
    radars = keeps["radars"]
    assert f"a number of {HASH_BITS} bits" in radars
    assert f"replaced every {SALT_LIFETIME_S // 3600} hours" in radars
    assert f"{HASH_BITS} bits of a hash" in radars
    assert f"for {equipment_h()} hours at most" in radars
    assert f"{NAMES_S_MAX / 60:g} minutes at most" in radars
    assert f"for {BINDING_MS // DAY_MS} days after each login" in keeps["members"]


def equipment_h() -> int:
    """The longest that a machine's hash is kept."""
    return LIFETIME_MS // 3_600_000


def test_a_shop_without_sensors_says_so(tmp_path: Path) -> None:
    russian, english, *_ = texts(tmp_path, SHOP[: SHOP.index("[sensors")], "en")
    assert "No sensor here notices people." in english
    assert "нет" in russian
    assert "Wi-Fi" not in english


def test_both_languages_say_all_and_nothing_of_the_other(tmp_path: Path) -> None:
    one, other = (texts(tmp_path, SHOP, language) for language in LANGUAGES)
    assert one[:2] == other[:2]
    for russian, english in zip([one[0], *one[2:]], [one[1], *other[2:]], strict=True):
        assert len(russian.splitlines()) == len(english.splitlines())
        assert not re.search("[а-яё]", english)


def test_without_a_contact_there_is_no_sign(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        texts(tmp_path, SHOP.replace('contact = "privacy@shop.example"', ""), "ru")
    assert "[privacy] contact" in refused.value.remedy


@given(st.text(max_size=40), st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_no_name_makes_markup(title: str, cells: list[str]) -> None:
    nasty = ["<script>alert(1)</script>", "a | b", *cells]
    paper = Paper("sheet", "en", title, (Bullets(tuple(nasty)), Table(("x",), (tuple(nasty),))))
    written = page([paper])
    assert "<script>" not in written
    assert written.count("<td>") == len(nasty)
    marked = markdown([paper])
    assert "<script>" not in marked
    (row,) = [line for line in marked.splitlines() if line.startswith("| &lt;script")]
    assert len(re.findall(r"(?<!\\)\|", row)) >= len(nasty) + 1


@pytest.mark.parametrize(("options", "begins"), [((), "# Shoes"), (("--html",), "<!doctype html>")])
def test_the_command_prints_them(tmp_path: Path, options: tuple[str, ...], begins: str) -> None:
    path = tmp_path / "storebox.toml"
    path.write_text(SHOP)
    command = [sys.executable, "-m", "edge.cli.main", "privacy", "documents", "-c", str(path)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(begins)
    assert "privacy@shop.example" in done.stdout
