"""What to do about the line to the broker, in the words of whoever runs the platform.

The errors of `sync/mqtt.py` speak to a box and name keys of its `[broker]`; the platform has
options in their place. Used by `platform.py` for what it logs. Pure.
"""

from edge.errors import BrokerRefused, BrokerUnreachable, StoreboxError
from sync import refusals

LINE = "Check the line, --broker-host and --broker-port, and --ca-file if the broker speaks TLS."
LOGIN = (
    "Check --username and --password-file (or --token-file, --cert-file and --key-file), and that"
    " the broker's access list allows the platform."
)
FILE = "Correct the option that names it, or make it readable for the platform's user."
TAKEN_OVER = 0x8E
BY_CODE = {
    refusals.UNKNOWN_VERSION: "It must speak MQTT 5 or 3.1.1.",
    TAKEN_OVER: "Another client has the same --client-id. Find it, or leave the option out.",
    0x97: "The broker's quota for the platform is used up; ask who runs it.",
    0x9C: "It names another broker: give that as --broker-host.",
    0x9D: "It names another broker: give that as --broker-host.",
}


def told(error: StoreboxError) -> str:
    """The error as the platform's log has it. What speaks of no box stays as it is."""
    what = error.what.replace("this box", "the platform")
    if isinstance(error, BrokerUnreachable):
        return f"{what} {LINE}"
    if isinstance(error, BrokerRefused):
        if error.code == 0 and "[broker]" in error.remedy:
            return f"{what} {FILE}"
        if error.code in BY_CODE:
            return f"{what} {BY_CODE[error.code]}"
        if "[broker]" in error.remedy or "this box" in error.remedy:
            return f"{what} {LOGIN}"
    return f"{what} {error.remedy}".strip()
