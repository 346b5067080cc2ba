"""Read the options that commands on playlists share."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dataflux_core._cli.command import TextType, failure_of
from dataflux_core._cli.text import shown
from dataflux_core.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core._run.flare.options import StreamOptions

F = TypeVar("F", bound="Callable[..., Any]")


class BaseUrlType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A directory of a web server; the "/" at its end may be left out."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from dataflux_core._wire.urls import shown_url, web_url  # noqa: PLC0415 - slow import

        try:
            from dataflux_core._wire.flare.chunk_urls import has_credentials, is_base  # noqa: PLC0415 - of an extra
        except ExtraMissing as error:
            raise failure_of(error) from error
        if has_credentials(value):
            problem = "a user name or password may not be in it: everybody who reads the playlist would have it"
            self.fail(f"'{shown(shown_url(value))}': {problem}", param, ctx)
        url = value if value.endswith("/") else f"{value}/"
        if not is_base(url):
            self.fail(f"'{shown(shown_url(value))}': expected a directory such as https://host/path/", param, ctx)
        return web_url(url)  # as it is sent: a space would be none to other readers


class SpanType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """Numbers from one on and below another: 3, 2:5, 10:, :4."""

    name = "span"

    def convert(self, value: str | slice, param: click.Parameter | None, ctx: click.Context | None) -> slice:
        if isinstance(value, slice):
            return value
        start, colon, stop = value.partition(":")
        if not all(text.isascii() and text.isdecimal() and len(text) < 19 for text in (start, stop) if text):  # noqa: PLR2004
            self.fail(f"'{shown(value)}': expected whole numbers, such as 3, 2:5, 10: or :4", param, ctx)
        if not colon:
            if not start:
                self.fail("'': expected whole numbers, such as 3, 2:5, 10: or :4", param, ctx)
            return slice(int(start), int(start) + 1)
        span = slice(int(start or 0), int(stop) if stop else None)
        if span.stop is not None and span.stop <= span.start:
            self.fail(f"'{shown(value)}': nothing is from {span.start} on and below {span.stop}", param, ctx)
        return span


@contextmanager
def importing(feature: str, extra: str) -> Iterator[None]:
    """Import what a command needs; raises ExtraMissing where that is not installed."""
    try:
        yield
    except ExtraMissing:
        raise
    except ModuleNotFoundError as error:
        raise ExtraMissing(feature, extra) from error


_PATIENCE_S = 10.0
_LEAST_STALL_S = 5  # a server that is busy is silent for a while too
patience = click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=_PATIENCE_S,
    metavar="SECONDS",
    help="For how long a host that fails is asked again, 10 by default; one that sends nothing is waited for as long, "
    "from 5 to 30 s. A host that was never reached is given up within about a second.",
)


def patient(patience_s: float, max_requests: int | None = None) -> StreamOptions:
    """Read with so much patience, for a host that is silent too, within the usual limits."""
    from dataflux_core._run.flare.options import StreamOptions  # noqa: PLC0415 - slow imports, of an extra

    usual = StreamOptions()
    whole_s = max(_LEAST_STALL_S, math.ceil(min(usual.stall_timeout_s, patience_s)))
    return StreamOptions(
        max_requests=max_requests or usual.max_requests,
        patience_s=patience_s,
        connect_timeout_s=min(usual.connect_timeout_s, whole_s),
        stall_timeout_s=whole_s,
    )


_DESCRIBING = (
    click.option(
        "--mirror",
        "mirrors",
        multiple=True,
        type=BaseUrlType(),
        metavar="URL",
        help="Where a copy lies: the same paths below another URL; repeatable.",
    ),
    click.option("--description", type=TextType(), metavar="TEXT", help="What the data are."),
    click.option("--license", type=TextType(), metavar="NAME", help="An SPDX identifier or a URL."),
)


def describing(command: F) -> F:
    """Give a command the options that go into the headers of all streams."""
    for option in reversed(_DESCRIBING):
        command = option(command)
    return command
