"""The shopper's finger: the demo uses the kiosk as a browser would, by its forms over HTTP.

Used by `edge/demo/play.py`. Blocking; called in a thread.
"""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from edge.errors import NotReachable

TIMEOUT_S = 20.0
SEE_THE_LOG = "What the daemon said last may tell why."


class Finger:
    """Taps on one screen."""

    def __init__(self, address: str, screen: str) -> None:
        split = urlsplit(address)
        assert split.hostname is not None
        self._host, self._port = split.hostname, split.port or 80
        self._screen = screen

    def screen(self) -> dict[str, Any]:
        """What the screen shows now."""
        status, body = self._request("GET", f"/api/kiosk/{self._screen}", "")
        if status != 200:
            raise NotReachable(f"The kiosk answered {status}.", SEE_THE_LOG)
        shown: dict[str, Any] = json.loads(body)
        return shown

    def tap(self, action: str, **fields: str) -> None:
        """Send one form."""
        status, _ = self._request("POST", f"/kiosk/{self._screen}/{action}", urlencode(fields))
        if status != 303:
            raise NotReachable(f"The kiosk answered {status} to '{action}'.", SEE_THE_LOG)

    def _request(self, method: str, path: str, body: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        headers = {"Origin": f"http://{self._host}:{self._port}"}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError as error:
            raise NotReachable(f"The kiosk does not answer: {error}.", SEE_THE_LOG) from error
        finally:
            connection.close()
