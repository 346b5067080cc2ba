"""Read from the options of a command which objects are wanted."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dataflux_core._cli.arguments import AgeType
from dataflux_core._cli.command import CommonOptions, GroupedOption, TextType
from dataflux_core._cli.text import human_bytes
from dataflux_core._cli.wording import as_typed
from dataflux_core._plan.selection import Selection
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?))?b?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_AGE = re.compile(r"\d+[smhdw]", re.ASCII)
_GROUP = "Which objects"

F = TypeVar("F", bound="Callable[..., Any]")


class SelectionOptions(CommonOptions):
    """The options that say which objects are wanted."""

    match_glob: str | None
    start_offset: str | None
    end_offset: str | None
    min_bytes: int | None
    max_bytes: int | None
    updated_from: datetime | None
    updated_before: datetime | None


class SizeType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A number of bytes: 4096, 10k, 1.5GB of 1000s, 5MiB of 1024s."""

    name = "size"

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value)
        if found is None:
            self.fail(f"{value!r}: expected bytes, such as 4096, 10k (10,000) or 5MiB (5,242,880)", param, ctx)
        number, unit, binary = found.groups()
        step = 1024 if binary else 1000
        size = int(Decimal(number) * step ** _POWERS.get((unit or "").lower(), 0))
        if size < self._least:
            self.fail(f"{value!r}: expected {human_bytes(self._least)} or more", param, ctx)
        return size


class MomentType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A date, a time, or an age before now."""

    name = "when"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if _AGE.fullmatch(value):
            return self._ago(AgeType().convert(value, param, ctx), value, param, ctx)
        try:
            moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", value))
        except ValueError:
            self.fail(f"{value!r}: expected a date, a time or an age: 2026-11-01, 2026-11-01T08:30Z, 7d", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)

    def _ago(self, age: timedelta, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.now(timezone.utc) - age
        except OverflowError:
            self.fail(f"{value!r} is longer ago than time can tell", param, ctx)


class FieldsType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """Names of fields with commas between."""

    name = "fields"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        from dataflux_core._wire.page import canonical_fields  # noqa: PLC0415 - slow import

        try:
            return canonical_fields([field.strip() for field in value.split(",")] if isinstance(value, str) else value)
        except InvalidArgument as error:
            self.fail(f"{error.value}: expected {error.expected}", param, ctx)


def _option(*declarations: str, **attributes: Any) -> Callable[[F], F]:  # noqa: ANN401 - click's own signature
    return click.option(*declarations, cls=GroupedOption, group=_GROUP, **attributes)


def _match_glob(*, hidden: bool = False) -> Callable[[F], F]:
    help_ = "Whole names that match: * stops at '/', ** does not; ?, [a-z], {a,b}."
    return _option("--match-glob", type=TextType(), metavar="GLOB", help=help_, hidden=hidden)


_OF_LISTED_OBJECTS = (
    _option("--start-offset", type=TextType(), metavar="NAME", help="Names from this one on."),
    _option("--end-offset", type=TextType(), metavar="NAME", help="Names below this one."),
    _option("--min-size", "min_bytes", type=SizeType(), metavar="SIZE", help="At least so large: 4096, 10k, 5MiB."),
    _option("--max-size", "max_bytes", type=SizeType(), metavar="SIZE", help="At most so large."),
    _option("--updated-from", type=MomentType(), metavar="WHEN", help="Changed then or later: 2026-11-01 (UTC), 7d."),
    _option("--updated-before", type=MomentType(), metavar="WHEN", help="Changed earlier than that."),
)
_OF_OBJECTS = (_match_glob(), *_OF_LISTED_OBJECTS)
_OF_GENERATIONS = (
    _option("--versions", is_flag=True, help="Every generation, the noncurrent ones too."),
    _option("--soft-deleted", is_flag=True, help="Only what was deleted but can be restored."),
)


def selecting_objects(command: F) -> F:
    """Give a command the options that choose among live objects."""
    return _with_options(command, _OF_OBJECTS)


def selecting_comparable(command: F) -> F:
    """Give a command the options that choose among objects listed before, too; another is there to be refused."""
    return _with_options(command, (_match_glob(hidden=True), *_OF_LISTED_OBJECTS))


def selecting_generations(command: F) -> F:
    """Give a command the options that choose among generations, live or not."""
    return _with_options(command, (*_OF_OBJECTS, *_OF_GENERATIONS))


def _with_options(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def selection_of(options: SelectionOptions, *, versions: bool = False, soft_deleted: bool = False) -> Selection:
    """Say what the options say; raises UsageError."""
    if versions and soft_deleted:
        raise click.UsageError("--versions and --soft-deleted list different things: give one of them")
    _check_offsets(options["start_offset"], options["end_offset"])
    try:
        return Selection(
            match_glob=options["match_glob"],
            start_offset=options["start_offset"],
            end_offset=options["end_offset"],
            min_bytes=options["min_bytes"],
            max_bytes=options["max_bytes"],
            updated_from=options["updated_from"],
            updated_before=options["updated_before"],
            versions=versions,
            soft_deleted=soft_deleted,
        )
    except InvalidArgument as error:
        raise click.UsageError(as_typed(str(error))) from error


def _check_offsets(start: str | None, end: str | None) -> None:
    """Refuse to look for nothing; in Python an empty range may be what a program has computed."""
    if start is not None and end is not None and end <= start:
        raise click.UsageError(f"no name is from --start-offset {start!r} on and below --end-offset {end!r}")
