"""A box is enrolled with a one-use code, and talks TLS 1.3 with the certificate that it got."""

import json
import re
import stat
import tomllib
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import BrokerRefused, SyncError
from edge.records import Stream
from edge.storage import datasets
from sync.ingest.enrolments import VALID_MS, Enrolments
from sync.ingest.store import open_store
from sync.messages import Address, Dataset
from sync.mqtt import BrokerSettings, Connection
from sync.signing import TrustedKeys
from tests.broker import Broker
from tests.command import storebox
from tests.system.sync_box import ADDRESS, ROOT, Box, PlatformProcess, quick, running, until

BROKER = """\
cafile {here}/ca.crt
certfile {here}/broker.crt
keyfile {here}/broker.key
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
allow_anonymous false
acl_file {here}/acl
"""


@pytest.fixture
def platform(tmp_path):
    with PlatformProcess(tmp_path, 1) as running:  # of no broker: enrolling needs none
        yield running


def claimed(platform, address=ADDRESS):
    run = storebox("platform", "claim", address, "--database", platform.log)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def enrolled(platform, code, folder):
    folder.mkdir(exist_ok=True)
    config = folder / "storebox.toml"
    return storebox("enrol", "--url", platform.page, "--code", code, "--config", config)


async def test_a_box_gets_a_certificate_and_connects_with_it(platform, tmp_path):
    box, folder = tmp_path / "box", tmp_path / "broker"
    run = enrolled(platform, claimed(platform), box)
    assert run.returncode == 0, run.stderr
    assert stat.S_IMODE((box / "box.key").stat().st_mode) == 0o600
    assert TrustedKeys.read(box / "platform.pub")
    lines = tomllib.loads(run.stdout.partition("\n\n")[2])
    made = storebox(
        *("platform", "broker-certificate", "127.0.0.1"),
        *("--folder", folder, "--database", platform.log),
    )
    assert made.returncode == 0, made.stderr
    (folder / "ca.crt").write_bytes((tmp_path / "ca.crt").read_bytes())
    (folder / "acl").write_text("pattern readwrite sb/v1/%u/#\n")
    broker = Broker(folder, BROKER.format(here=folder))
    broker.start()
    try:
        await talks(settings(broker, lines["broker"]))
    finally:
        broker.stop()
    assert "protocol error" not in broker.log()


async def test_box_and_platform_meet_at_a_broker_that_demands_certificates(platform, tmp_path):
    """With the access list of FLEET.md, each as the name in its certificate."""
    run = enrolled(platform, claimed(platform), tmp_path / "box")
    lines = tomllib.loads(run.stdout.partition("\n\n")[2])
    folder = tmp_path / "broker"
    options = ("--folder", folder, "--database", platform.log)
    for words in (("broker-certificate", "127.0.0.1"), ("client-certificate",)):
        assert storebox("platform", *words, *options).returncode == 0
    (folder / "ca.crt").write_bytes((tmp_path / "ca.crt").read_bytes())
    fleet = (ROOT / "sync" / "contract" / "FLEET.md").read_text()
    (folder / "acl").write_text(re.search(r"```acl\n(.*?)```", fleet, re.S)[1])
    broker = Broker(folder, BROKER.format(here=folder))
    broker.start()
    files = {"ca": folder / "ca.crt", "cert": folder / "client.crt", "key": folder / "client.key"}
    given = [str(word) for name, file in files.items() for word in (f"--{name}-file", file)]
    worker = PlatformProcess(tmp_path, broker.port, *given)
    worker.put("stock", [{"sku": "s", "place": "p", "quantity": 2, "as_of_ms": 1}])
    try:
        with worker:
            await worker.connected()
            line = quick(broker.port, broker=settings(broker, lines["broker"]))
            async with running(Box(tmp_path, broker.port, line)) as box:
                await box.emit(Stream.CRIT, 5)
                assert await box.link.drained(20)
                await until(
                    lambda: Dataset.STOCK in datasets.applied(box.database.reading), "the stock"
                )
                assert box.verdict(worker.log).flawless
    finally:
        broker.stop()


