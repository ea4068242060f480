"""Templates that boxes send up, opened by the platform that alone can: what it may then put into
its dataset of templates.

Called with the data of a `template.sealed.v1`. The private key is the platform's own; `key_line` is
what boxes get as their `encryption_key_file`. Nothing is logged here.
"""

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.errors import BadMessage
from edge.face_models import dimensions_of
from edge.presence.template_seal import SealedFor, SealedTemplate, opened
from sync.contract.events import TemplateSealed
from sync.messages import Address, TemplateRow


def key_line(kid: str, private: X25519PrivateKey) -> str:
    """The file that boxes read: one line, `kid base64`."""
    return f"{kid} {base64.b64encode(private.public_key().public_bytes_raw()).decode()}\n"


def template(told: TemplateSealed, box: Address, private: X25519PrivateKey) -> TemplateRow:
    """The template as a row of the dataset `templates`. BadMessage if it is not that box's, was
    sealed for another key, or is none of its model's.
    """
    bound = SealedFor(told.member, told.model, str(box))
    vectors = opened(SealedTemplate(told.kid, told.ephemeral, told.sealed), bound, private)
    size = (dimensions_of(told.model) or 0) * 4
    if not size or len(vectors) != size * told.photos:
        raise BadMessage("A sealed template does not hold as many vectors as it says.")
    rows = [vectors[at : at + size] for at in range(0, len(vectors), size)]
    return TemplateRow(told.member, told.model, rows)
