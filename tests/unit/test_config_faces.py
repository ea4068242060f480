"""The configuration of recognition: what the law or the line needs is asked for in a sentence."""

import pytest

from edge.config import load
from edge.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "remedy"),
    [
        ('[recognition]\nprofile = "ru"\n', "572-FZ"),
        ("[recognition]\nsend_templates = true\n", "encryption_key_file"),
    ],
)
def test_faces_are_not_matched_without_what_the_law_or_the_line_needs(tmp_path, section, remedy):
    path = tmp_path / "box.toml"
    box = '[box]\ntenant = "a"\nstore = "b"\nbox = "c"\n'
    path.write_text(box + section)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "line 5" in caught.value.what or "line 6" in caught.value.what
    assert remedy in caught.value.remedy
    for more in ('accreditation_ref = "A-1"\n[platform]\nencryption_key_file = "x"\n',):
        path.write_text(box + section + more)
        assert load(path).recognition.target_fpir == 0.001
    path.write_text(box + '[recognition]\nprofile = "ru"\nmode = "off"\n')
    assert load(path).recognition.mode == "off"
