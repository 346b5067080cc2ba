"""Open the directory that a cache lives in."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from dataflux_core.errors import CacheUnusable

FOLDER = ".dataflux-cache"
LEDGER = "ledger.sqlite3"
LIVE = "live"
OBJECTS = "objects"
FORMAT = "dataflux cache, format 1\n"
_FORMAT_FILE = "format"
_FORMAT_ASIDE = "format.part"
_LOCK = "lock"
_MAX_FORMAT_BYTES = 200
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LOCAL_DISK = "choose a directory on a disk of this machine"
# Their locks hold on one machine at best, and SQLite's WAL needs memory that all its processes share:
# https://sqlite.org/wal.html#overview
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "ceph", "gpfs", "beegfs", "afs", "glusterfs", "wekafs"}
_NETWORK_FUSE = {"fuse.sshfs", "fuse.gcsfuse", "fuse.s3fs", "fuse.rclone", "fuse.goofys", "fuse.glusterfs", "fuse.ceph"}


def open_place(directory: Path, *, create: bool = True) -> int:
    """Open the cache's own folder below `directory`, made where it is missing; raises CacheUnusable.

    What is there and is not a cache of this version stays as it is.
    """
    folder = directory / FOLDER
    try:
        if create:
            directory.mkdir(parents=True, exist_ok=True)
            _check_file_system(directory)
            with suppress(FileExistsError):
                folder.mkdir(0o700)
        root = os.open(folder, _DIRECTORY)
    except FileNotFoundError as error:
        raise CacheUnusable(str(directory), "there is no cache", "give the dst of a dataset") from error
    except OSError as error:
        raise CacheUnusable(str(folder), f"no directory to use ({error.strerror})", _LOCAL_DISK) from error
    try:
        _check_owner(root, folder)
        _check_format(root, folder, create=create)
    except OSError as error:
        os.close(root)
        raise CacheUnusable(str(folder), f"cannot be used ({error.strerror})", _LOCAL_DISK) from error
    except BaseException:
        os.close(root)
        raise
    return root


def _check_owner(root: int, folder: Path) -> None:
    """Refuse what others can write: who can replace the ledger with the files decides what is read."""
    found = os.fstat(root)
    if found.st_uid != os.geteuid():
        problem = f"it belongs to user {found.st_uid}, this process is of user {os.geteuid()}"
        raise CacheUnusable(str(folder), problem, "choose a directory of your own")
    if found.st_mode & _OTHERS_WRITE:
        problem = f"others may write to it (mode {stat.S_IMODE(found.st_mode):03o})"
        raise CacheUnusable(str(folder), problem, "run `chmod go-w` on it, or choose another directory")


def _check_format(root: int, folder: Path, *, create: bool) -> None:
    found = _format_of(root)
    if found is None:
        foreign = set(os.listdir(root)) - {_LOCK, _FORMAT_ASIDE}
        found = _format_of(root)  # another process may have made it just now
        if found is None and (foreign or not create):
            raise CacheUnusable(str(folder), "it is no cache of ours", "choose another directory, or move it away")
    if found is None:
        _make(root, folder)
    elif found != FORMAT:
        problem = f"another version wrote it ({found.strip()!r}, expected {FORMAT.strip()!r})"
        raise CacheUnusable(str(folder), problem, "choose another directory, or remove this one")
    _check_folders(root, folder)


def _format_of(root: int) -> str | None:
    try:
        descriptor = os.open(_FORMAT_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MAX_FORMAT_BYTES).decode(errors="replace")


def _make(root: int, folder: Path) -> None:
    """Make an empty cache; the format comes first, so that whatever else is there has one."""
    lock = os.open(_LOCK, _FILE, 0o600, dir_fd=root)
    try:
        lock_file(lock, folder, fcntl.LOCK_EX)
        if _format_of(root) is None:
            aside = os.open(_FORMAT_ASIDE, _FILE | os.O_TRUNC, 0o600, dir_fd=root)
            with os.fdopen(aside, "wb") as file:
                file.write(FORMAT.encode())
            os.rename(_FORMAT_ASIDE, _FORMAT_FILE, src_dir_fd=root, dst_dir_fd=root)
    finally:
        os.close(lock)


def _check_folders(root: int, folder: Path) -> None:
    for name in (LIVE, OBJECTS):
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=root)
        if not stat.S_ISDIR(os.lstat(name, dir_fd=root).st_mode):
            raise CacheUnusable(str(folder), f"{name} in it is no directory", "choose another directory")
    try:
        mode = os.lstat(LEDGER, dir_fd=root).st_mode
    except FileNotFoundError:
        with suppress(FileExistsError):  # SQLite would let everybody read it, and makes its other files as this one is
            os.close(os.open(LEDGER, _FILE | os.O_EXCL, 0o600, dir_fd=root))
        return
    # No more than a look: a process that closes the file loses SQLite's locks, https://sqlite.org/howtocorrupt.html
    if not stat.S_ISREG(mode):
        raise CacheUnusable(str(folder), f"{LEDGER} in it is no file", "choose another directory")


def lock_file(descriptor: int, folder: Path, how: int) -> None:
    """Lock an open file; raises CacheUnusable where the file system knows no locks, BlockingIOError where it is."""
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        raise
    except OSError as error:
        raise CacheUnusable(str(folder), f"its file system knows no locks ({error.strerror})", _LOCAL_DISK) from error


def _check_file_system(directory: Path) -> None:
    kind = file_system_of(directory.resolve(), _mounts())
    if kind in _NETWORK or kind in _NETWORK_FUSE:
        raise CacheUnusable(str(directory), f"it is on a network file system ({kind})", _LOCAL_DISK)


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""  # not Linux; the locks themselves will tell


def file_system_of(path: Path, mounts: str) -> str:
    """Return the kind of file system that a path is on, "" where the lines of mountinfo do not say."""
    found = ("", "")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and after:  # noqa: PLR2004 - the fifth is where it is mounted, proc(5)
            mounted = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
            if path.is_relative_to(mounted) and len(mounted) >= len(found[0]):
                found = (mounted, after.split(" ")[0])
    return found[1]
