"""Models that are offered: from files, folders, bundles and addresses, known by what they are."""

import json
import os
import ssl
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge.errors import BadModel, NotReachable, Refused
from edge.face_files import CARD_SUFFIX, FileState, model_named, states
from edge.face_models import COHORT, DLIB, KNOWN, REID0095, YUNET
from edge.operation import model_sources
from edge.operation.model_files import (
    ModelState,
    install,
    overview,
    still_missing,
    troubles,
)
from edge.operation.model_sources import ENTRIES_MAX, REDIRECTS_MAX, Offer, fetched, offers
from tests.certificates import server_tls
from tests.unit.test_face_models import CARD, CONTENT, FILE

ALL = ("yunet_2026may.onnx", "reid0095.onnx", COHORT)


def quiet(_: float) -> None:
    """Nobody looks on."""


def names(found: list[Offer]) -> set[str]:
    return {offer.file.name for offer in found}


def own(directory: Path) -> Path:
    """A network of one's own and its card."""
    (directory / FILE.name).write_bytes(CONTENT)
    (directory / f"mine{CARD_SUFFIX}").write_text(json.dumps(CARD))
    return directory


# --- files, folders, bundles


def test_a_file_is_known_by_what_is_in_it(models, tmp_path):
    (tmp_path / "download(1)").write_bytes((models / "yunet_2026may.onnx").read_bytes())
    (found,) = offers(str(tmp_path / "download(1)"), quiet)
    assert (found.model.id, found.file.name) == (YUNET, "yunet_2026may.onnx")


def test_an_npz_is_a_zip_and_yet_no_bundle(models):
    (found,) = offers(str(models / COHORT), quiet)
    assert (found.model.id, found.file.name) == (REID0095, COHORT)


def test_a_folder_offers_what_it_holds_and_nothing_else(models, tmp_path):
    for name in ALL:
        (tmp_path / name).write_bytes((models / name).read_bytes())
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    assert names(offers(str(tmp_path), quiet)) == set(ALL)


def test_a_bundle_offers_what_it_holds_wherever_it_says_that_it_lies(models, tmp_path):
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in ALL:
            bundle.write(models / name, f"../../etc/{name}")
    found = offers(str(tmp_path / "bundle.zip"), quiet)
    assert names(found) == set(ALL)
    assert all("/" not in name for name in names(found))


def test_a_network_of_ones_own_comes_with_its_card(tmp_path):
    found = offers(str(own(tmp_path)), quiet)
    assert names(found) == {FILE.name, f"mine{CARD_SUFFIX}"}
    (tmp_path / FILE.name).rename(tmp_path / "mine.onnx")
    found = offers(str(tmp_path / "mine.onnx"), quiet)  # the card lies beside it
    assert names(found) == {FILE.name, f"mine{CARD_SUFFIX}"}


def test_a_card_alone_offers_nothing(tmp_path):
    own(tmp_path)
    (tmp_path / FILE.name).unlink()
    with pytest.raises(Refused, match="no file of a model"):
        offers(str(tmp_path), quiet)


def test_a_spoilt_card_is_told(tmp_path):
    own(tmp_path)
    (tmp_path / f"mine{CARD_SUFFIX}").write_text("{}")
    with pytest.raises(BadModel, match="is no model card"):
        offers(str(tmp_path), quiet)


