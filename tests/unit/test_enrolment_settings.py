"""Where faces can be enrolled by the configuration, and for whom templates are sealed."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from edge.config import load
from edge.errors import BadMessage
from edge.face_models import DLIB
from edge.operation import settings
from edge.operation.enrolment import enrolment_settings, sealing
from edge.presence.template_seal import SealedFor, sealed
from edge.sections import Profile, RecognitionMode, RecognitionSection
from sync.contract.events import TemplateSealed
from sync.messages import Address
from sync.reference.sealed import key_line, template

BOX = '[box]\ntenant = "chain"\nstore = "shop"\nbox = "b1"\n'
SCREENS = '[kiosk]\nscreens = ["main", "second"]\n'
CAMERA = '[sensors.camera]\nkind = "face"\ndevice = "simulated:x"\nscreen = "main"\n'
ADDRESS = Address("chain", "shop", "b1")


def allowed(tmp_path: Path, text: str, **recognition: object) -> tuple[bool, frozenset[str]]:
    path = tmp_path / "box.toml"
    path.write_text(BOX + SCREENS + text, encoding="utf-8")
    config = load(path)
    section = replace(config.recognition, **recognition)
    config = replace(config, recognition=section)
    found = enrolment_settings(config, settings.sensor_specs(config))
    return found.allowed, found.screens


@pytest.mark.parametrize(
    ("text", "screens"),
    [
        (CAMERA, {"main"}),
        (CAMERA.replace('screen = "main"\n', ""), set()),
        (CAMERA.replace('"face"', '"code"'), set()),
        ("", set()),
    ],
)
def test_a_camera_must_belong_to_the_screen(tmp_path, text, screens):
    assert allowed(tmp_path, text) == (True, screens)


@pytest.mark.parametrize(
    ("recognition", "expected"),
    [
        ({}, True),
        ({"mode": RecognitionMode.ZONE}, True),
        ({"mode": RecognitionMode.OFF}, False),
        ({"profile": Profile.RU}, False),
        ({"profile": Profile.RU, "accreditation_ref": "  "}, False),
        ({"profile": Profile.RU, "accreditation_ref": "77-1234"}, True),
    ],
)
def test_faces_are_enrolled_only_where_they_may_be_matched(tmp_path, recognition, expected):
    assert allowed(tmp_path, CAMERA, **recognition)[0] is expected


def test_the_platform_opens_what_its_boxes_send(tmp_path):
    private, path = X25519PrivateKey.generate(), tmp_path / "key"
    path.write_text(key_line("k1", private))
    (tmp_path / "box.toml").write_text(
        f'{BOX}[recognition]\nsend_templates = true\n[platform]\nencryption_key_file = "{path}"\n'
    )
    found = sealing(load(tmp_path / "box.toml"))
    assert found is not None
    assert (found.box, found.key.kid) == (str(ADDRESS), "k1")
    vectors = [bytes([number]) * 512 for number in range(3)]
    message = sealed(b"".join(vectors), SealedFor("anna", DLIB, found.box), found.key)
    told = TemplateSealed("anna", DLIB, 3, message.kid, message.ephemeral, message.sealed)
    row = template(told, ADDRESS, private)
    assert (row.member, row.model, row.vectors) == ("anna", DLIB, vectors)
    for wrong in ({"member": "boris"}, {"photos": 4}, {"model": "unknown"}):
        with pytest.raises(BadMessage):
            template(msgspec.structs.replace(told, **wrong), ADDRESS, private)
    with pytest.raises(BadMessage):
        template(told, Address("chain", "shop", "b2"), private)
    path.unlink()
    assert sealing(load(tmp_path / "box.toml")) is None, "a lost key closes no shop"


def test_templates_stay_unless_the_chain_wants_them(tmp_path):
    (tmp_path / "box.toml").write_text(BOX)
    config = load(tmp_path / "box.toml")
    assert config.recognition == RecognitionSection()
    assert sealing(config) is None
