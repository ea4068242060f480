"""The platform's side of enrolling: gives out codes, and certificates for them.

`claim` is called by `storebox platform claim`, `grant` by the page for each POST to `/enrol`. A box
proves with its request that it has the key; what the request says of itself is ignored: the code
decides which box it is. The certificate's name is `tenant/store/box`, which brokers take as the
user name that their access lists speak of.
"""

import base64
import hashlib
import logging
import secrets
import threading

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.errors import Refused
from sync.enrolling import Application, Granted, fingerprint
from sync.ingest import wall_ms
from sync.ingest.enrolments import Enrolments
from sync.ingest.store import Opening, Where, open_store
from sync.messages import Address
from sync.reference.keys import Keys, issued

log = logging.getLogger(__name__)

CODE_BYTES = 15
"""120 bits, in 24 characters that can be read aloud: nobody guesses it in a day."""
CERTIFICATE_DAYS = 730
"""Two years; a box is enrolled again when it is serviced."""
NAME_CHARACTERS_MAX = 64
"""Of a certificate's common name (RFC 5280)."""


class Registrar:
    """Enrols boxes in the database at `where`."""

    def __init__(self, where: Where, keys: Keys) -> None:
        self._where = where
        self._keys = keys
        self._one_at_a_time = threading.Lock()

    def claim(self, address: Address) -> str:
        """A new code for this box. Refused if its name does not fit into a certificate."""
        if len(str(address)) > NAME_CHARACTERS_MAX:
            raise Refused(
                f"{address} is too long for a certificate.",
                f"Choose names of at most {NAME_CHARACTERS_MAX} characters together.",
            )
        secret = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()
        store = open_store(self._where, Opening.WRITE)
        try:
            Enrolments(store).add(address, secret, wall_ms())
        finally:
            store.close()
        return f"{secret}.{fingerprint(self._keys.authority.pem, self._keys.signing.public_line)}"

    def grant(self, application: Application) -> Granted:
        """A certificate for the box whose code it is. Refused with the reason."""
        public_key = _public_key(application.csr)
        with self._one_at_a_time:
            store = open_store(self._where, Opening.WRITE)
            try:
                address = Enrolments(store).use(application.code, _hash(public_key), wall_ms())
            finally:
                store.close()
        if address is None:
            raise Refused("This code is wrong, used up, or older than a day.")
        authority = self._keys.authority
        certificate = issued(authority, public_key, str(address), days=CERTIFICATE_DAYS)
        log.info("enrolled %s", address)
        return Granted(
            box=str(address),
            certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
            ca=authority.pem,
            platform=self._keys.signing.public_line,
        )


def _hash(public_key: ec.EllipticCurvePublicKey) -> str:
    known = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public_key.public_bytes(*known)).hexdigest()


def _public_key(csr: str) -> ec.EllipticCurvePublicKey:
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Refused(f"This is no certificate signing request: {error}.") from error
    if not valid or not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("The request is not signed by an elliptic curve key of its own.")
    return key