def test_a_box_is_not_enrolled_under_another_name(platform, tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    config = folder / "storebox.toml"
    config.write_text('[box]\ntenant = "chain"\nstore = "shop-1"\nbox = "box-9"\n')
    run = enrolled(platform, claimed(platform), folder)
    assert run.returncode == 1
    assert str(ADDRESS) in run.stderr
    assert "chain/shop-1/box-9" in run.stderr
    assert list(folder.iterdir()) == [config]
    config.write_text("[box\n")
    code = claimed(platform)
    run = enrolled(platform, code, folder)
    assert run.returncode == 1
    assert "line 1" in run.stderr
    config.unlink()
    assert enrolled(platform, code, folder).returncode == 0, "the code was not used up"


def test_enrolling_speaks_of_the_sections_that_there_are(platform, tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    box = f'[box]\ntenant = "{ADDRESS.tenant}"\nstore = "{ADDRESS.store}"\nbox = "{ADDRESS.box}"\n'
    (folder / "storebox.toml").write_text(box + '[broker]\nhost = "broker.example"\n')
    run = enrolled(platform, claimed(platform), folder)
    assert run.returncode == 0
    assert "Put these keys into your [broker]:\ntls = true\n" in run.stdout
    assert "\n[broker]" not in run.stdout
    assert "\n[platform]\nkey_file" in run.stdout, "there is none yet"


def settings(broker, section):
    files = {name: Path(section[name]) for name in ("ca_file", "cert_file", "key_file")}
    return BrokerSettings("127.0.0.1", broker.port, "box-1", tls=section["tls"], **files)


async def talks(with_certificate):
    """The box may speak for itself and for nobody else; without its certificate it may not."""
    connection = await Connection.open(with_certificate)
    await connection.publish(ADDRESS.up(Stream.CRIT), b"{}")
    neighbour = replace_box(ADDRESS, "box-2")
    with pytest.raises(BrokerRefused, match="refused"):
        await connection.publish(neighbour.up(Stream.CRIT), b"{}")
    await connection.close()
    with pytest.raises(SyncError):
        await Connection.open(replace(with_certificate, cert_file=None, key_file=None))


def replace_box(address, box):
    return Address(address.tenant, address.store, box)


def test_a_code_is_worth_something_once_and_only_for_a_day(platform, tmp_path):
    code = claimed(platform)
    assert enrolled(platform, code, tmp_path / "first").returncode == 0
    again = enrolled(platform, code, tmp_path / "again")
    assert again.returncode == 1
    assert "used up" in again.stderr
    assert not (tmp_path / "again" / "box.key").exists()
    store = open_store(platform.log)
    Enrolments(store).add(ADDRESS, "OLD", 1)
    assert Enrolments(store).use("OLD", "", 1 + VALID_MS) is None
    assert Enrolments(store).use("OLD", "", VALID_MS) == ADDRESS
    store.close()


def test_a_platform_that_did_not_make_the_code_is_not_believed(platform, tmp_path):
    secret, _, _ = claimed(platform).partition(".")
    run = enrolled(platform, f"{secret}.{'0' * 16}", tmp_path / "box")
    assert run.returncode == 1
    assert "not the platform" in run.stderr
    assert list((tmp_path / "box").iterdir()) == []


def test_a_code_does_not_travel_in_the_open(tmp_path):
    run = storebox("enrol", "--url", "http://platform.example", "--code", "A.B")
    assert run.returncode == 1
    assert "https://" in run.stderr


@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 9000, b'{"code": 1}', b"\xff" * 100])
def test_what_is_no_application_enrols_nobody(platform, body):
    status, answer = post(platform, body)
    assert status == 400
    assert "no application" in answer["reason"]


@pytest.mark.parametrize("csr", ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "\0"])
def test_what_is_no_request_uses_up_no_code(platform, tmp_path, csr):
    code = claimed(platform)
    secret, _, _ = code.partition(".")
    status, _ = post(platform, json.dumps({"code": secret, "csr": csr}).encode())
    assert status == 403
    assert enrolled(platform, code, tmp_path / "box").returncode == 0


def post(platform, body):
    try:
        with urllib.request.urlopen(platform.page + "/enrol", data=body, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_names_that_no_certificate_can_hold_are_refused(platform):
    run = storebox("platform", "claim", "/".join(["x" * 40] * 3), "--database", platform.log)
    assert run.returncode == 1
    assert "too long" in run.stderr
