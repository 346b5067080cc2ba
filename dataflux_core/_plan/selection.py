"""Say which objects of a bucket are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from dataflux_core._plan.listing import KeyRange
from dataflux_core.errors import InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which objects are listed, among those of the prefix; what is None sets no condition.

    `match_glob` is the service's own: `*` stops at "/", `**` does not, `?`, `[a-z]` or `{a,b}` stand for one of
    several. A name passes from `start_offset` on, below `end_offset`; a size of `min_bytes` to `max_bytes`, both
    included; an object whose latest change, of its metadata too, came at `updated_from` or later, before
    `updated_before`. `versions` lists every generation that is kept, `soft_deleted` only those that were deleted but
    can be restored: a name then comes once per generation. Raises InvalidArgument.
    """

    match_glob: str | None = None
    start_offset: str | None = None
    end_offset: str | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    updated_from: datetime | None = None  # with a time zone
    updated_before: datetime | None = None
    versions: bool = False
    soft_deleted: bool = False

    def __post_init__(self) -> None:
        for argument in ("match_glob", "start_offset", "end_offset"):
            _check_text(argument, getattr(self, argument))
        for argument in ("min_bytes", "max_bytes"):
            _check_size(argument, getattr(self, argument))
        for argument in ("updated_from", "updated_before"):
            _check_moment(argument, getattr(self, argument))
        for argument in ("versions", "soft_deleted"):
            if not isinstance(getattr(self, argument), bool):
                raise InvalidArgument(argument, repr(getattr(self, argument)), "True or False")
        if self.versions and self.soft_deleted:
            raise InvalidArgument(
                "soft_deleted", "True", "no versions=True beside it: the service lists one or the other"
            )
        if self.min_bytes is not None and self.max_bytes is not None and self.min_bytes > self.max_bytes:
            raise InvalidArgument("min_bytes", str(self.min_bytes), f"at most max_bytes={self.max_bytes}")
        if self.updated_from is not None and self.updated_before is not None:
            _check_order(self.updated_from, self.updated_before)

    @property
    def names_repeat(self) -> bool:
        """Tell whether a name may come more than once."""
        return self.versions or self.soft_deleted

    @property
    def judges_times(self) -> bool:
        return self.updated_from is not None or self.updated_before is not None

    @property
    def judges_objects(self) -> bool:
        """Tell whether a condition is left to us: the service knows none of size or time."""
        return self.judges_times or self.min_bytes is not None or self.max_bytes is not None

    @property
    def allows_folders(self) -> bool:
        """Tell whether folders may be listed one by one: a glob speaks of names, generations need one token."""
        return not self.names_repeat and not self.match_glob

    def ranges(self, prefix: str) -> list[KeyRange]:
        """Return the part of the namespace to list where names begin with `prefix`; none where nothing can be there."""
        start, end = self.start_offset or "", self.end_offset or None
        beyond_prefix = start > prefix and not start.startswith(prefix)
        if beyond_prefix or (end is not None and (end <= start or end <= prefix)):
            return []
        return [KeyRange(start, end)]


def _check_text(argument: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise InvalidArgument(argument, repr(value), "a text, or None for no condition")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            argument, repr(value), "a text that UTF-8 can write, as every object's name is"
        ) from error


def _check_size(argument: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidArgument(argument, repr(value), "a whole number of bytes, or None for no condition")


def _check_moment(argument: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime):
        raise InvalidArgument(argument, repr(value), "a datetime, or None for no condition")
    if value.utcoffset() is None:
        raise InvalidArgument(
            argument, repr(value), "a time zone with it, such as datetime(2026, 11, 1, tzinfo=timezone.utc)"
        )
    try:
        value.astimezone(timezone.utc)
    except OverflowError as error:
        raise InvalidArgument(argument, repr(value), "a time that UTC can tell") from error


def _check_order(begin: datetime, end: datetime) -> None:
    if begin >= end:
        raise InvalidArgument("updated_from", begin.isoformat(), f"a time before updated_before={end.isoformat()}")
