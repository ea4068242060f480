"""One configured sensor, as the core runs it.

Made by `edge/operation/settings.py` from the configuration, used by the intake and by those who
supervise sensors. It decides nothing.
"""

from dataclasses import dataclass

from edge.errors import DeviceNotFound

SECRET_BYTES_MAX = 256
"""No device has a longer one; more is not the file that was meant."""


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """One configured sensor."""

    name: str
    kind: str
    device: str
    options: dict[str, object]
    screen: str = ""
    silence_s: float = 15.0

    @property
    def recorded(self) -> bool:
        """Whether its time is that of a recording or scenario."""
        return self.device.startswith(("replay:", "simulated:", "pictures:"))

    @property
    def remote(self) -> bool:
        """Whether it stands at a satellite, whose clock is not ours."""
        return self.device.startswith("satellite:")

    def secret(self) -> bytes:
        """What the file that is named in the options as `secret_file` holds; empty without one.

        Read at each connection, so that it can be changed, and never kept. DeviceNotFound if it
        cannot be read.
        """
        file = self.options.get("secret_file")
        if self.remote or not file:
            return b""
        try:
            with open(str(file), "rb") as opened:
                secret = opened.read(SECRET_BYTES_MAX + 1).strip()
        except OSError as error:
            raise DeviceNotFound(
                f"The secret of sensor {self.name} cannot be read from {file}: {error.strerror}.",
                "Let the file belong to the user that runs storebox.",
            ) from error
        if not 0 < len(secret) <= SECRET_BYTES_MAX:
            raise DeviceNotFound(
                f"The secret of sensor {self.name} in {file} is empty or too long.",
                f"Write 1 to {SECRET_BYTES_MAX} bytes into it, in one line.",
            )
        return secret
