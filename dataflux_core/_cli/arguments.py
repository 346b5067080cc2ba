"""Read what is typed: URLs, ages."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.command import failure_of
from dataflux_core._cli.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://", re.ASCII)
_AGE = re.compile(r"(\d+)([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_EXAMPLE = "expected gs://BUCKET or gs://BUCKET/PREFIX, such as gs://my-bucket/images/"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, or all of it whose names begin with `prefix`."""

    bucket: str
    prefix: str = ""

    @property
    def directory(self) -> str:
        """The prefix up to its last "/"."""
        return self.prefix[: self.prefix.rfind("/") + 1]

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.prefix}"


class PlaceType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A gs:// URL; "*" has no meaning of its own in it, nor are percent signs escapes."""

    name = "gs://bucket/prefix"

    def __init__(self, *, whole_bucket: bool = False) -> None:
        self._whole_bucket = whole_bucket

    def convert(self, value: str | Place, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        if isinstance(value, Place):
            return value
        scheme, separator, rest = value.partition("://")
        if not separator:
            self._refuse(value, "no URL", param, ctx)
        if scheme != "gs":
            self._refuse(value, f"{scheme}:// is another service", param, ctx)
        bucket, _, prefix = rest.partition("/")
        if not _BUCKET.fullmatch(bucket):
            self._refuse(value, f"{bucket!r} is no name of a bucket" if bucket else "the bucket is missing", param, ctx)
        if self._whole_bucket and prefix:
            self.fail(f"'{shown(value)}': expected a whole bucket, gs://{bucket}", param, ctx)
        try:
            prefix.encode()
        except UnicodeEncodeError:
            self._refuse(value, "it is not UTF-8, as every object's name is", param, ctx)
        return Place(bucket, prefix)

    def _refuse(self, value: str, reason: str, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        text = shown(value.encode(errors="backslashreplace").decode())
        self.fail(f"'{text}': {shown(reason)}; {_EXAMPLE}", param, ctx)


class ListedType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A gs:// URL or a file that holds a listing."""

    name = "listing"

    def __init__(self, *, files_only: bool = False) -> None:
        self._files_only = files_only

    def convert(
        self, value: str | Place | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place | Path:
        if not isinstance(value, str):
            return value
        if "://" in value and not self._files_only:
            return PlaceType().convert(value, param, ctx)
        if not Path(value).is_file():
            hint = "" if self._files_only else "; a bucket is written gs://BUCKET"
            self.fail(f"'{shown(value)}': {_flaw_of_file(value)}{hint}", param, ctx)
        return Path(value)


def _flaw_of_file(path: str) -> str:
    if Path(path).is_dir():
        return "a directory, expected a file"
    return "no regular file" if Path(path).exists() else "no such file"


class DirectoryType(click.Path):
    """A directory to write to, made where it is missing."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401
        if value == "":
            self.fail("'': expected a directory, . is this one", param, ctx)
        text = os.fsdecode(value)
        if _SCHEME.match(text):
            self.fail(f"'{shown(text)}': expected a directory of this machine, no URL", param, ctx)
        directory = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not directory.is_dir():
            self._check_missing(directory, param, ctx)
        return directory

    def _check_missing(self, directory: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
        from dataflux_core._data.claimed_tree import check_target  # noqa: PLC0415 - slow imports
        from dataflux_core.errors import InvalidArgument  # noqa: PLC0415

        try:
            check_target(directory)
        except InvalidArgument as error:
            self.fail(f"'{shown(error.value)}': expected {shown(error.expected)}", param, ctx)
        except OSError as error:
            self.fail(f"'{shown(str(directory))}': {error.strerror}", param, ctx)


class OutputType(click.Path):
    """A file to write, in a directory that is there: known before an hour is spent on what it will hold."""

    def __init__(self, *, or_stdout: bool = False) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=True)
        self._or_stdout = or_stdout

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        if value == "":
            self.fail("'': expected a file, or no such option", param, ctx)
        path = str(super().convert(value, param, ctx))
        if path == "-" and not self._or_stdout:
            self.fail("'-': expected a file, this cannot go to stdout", param, ctx)
        parent = Path(path).parent
        if path != "-" and not parent.is_dir():
            self.fail(f"'{shown(path)}': {shown(str(parent))} is no directory to write to", param, ctx)
        if path != "-" and not os.access(parent, os.W_OK):
            self.fail(f"'{shown(path)}': the directory {shown(str(parent))} may not be written to", param, ctx)
        return path


def check_distinct(files: Mapping[str, str | None]) -> None:
    """Refuse to write two things, by option, to one file: one would take the other's place; raises UsageError."""
    options: dict[Path, str] = {}
    for option, path in files.items():
        if path is not None and path != "-":
            first = options.setdefault(Path(path).resolve(), option)
            if first != option:
                raise click.UsageError(f"{first} and {option} name the same file: {shown(path)}")


class TraceType(OutputType):
    """A trace to write: what it needs is known to be there before an hour is spent."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        path = super().convert(value, param, ctx)
        from dataflux_core._data.trace import check_trace  # noqa: PLC0415 - slow import
        from dataflux_core.errors import ExtraMissing, InvalidArgument  # noqa: PLC0415

        try:
            check_trace(Path(path))
        except InvalidArgument as error:
            self.fail(f"'{shown(path)}': expected {error.expected}", param, ctx)
        except ExtraMissing as error:
            raise failure_of(error) from error
        return path


class AgeType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A length of time: 90s, 30m, 24h, 7d, 2w."""

    name = "age"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _AGE.fullmatch(value)
        if found is None:
            self.fail(f"{value!r}: expected a number with a unit, such as 90s, 30m, 24h, 7d, 2w", param, ctx)
        try:
            return timedelta(seconds=int(found.group(1)) * _SECONDS[found.group(2)])
        except (OverflowError, ValueError):  # Python reads no number of thousands of digits
            self.fail(f"{value!r} is longer ago than time can tell", param, ctx)
