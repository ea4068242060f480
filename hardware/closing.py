"""A device that is given back at the end of a `with`: the two methods that all of them share.

Extended by the drivers, which know how to `close`. It knows nothing of any device.
"""

from typing import Self


class Closing:
    """A context manager whose end is `close`."""

    def close(self) -> None:
        """Give the device back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """The device itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
