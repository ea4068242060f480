"""Kinds of phones: fingerprints that one address was heard with belong together.

Pure; kept by `Counter` for one window. A model shows one to three fingerprints (another band, the
first scan after waking), and an address that shows two ties them.
"""

KINDS_MAX = 20_000
"""Fingerprints are sent by anybody; beyond it a new one is of the kind of all further ones."""
REST = b""


class Kinds:
    """Disjoint sets of fingerprints."""

    def __init__(self) -> None:
        self._parents: dict[bytes, bytes] = {}

    def of(self, fingerprint: bytes) -> bytes:
        """The fingerprint that stands for the kind of this one."""
        parents = self._parents
        if fingerprint not in parents:
            if len(parents) >= KINDS_MAX:
                return REST
            parents[fingerprint] = fingerprint
        while parents[fingerprint] != fingerprint:
            parents[fingerprint] = parents[parents[fingerprint]]
            fingerprint = parents[fingerprint]
        return fingerprint

    def tie(self, one: bytes, other: bytes) -> None:
        """One phone showed both."""
        first, second = self.of(one), self.of(other)
        if REST not in (first, second):
            self._parents[second] = first
