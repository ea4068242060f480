"""Templates and static files, read into memory once: nothing is opened while a shopper waits.

Used by `kiosk/app.py` and the routes. It knows no shop word beyond what templates say.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kiosk.settings import KioskSettings
from kiosk.words import LANGUAGES, Words

_HERE = Path(__file__).parent
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class Pages:
    """Draws templates in the languages there are."""

    def __init__(self, settings: KioskSettings, build: str) -> None:
        self._settings = settings
        self._build = build
        self._words = {
            language: Words(language, settings.currency, settings.timezone)
            for language in LANGUAGES
        }
        self._environment = _compiled()

    def words(self, language: str) -> Words:
        """The words of one language; those of the box if there are none."""
        return self._words.get(language) or self._words[self._settings.language]

    def draw(self, template: str, words: Words, **values: Any) -> str:
        """One template as HTML."""
        return self._environment.get_template(template).render(
            w=words,
            _=words.text,
            ngettext=words.plural,
            languages=LANGUAGES,
            settings=self._settings,
            build=self._build,
            **values,
        )

    def page(self, template: str, words: Words, status: int = 200, **values: Any) -> HTMLResponse:
        """One template as an answer."""
        return HTMLResponse(self.draw(template, words, **values), status)


@cache
def _compiled() -> Environment:
    """All templates; compiling them is most of what a server costs to make."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


class Assets:
    """The static files, with entity tags."""

    def __init__(self) -> None:
        root = _HERE / "static"
        self._files = {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.suffix in _TYPES
        }
        self._tags = {
            name: f'"{hashlib.sha256(body).hexdigest()[:20]}"' for name, body in self._files.items()
        }
        everything = "".join(self._tags.values()).encode()
        self.build = hashlib.sha256(everything).hexdigest()[:12]
        """Tells open pages that they are older than their style and script."""

    def answer(self, name: str, request: Request) -> Response:
        """One file, or 304 when the browser has it, or 404."""
        if name not in self._files:
            return Response("There is no such file.", 404, media_type="text/plain")
        tag = self._tags[name]
        headers = {"ETag": tag, "Cache-Control": "public, max-age=300"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        kind = _TYPES[Path(name).suffix]
        return Response(self._files[name], headers=headers, media_type=kind)