def cut_off(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("a", b"x" * 1000)
    os.truncate(path, 500)


def crowded(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        for number in range(ENTRIES_MAX + 1):
            bundle.writestr(f"{number}", b"")


def damaged(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("a", b"x" * 1000)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def locked(path: Path) -> None:
    damaged(path)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    content[6] |= 1  # "encrypted", in the entry and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def lying(path: Path) -> None:
    """Says that it holds less than it does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("a", bytes(50_000_000))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)


def spoilt(path: Path) -> None:
    """What is packed is no packed stream."""
    packed(path, zipfile.ZIP_DEFLATED)


def spoilt_lzma(path: Path) -> None:
    packed(path, zipfile.ZIP_LZMA)


def packed(path: Path, how: int) -> None:
    with zipfile.ZipFile(path, "w", how) as bundle:
        bundle.writestr("a", b"model" * 1_000)
    content = bytearray(path.read_bytes())
    begin = content.index(b"a") + 1
    content[begin : begin + 20] = bytes([0xFF]) * 20
    path.write_bytes(content)


def bomb(path: Path) -> None:
    """Each file is no larger than a model; together they are what no memory holds."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("0", bytes(model_sources.OFFERED_BYTES_MAX // 8))
    (entry,) = zipfile.ZipFile(path).infolist()
    with zipfile.ZipFile(path, "a") as bundle:
        for number in range(1, 9):  # all of them are the first one's bytes
            twin = zipfile.ZipInfo(str(number))
            for name in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(twin, name, getattr(entry, name))
            bundle.filelist.append(twin)
            bundle.NameToInfo[twin.filename] = twin
        bundle._didModify = True


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def hole(path: Path) -> None:
    path.touch()
    os.truncate(path, model_sources.MODEL_BYTES_MAX + 1)


def absent(path: Path) -> None:
    """No file at all."""


@pytest.mark.parametrize(
    "spoil",
    [
        cut_off, crowded, damaged, locked, lying, spoilt, spoilt_lzma, bomb, nothing, hole, absent,
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_with_a_sentence(tmp_path, spoil):
    spoil(tmp_path / "bundle.zip")
    with pytest.raises(Refused) as caught:
        offers(str(tmp_path / "bundle.zip"), quiet)
    assert caught.value.what.endswith(".")
    assert caught.value.remedy


# --- addresses


class Site:
    """An https server on loopback: what lies under each path, and where some paths lead."""

    def __init__(self, folder: Path) -> None:
        tls = server_tls(folder)
        self.files: dict[str, bytes] = {}
        self.leads: dict[str, str] = {}
        self.promised: int | None = None
        self.gibberish = False
        self.drips = False
        site, closed = self, threading.Event()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if site.gibberish:
                    self.wfile.write(b"hello\r\n\r\n")
                    return
                if self.path in site.leads:
                    self.send_response(302)
                    self.send_header("Location", site.leads[self.path])
                    self.end_headers()
                    return
                content = site.files.get(self.path)
                self.send_response(404 if content is None else 200)
                content = content or b""
                self.send_header("Content-Length", str(site.promised or len(content)))
                self.end_headers()
                for at in range(len(content) if site.drips else 0):
                    self.wfile.write(content[at : at + 1])
                    closed.wait(0.01)
                self.wfile.write(b"" if site.drips else content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.socket = tls.server.wrap_socket(self._server.socket, server_side=True)
        self.trusted = ssl.create_default_context(cafile=str(tls.authority))
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "tls"
    folder.mkdir()
    made = Site(folder)
    yield made
    made.close()


def test_an_address_gives_what_lies_there(site, models):
    site.files["/m.onnx"] = (models / "yunet_2026may.onnx").read_bytes()
    shares: list[float] = []
    (found,) = offers(f"{site.url}/m.onnx", shares.append, site.trusted)
    assert found.model.id == YUNET
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_few_redirections_are_followed(site):
    site.files["/end"] = b"here"
    for number in range(REDIRECTS_MAX):
        site.leads[f"/{number}"] = f"{site.url}/{number + 1}"
    site.leads[f"/{REDIRECTS_MAX - 1}"] = "/end"
    assert fetched(f"{site.url}/0", quiet, site.trusted) == b"here"


def test_a_circle_of_redirections_ends(site):
    site.leads["/a"] = f"{site.url}/b"
    site.leads["/b"] = f"{site.url}/a"
    with pytest.raises(Refused):
        fetched(f"{site.url}/a", quiet, site.trusted)


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/x", "file:///etc/passwd", "ftp://x/y"])
def test_nothing_is_fetched_that_others_could_exchange(site, elsewhere):
    with pytest.raises(Refused, match="no https"):
        fetched(elsewhere, quiet, site.trusted)
    site.leads["/a"] = elsewhere
    with pytest.raises(Refused):
        fetched(f"{site.url}/a", quiet, site.trusted)


def test_a_site_that_nobody_vouches_for_is_not_believed(site):
    with pytest.raises(NotReachable, match="cannot be fetched"):
        fetched(f"{site.url}/m", quiet)


def test_what_is_not_there_broke_off_or_is_too_much_is_told(site):
    with pytest.raises(Refused, match="404"):
        fetched(f"{site.url}/m", quiet, site.trusted)
    site.files["/m"] = b"short"
    site.promised = 10
    with pytest.raises(NotReachable):
        fetched(f"{site.url}/m", quiet, site.trusted)
    site.promised = model_sources.MODEL_BYTES_MAX + 1
    with pytest.raises(Refused, match="larger than"):
        fetched(f"{site.url}/m", quiet, site.trusted)
    with pytest.raises(NotReachable):
        fetched("https://127.0.0.1:1/m", quiet, site.trusted)


# --- in their place


def test_what_is_installed_is_whole_and_readable_by_everybody(models, tmp_path):
    before = os.umask(0o077)
    try:
        written = install(tmp_path / "new", offers(str(models), quiet))
    finally:
        os.umask(before)
    assert {path.name for path in written} == set(ALL) == set(os.listdir(tmp_path / "new"))
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in written)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755
    facts = {each.id: each for each in overview(tmp_path / "new")}
    assert facts[REID0095].state is facts[YUNET].state is ModelState.INSTALLED
    assert {each.id for each in facts.values() if each.used} == {REID0095, YUNET}
    assert troubles(tmp_path / "new") == []


def test_a_wrong_file_and_a_link_are_replaced_and_not_written_through(models, tmp_path):
    place = tmp_path / "models"
    place.mkdir()
    (tmp_path / "victim").write_text("mine")
    (place / "yunet_2026may.onnx").symlink_to(tmp_path / "victim")
    install(place, offers(str(models / "yunet_2026may.onnx"), quiet))
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (place / "yunet_2026may.onnx").is_symlink()
    assert dict(states(place, KNOWN[YUNET])) == {KNOWN[YUNET].files[0]: FileState.GOOD}


def test_a_place_that_cannot_be_written_is_told(models, tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(Refused, match="cannot be written"):
        install(tmp_path / "models", offers(str(models / COHORT), quiet))


def test_half_a_model_is_incomplete_and_a_trouble(models, tmp_path):
    install(tmp_path, offers(str(models / "reid0095.onnx"), quiet))
    assert still_missing(tmp_path, KNOWN[REID0095]) == [COHORT]
    facts = {each.id: each for each in overview(tmp_path)}
    assert facts[REID0095].state is ModelState.INCOMPLETE
    assert facts[DLIB].used
    (trouble,) = troubles(tmp_path)
    assert trouble.model == REID0095
    assert COHORT in trouble.what


def test_an_exchanged_file_is_wrong_and_a_trouble(models, tmp_path):
    install(tmp_path, offers(str(models), quiet))
    (tmp_path / "reid0095.onnx").write_bytes((models / "yunet_2026may.onnx").read_bytes())
    facts = {each.id: each for each in overview(tmp_path)}
    assert facts[REID0095].state is ModelState.WRONG
    assert facts[DLIB].used
    (trouble,) = troubles(tmp_path)
    assert trouble.model == REID0095


def test_what_is_wanted_and_not_installed_is_a_trouble(tmp_path):
    assert troubles(tmp_path) == []
    assert {each.model for each in troubles(tmp_path, REID0095)} == {REID0095}
    assert {each.model for each in troubles(tmp_path, "onnx:mine")} == {"onnx:mine"}


def test_a_network_of_ones_own_is_installed_with_its_card(tmp_path):
    source = tmp_path / "usb"
    source.mkdir()
    place = tmp_path / "models"
    install(place, offers(str(own(source)), quiet))
    model = model_named(place, "onnx:mine")
    facts = {each.id: each for each in overview(place, "onnx:mine")}
    assert facts[model.id].state is ModelState.INSTALLED
    assert facts[model.id].used
    assert troubles(place, "onnx:mine") == []
    (place / f"bad{CARD_SUFFIX}").write_text("{}")
    (trouble,) = troubles(place, "onnx:mine")
    assert trouble.model == "onnx:bad"


def test_an_answer_that_is_not_http_is_told(site):
    site.gibberish = True
    with pytest.raises(NotReachable):
        fetched(f"{site.url}/m", quiet, site.trusted)


def test_what_drips_in_is_taken_as_it_comes_so_that_the_limit_of_time_holds(site):
    site.files["/m"], site.drips, shares = bytes(20), True, []
    assert fetched(f"{site.url}/m", shares.append, site.trusted) == bytes(20)
    assert len(shares) > 5, "nobody waits for a whole piece"
