"""By which table a box decides faces, and what becomes of a box that has none."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge.config import Config, load
from edge.operation import face_tables, recognition
from edge.presence.cohort import Cohort
from edge.presence.desk import Faces
from edge.presence.face_calibration import BadCalibration, from_json, with_cohort
from tests import faces

BOX = '[box]\ntenant = "chain"\nstore = "shop"\nbox = "b1"\n'


def configured(tmp_path: Path, more: str = "") -> Config:
    (tmp_path / "models").mkdir(exist_ok=True)
    path = tmp_path / "box.toml"
    path.write_text(
        f'{BOX}[faces]\nmodels = "{tmp_path / "models"}"\nmodel = "{faces.MODEL}"\n{more}',
        encoding="utf-8",
    )
    return load(path)


def test_the_table_that_was_made_here_is_used_without_naming_it(tmp_path: Path) -> None:
    config = configured(tmp_path)
    face_tables.write(face_tables.site_file(tmp_path / "models", faces.MODEL), faces.CALIBRATION)
    found = recognition.face_settings(config)
    assert found.calibration is not None
    assert found.calibration.table == faces.CALIBRATION.table
    assert found.mode is Faces.ON_REQUEST


@pytest.mark.parametrize("content", [b"{", b'{"version":1,"model":"\xff"}', b"[" * 100_000])
def test_with_a_damaged_table_no_face_is_described(tmp_path: Path, content: bytes) -> None:
    config = configured(tmp_path)
    face_tables.site_file(tmp_path / "models", faces.MODEL).write_bytes(content)
    found = recognition.face_settings(config)
    assert (found.mode, found.calibration) == (Faces.OFF, None)


def test_a_cohort_of_another_model_is_no_calibration() -> None:
    size = faces.DIMENSIONS // 2
    other = Cohort(np.zeros(size, np.float32), np.eye(size, dtype=np.float32) / size)
    table = with_cohort(faces.CALIBRATION.table, other)
    with pytest.raises(BadCalibration, match="of another model"):
        from_json(msgspec.json.encode(table))
