"""What stands for an address: keyed hashes, and nothing that leads back to it.

Pure. The short one tells phones apart within a count and is shared by many; the long one finds a
person who asked not to be counted. Whoever has neither key can do nothing with them.
"""

import hashlib

HASH_BITS = 20
"""So few that of all addresses there are 2^28 share each hash: even with the key it names nobody.
Of 1000 addresses in one window about one is taken for another, which no count notices."""
MARK_BYTES = 16


def short_hash(address: bytes, key: bytes) -> int:
    """`HASH_BITS` bits for an address (6 bytes)."""
    digest = hashlib.blake2b(address, digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little") & (1 << HASH_BITS) - 1


def opt_out_mark(address: bytes, key: bytes) -> bytes:
    """What stands for `address` (6 bytes) in the list of people who are not to be counted."""
    return hashlib.blake2b(address, digest_size=MARK_BYTES, key=key).digest()
