"""A small MQTT 5 broker for the demo: iotcore on the loopback, on a port of its own.

Started by the demo and by tests; never in the field, where the platform's broker is. It keeps
nothing over a restart, and needs not: what matters waits in the box's outbox. Its process ends
with ours, however we end.
"""

import socket
import tempfile
from pathlib import Path
from types import TracebackType

from sync.messages import MESSAGE_BYTES_MAX

CONNECTIONS_MAX = 64
INFLIGHT_MAX = 100
START_TIMEOUT_S = 20.0

_CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = {connections}
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 4

[v5.1]
name = "loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {payload}
max_inflight_count = {inflight}
dynamic_filters = true
"""


class EmbeddedBroker:
    """A broker on 127.0.0.1 and a free `port`, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        # Imported here: the package belongs to the extra `demo`.
        from iotcore import Broker

        self.port = _free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="storebox-broker-")
        path = Path(self._folder.name) / "broker.toml"
        path.write_text(
            _CONFIGURATION.format(
                port=self.port,
                connections=CONNECTIONS_MAX,
                payload=2 * MESSAGE_BYTES_MAX,
                inflight=INFLIGHT_MAX,
            ),
            encoding="ascii",
        )
        self._broker = Broker(listen="127.0.0.1", port=self.port, config_path=str(path))

    def start(self) -> None:
        """Start it; returns once it listens. OSError when somebody took the port meanwhile."""
        self._broker.start(timeout=START_TIMEOUT_S)

    def stop(self) -> None:
        """End its process and free the port; it may be started again."""
        self._broker.stop()

    def __enter__(self) -> "EmbeddedBroker":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._folder.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
