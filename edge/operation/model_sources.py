"""Where a face model comes from: a file, a folder, a zip bundle, or an https address.

Called by `storebox models install`. It reads what is offered, within limits, and keeps what is
known by its SHA-256; names and paths inside a bundle count for nothing. It writes nothing.
"""

import hashlib
import http.client
import io
import lzma
import ssl
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from edge.errors import NotReachable, Refused
from edge.face_files import CARD_BYTES_MAX, CARD_SUFFIX, MODEL_BYTES_MAX, own_model
from edge.face_models import KNOWN, FaceModel, ModelFile

ENTRIES_MAX = 64
"""Files looked at in one folder or bundle: all known models together have far fewer."""
OFFERED_BYTES_MAX = 512 * 1024 * 1024
"""Of all files of one folder or bundle together: they are held in memory, and some kilobytes of a
bundle unpack to gigabytes."""
TIMEOUT_S = 20.0
"""For an answer, and for each piece of it."""
DOWNLOAD_S_MAX = 1800.0
REDIRECTS_MAX = 5
PIECE_BYTES = 256 * 1024

Progress = Callable[[float], None]


class Offer(NamedTuple):
    """One file of a model, as it is and as it belongs into the models' directory."""

    model: FaceModel
    file: ModelFile
    content: bytes


def offers(source: str, progress: Progress, trusted: ssl.SSLContext | None = None) -> list[Offer]:
    """The files of models that `source` offers: a path, or an https address.

    `trusted` replaces the authorities that the system trusts. Refused if there is none, or if a
    limit is passed; NotReachable if the address does not answer.
    """
    if "://" in source:
        contents = _opened(urlsplit(source).path, fetched(source, progress, trusted))
    else:
        contents = _of_path(Path(source))
    found = list(_recognised(dict(contents)))
    if not found:
        raise Refused(
            f"{source} holds no file of a model that is known here.",
            "`storebox models list --json` names the files and their SHA-256; it may be cut off or"
            f" another version. A network of one's own comes with its card NAME{CARD_SUFFIX}.",
        )
    return found


def _recognised(contents: dict[str, bytes]) -> Iterator[Offer]:
    by_hash = {hashlib.sha256(content).hexdigest(): content for content in contents.values()}
    for model in KNOWN.values():
        if not model.packaged:
            yield from _pieces(model, by_hash)
    for name, content in contents.items():
        if name.endswith(CARD_SUFFIX):
            model = own_model(name.removesuffix(CARD_SUFFIX), content)
            if pieces := list(_pieces(model, by_hash)):
                digest = hashlib.sha256(content).hexdigest()
                yield Offer(model, ModelFile(name, digest, len(content)), content)
                yield from pieces


def _pieces(model: FaceModel, by_hash: dict[str, bytes]) -> Iterator[Offer]:
    for file in model.files:
        if file.sha256 in by_hash:
            yield Offer(model, file, by_hash[file.sha256])


# --- files, folders, bundles


def _of_path(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file())
            _require_few(len(inside), str(path))
            sizes = {each: each.stat().st_size for each in inside}
            fitting = [each for each in inside if sizes[each] <= MODEL_BYTES_MAX]
            _require_total(sum(sizes[each] for each in fitting), str(path))
            for each in fitting:
                yield each.name, each.read_bytes()
            return
        if not path.is_file():
            raise Refused(
                f"There is no file or folder {path}.", "Name one, or an https:// address."
            )
        _require_size(path.stat().st_size, str(path))
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    yield from _opened(path.name, content)
    card = path.with_name(path.stem + CARD_SUFFIX)
    if card.is_file() and card.stat().st_size <= CARD_BYTES_MAX:
        yield card.name, card.read_bytes()


def _opened(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a bundle, or the one file itself. An npz is a zip, too, and no bundle."""
    yield PurePosixPath(path).name, content
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            inside = [each for each in bundle.infolist() if not each.is_dir()]
            _require_few(len(bundle.infolist()), path)
            fitting = [each for each in inside if each.file_size <= MODEL_BYTES_MAX]
            _require_total(sum(each.file_size for each in fitting), path)
            for entry in fitting:
                with bundle.open(entry) as stream:
                    yield PurePosixPath(entry.filename).name, limited(stream, path)
    except UNREADABLE as error:
        raise Refused(f"The bundle {path} cannot be read: {error}.", "Pack it again.") from error


UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
)
"""What `zipfile` raises for bundles that are damaged, locked or packed in an unknown way."""


def limited(stream: IO[bytes], what: str) -> bytes:
    """All of a stream. Refused when it is longer than any model."""
    content = stream.read(MODEL_BYTES_MAX + 1)
    _require_size(len(content), what)
    return content


def _require_few(count: int, what: str) -> None:
    if count > ENTRIES_MAX:
        raise Refused(
            f"{what} holds {count} files; at most {ENTRIES_MAX} are looked at.",
            "Put the models into a folder or bundle of their own.",
        )


def _require_total(size: int, what: str) -> None:
    if size > OFFERED_BYTES_MAX:
        raise Refused(
            f"{what} holds more than {OFFERED_BYTES_MAX // 2**20} MiB.",
            "Put the models into a folder or bundle of their own.",
        )


def _require_size(size: int, what: str) -> None:
    if size > MODEL_BYTES_MAX:
        raise Refused(
            f"{what} is larger than {MODEL_BYTES_MAX // 2**20} MiB.", "Is it the model's file?"
        )


# --- addresses


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, and none to an address that others could read or change."""

    max_redirections = REDIRECTS_MAX

    def redirect_request(  # noqa: PLR0913 - as urllib calls it
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request. Refused unless it is https again."""
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def fetched(url: str, progress: Progress, trusted: ssl.SSLContext | None = None) -> bytes:
    """What lies at an https address; `progress` hears the share that has arrived, 0..1."""
    _require_https(url)
    context = trusted or ssl.create_default_context()
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _OnlyHttps())
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            expected = int(answer.headers.get("Content-Length") or 0)
            _require_size(expected, url)
            content = _received(answer, expected, progress, url)
    except urllib.error.HTTPError as error:
        raise Refused(f"{url} answers: {error}.", "Check the address.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotReachable(
            f"{url} cannot be fetched: {error}.",
            "Fetch it on another machine, and install it from the file.",
        ) from error
    if expected and len(content) < expected:
        raise NotReachable(f"{url} broke off after {len(content)} bytes.", "Try it again.")
    return content


def _received(
    answer: http.client.HTTPResponse, expected: int, progress: Progress, url: str
) -> bytes:
    content, until_s = bytearray(), time.monotonic() + DOWNLOAD_S_MAX
    while piece := answer.read1(PIECE_BYTES):  # what is there: who drips must not hold us for ever
        content += piece
        _require_size(len(content), url)
        if time.monotonic() > until_s:
            raise NotReachable(f"{url} is slower than half an hour.", "Fetch it elsewhere.")
        progress(len(content) / expected if expected else 0.0)
    return bytes(content)


def _require_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise Refused(f"{url} is no https:// address.", "Others could exchange what is fetched.")
