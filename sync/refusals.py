"""What a broker's reason codes mean for a person, and which of them pass by themselves.

Used by `sync/mqtt.py` to turn what a broker says into an error of the tree. Pure.
"""

from edge.errors import BrokerRefused, BrokerUnreachable, PublishRefused, SyncError

UNKNOWN_VERSION = 0x84
_PASSING = frozenset({0x00, 0x04, 0x88, 0x89, 0x8B, 0x8D, 0x98, 0x9F, 0xA0})
"""Busy, shutting down, too many at once and the like: another try soon may do."""
_LOGIN = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C})
_LOGIN_REMEDY = (
    "Check username and password_file (or token_file, cert_file and key_file) under [broker],"
    " and that the broker allows this box."
)
_REMEDIES = {
    UNKNOWN_VERSION: 'Set protocol under [broker]: it speaks another MQTT than "5" or "3.1.1".',
    0x85: "The broker does not accept this box's name.",
    0x8E: "Another box connects with the same tenant, store and box names. Find it.",
    0x95: "The broker takes only smaller messages than it said.",
    0x97: "The broker's quota for this box is used up; ask who runs it.",
    0x9C: "It names another broker, which is followed only over TLS: set it as host.",
    0x9D: "It names another broker, which is followed only over TLS: set it as host.",
}
CHECK_LINE = "Check the line, and host and port under [broker]."


def unreachable(place: str, how: str) -> BrokerUnreachable:
    """The broker at `place` cannot be used now."""
    return BrokerUnreachable(f"The broker at {place} {how}.", CHECK_LINE)


def not_let_in(place: str, code: int, said: str, elsewhere: str) -> SyncError:
    """CONNACK with a reason."""
    if code in _PASSING:
        return unreachable(place, f"cannot serve this box now: {said}")
    fallback = _LOGIN_REMEDY if code in _LOGIN else "Ask who runs the broker."
    remedy = _REMEDIES.get(code, fallback)
    what = f"The broker at {place} refused this box: {said}."
    return BrokerRefused(what, remedy, code=code, elsewhere=elsewhere)


def sent_away(place: str, code: int, said: str, elsewhere: str) -> SyncError:
    """DISCONNECT with a reason."""
    if code in _PASSING:
        return unreachable(place, f"ended the connection: {said}")
    return not_let_in(place, code, said, elsewhere)


def not_taken(topic: str, code: int, said: str) -> PublishRefused:
    """PUBACK with a reason."""
    return PublishRefused(
        f"The broker refused a message on {topic}: {said}.",
        "It must allow this client to publish there; check the broker's access list.",
        code=code,
    )


def not_subscribed(topic: str, code: int, said: str) -> BrokerRefused:
    """SUBACK with a reason."""
    return BrokerRefused(
        f"The broker refused the subscription to {topic}: {said}.",
        "It must allow this client to read there; check the broker's access list.",
        code=code,
    )
