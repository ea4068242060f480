"""Every way storebox can fail, as one tree. Imports nothing of ours; everybody raises from here.

StoreboxError               what happened, and a sentence that tells the person what to do
├── ConfigError             the configuration file cannot be used (names the line)
├── DeviceError             a device cannot be used now; its sensor is restarted with backoff
│   ├── DeviceNotFound      it is not there, or may not be opened
│   ├── DeviceGone          it was there and was unplugged or stopped answering
│   ├── WrongDevice         it answers, but it is not what the sensor needs
│   └── BadModel            the file of a face model is missing, exchanged or cannot be loaded
├── InputError              one piece of input is malformed: it is refused and counted, life goes on
│   ├── BadFrame            an 802.11 frame or capture record
│   ├── BadPicture          a picture or video frame that cannot be decoded
│   ├── BadLine             bytes on a serial line that are no code
│   ├── BadWireFrame        a frame on a sensor's socket that breaks the protocol
│   └── BadMessage          an MQTT message that breaks the contract
├── StorageError            the database cannot do what was asked; nothing accepted is lost
│   ├── DatabaseTooNew      written by a newer storebox
│   ├── DatabaseUnreadable  damaged, or the key does not fit
│   └── StorageFull         no room for what must not be dropped
├── SyncError               the line to the platform; events stay on the box until it works
│   ├── BrokerUnreachable   no TCP connection, or it ended
│   ├── BrokerRefused       the broker answered and said no
│   │   └── PublishRefused  it did not take one message; the connection goes on
│   └── EventTooLarge       one event does not fit into a message that the broker takes
├── Refused                 a person's request that cannot be done, with the reason to show
│   ├── UnknownProduct      no such code in the catalogue
│   └── EmptyCart           an order needs at least one line
├── ConsentMissing          a member has not agreed to what was about to be done
├── PortInUse               another program listens where the kiosk should
├── AlreadyRunning          another daemon of this box runs
└── NotReachable            the daemon does not answer on its control socket
"""


class StoreboxError(Exception):
    """Base of the tree. `what` happened and the `remedy`, both whole sentences for a person."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class ConfigError(StoreboxError):
    """The configuration file cannot be used; `what` names the file and the line."""


class DeviceError(StoreboxError):
    """A device cannot be used now."""


class DeviceNotFound(DeviceError):
    """The device is not there or may not be opened."""


class DeviceGone(DeviceError):
    """The device was there and is no longer."""


class WrongDevice(DeviceError):
    """The device answers but is not what the sensor needs."""


class BadModel(DeviceError):
    """A face model's file is not there (`missing`), or not the one that it should be."""

    def __init__(self, what: str, remedy: str = "", *, missing: bool = False) -> None:
        super().__init__(what, remedy)
        self.missing = missing


class InputError(StoreboxError):
    """One piece of input is malformed; it is refused and counted."""


class BadFrame(InputError):
    """A malformed 802.11 frame or capture record."""


class BadPicture(InputError):
    """A picture or video frame that cannot be decoded."""


class BadLine(InputError):
    """Bytes on a serial line that are no code."""


class BadWireFrame(InputError):
    """A frame on a sensor's socket that breaks the protocol."""


class BadMessage(InputError):
    """An MQTT message that breaks the contract."""


class StorageError(StoreboxError):
    """The database cannot do what was asked."""


class DatabaseTooNew(StorageError):
    """The database was written by a newer storebox."""


class DatabaseUnreadable(StorageError):
    """The database is damaged, or the key does not fit."""


class StorageFull(StorageError):
    """There is no room for what must not be dropped."""


class SyncError(StoreboxError):
    """The line to the platform does not work; events stay on the box."""


class BrokerUnreachable(SyncError):
    """No connection to the broker."""


class BrokerRefused(SyncError):
    """The broker answered and said no. `code` is MQTT's reason, 0 if it was not the broker's.

    `elsewhere` is where it sends us instead: `host` or `host:port`, or empty.
    """

    def __init__(self, what: str, remedy: str = "", *, code: int = 0, elsewhere: str = "") -> None:
        super().__init__(what, remedy)
        self.code = code
        self.elsewhere = elsewhere


class PublishRefused(BrokerRefused):
    """The broker did not take one message."""


class EventTooLarge(SyncError):
    """One event does not fit into a message that the broker takes."""


class Refused(StoreboxError):
    """A person's request that cannot be done; `what` may be shown to them."""


class UnknownProduct(Refused):
    """No product in the catalogue carries this code."""


class EmptyCart(Refused):
    """An order needs at least one line."""


class ConsentMissing(StoreboxError):
    """A member has not agreed to what was about to be done."""


class PortInUse(StoreboxError):
    """Another program listens on the port."""


class AlreadyRunning(StoreboxError):
    """Another daemon of this box holds the control socket."""


class NotReachable(StoreboxError):
    """The daemon does not answer."""
