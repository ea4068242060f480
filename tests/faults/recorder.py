"""Notes down each write and each sync of the box's own SQLCipher: what a power cut needs to know.

Registers one more VFS in the very library that the core uses, which is SQLite's own way to put
something between itself and the disk. It stands below the cipher, hands everything on to the
operating system's VFS and loses nothing itself, so the box's code runs as it is; `power_cut.py`
replays what was noted. Only files in a directory that is being recorded are noted.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlcipher3 import _sqlite3

NAME = b"recorded"
OK = 0


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Delete:
    file: str


@dataclass(frozen=True, slots=True)
class Sync:
    file: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Not of a file: what the outside was told at this moment."""

    what: Any


Operation = Write | Truncate | Delete | Sync | Mark


@dataclass(slots=True)
class Recording:
    """Everything that happened to the files of `directory`, in order, from `before` on."""

    directory: Path
    before: dict[str, bytes] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def mark(self, what: Any) -> None:
        """Note down that `what` was said to somebody outside now."""
        self.operations.append(Mark(what))


@contextmanager
def recording(directory: Path) -> Iterator[Recording]:
    """Record what is opened in `directory` within the block, and closed again.

    Every file that is there at the beginning counts as safe.
    """
    directory = directory.resolve()
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    made = _recordings[str(directory)] = Recording(directory, before)
    assert _library.sqlite3_vfs_register(ctypes.byref(_recorded), 1) == OK
    try:
        yield made
    finally:
        assert _library.sqlite3_vfs_register(_system, 1) == OK
        del _recordings[str(directory)]


# --- SQLite's structures, as sqlite3.h has them

_Close = CFUNCTYPE(c_int, c_void_p)
_Transfer = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Resize = CFUNCTYPE(c_int, c_void_p, c_int64)
_Flush = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(ctypes.Structure):
    _fields_ = (
        ("iVersion", c_int),
        ("xClose", _Close),
        ("xRead", _Transfer),
        ("xWrite", _Transfer),
        ("xTruncate", _Resize),
        ("xSync", _Flush),
        ("rest", c_void_p * 13),
    )


class _File(ctypes.Structure):
    _fields_ = (("pMethods", POINTER(_Methods)),)


_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(_File), c_int, c_void_p)
_Unlink = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", _Open),
        ("xDelete", _Unlink),
        ("rest", c_void_p * 14),
    )


_library = ctypes.CDLL(_sqlite3.__file__)
_library.sqlite3_vfs_find.restype = POINTER(_Vfs)
_library.sqlite3_vfs_register.argtypes = (POINTER(_Vfs), c_int)
_system = _library.sqlite3_vfs_find(None)

# --- what is put in between

_recordings: dict[str, Recording] = {}
_names: dict[int, tuple[Recording, str]] = {}
"""Which file stands at an address of SQLite's memory."""
_tables: dict[int, _Methods] = {}
"""The recording methods for each table of the system's, by its address."""


def _open(vfs: int, path: int | None, file: Any, flags: int, flags_out: int | None) -> int:
    result = _system.contents.xOpen(vfs, path, file, flags, flags_out)
    name = Path(ctypes.string_at(path).decode()) if path else Path()
    made = _recordings.get(str(name.parent))
    if result != OK or made is None or name.name.endswith("-shm"):
        return int(result)
    _names[ctypes.addressof(file.contents)] = (made, name.name)
    file.contents.pMethods = ctypes.pointer(_recording_methods(file.contents.pMethods))
    return OK


def _delete(vfs: int, path: bytes, sync_folder: int) -> int:
    name = Path(path.decode())
    made = _recordings.get(str(name.parent))
    result = _system.contents.xDelete(vfs, path, sync_folder)
    if made is not None and result == OK:
        made.operations.append(Delete(name.name))
        if sync_folder:
            made.operations.append(Sync(name.name))
    return int(result)


def _recording_methods(system: Any) -> _Methods:
    """The system's methods, with four of them overheard."""
    address = ctypes.addressof(system.contents)
    if address in _tables:
        return _tables[address]
    methods = system.contents

    def close(file: int) -> int:
        _names.pop(file, None)
        return int(methods.xClose(file))

    def write(file: int, data: int, size: int, offset: int) -> int:
        made, name = _names[file]
        made.operations.append(Write(name, offset, ctypes.string_at(data, size)))
        return int(methods.xWrite(file, data, size, offset))

    def truncate(file: int, size: int) -> int:
        made, name = _names[file]
        made.operations.append(Truncate(name, size))
        return int(methods.xTruncate(file, size))

    def sync(file: int, flags: int) -> int:
        made, name = _names[file]
        result = int(methods.xSync(file, flags))
        if result == OK:
            made.operations.append(Sync(name))
        return result

    copy = _Methods.from_buffer_copy(methods)
    copy.xClose, copy.xWrite = _Close(close), _Transfer(write)
    copy.xTruncate, copy.xSync = _Resize(truncate), _Flush(sync)
    _tables[address] = copy
    return copy


_recorded = _Vfs.from_buffer_copy(_system.contents)
_recorded.zName = NAME
_recorded.pNext = None
_recorded.xOpen, _recorded.xDelete = _Open(_open), _Unlink(_delete)
