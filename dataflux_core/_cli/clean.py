"""Remove temporaries that interrupted downloads left."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.arguments import AgeType, Place, PlaceType
from dataflux_core._cli.command import CommonOptions, Failure, ServiceCommand, say, shows_progress
from dataflux_core._cli.text import counted, human_bytes, shown

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dataflux_core._data.listing import Listing


class Options(CommonOptions):
    """The options of the command."""

    place: Place
    older_than: timedelta
    yes: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Temporaries old enough to be nobody's."""

    objects: list[tuple[str, int]]  # name, generation
    bytes: int
    younger: int  # objects that are left alone


@click.command(cls=ServiceCommand)
@click.argument("place", metavar="gs://BUCKET", type=PlaceType(whole_bucket=True))
@click.option(
    "--older-than",
    type=AgeType(),
    default="24h",
    show_default=True,
    help="Younger ones may serve a download that is running: 90s, 30m, 24h, 7d.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed; remove nothing.")
def clean(**options: Unpack[Options]) -> None:
    """Remove old temporaries of downloads, the objects below dataflux-composed-objects/.

    Downloads remove their temporaries themselves, whatever ends them, unless the machine itself goes down.

    \b
    dataflux clean --dry-run gs://my-bucket
    dataflux clean --older-than 7d --yes gs://my-bucket
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._cli.service import Query, listing, open_client  # noqa: PLC0415 - slow imports
    from dataflux_core._wire.listing import COMPOSED_PREFIX  # noqa: PLC0415

    client, bucket = open_client(options), options["place"].bucket
    query = Query(Place(bucket, COMPOSED_PREFIX), ("generation", "updated"), everything=True)
    found = listing(client, query, shows_bar=shows_progress(quiet=options["quiet"]), may_be_empty=True)
    leftovers = old_ones(found, before=datetime.now(timezone.utc) - options["older_than"])
    if not options["quiet"]:
        say(
            f"gs://{bucket}: {counted(len(leftovers.objects), 'old temporary object')}, "
            f"{human_bytes(leftovers.bytes)}; {leftovers.younger} younger"
        )
    if options["dry_run"]:
        for name, _ in leftovers.objects:
            click.echo(shown(f"gs://{bucket}/{name}"))
    elif leftovers.objects and _agreed(leftovers, yes=options["yes"]):
        _remove(client, bucket, leftovers, quiet=options["quiet"])


def old_ones(found: Listing, *, before: datetime) -> Leftovers:
    """Pick the objects that were written before a time."""
    objects: list[tuple[str, int]] = []
    size_sum = 0
    rows = zip(found, found.column("generation"), found.column("updated"), strict=True)
    for (name, size), generation, updated in rows:
        if datetime.fromisoformat(str(updated).replace("Z", "+00:00")) < before:
            objects.append((name, int(str(generation))))
            size_sum += size
    return Leftovers(objects, size_sum, len(found) - len(objects))


def _agreed(leftovers: Leftovers, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nothing was removed: there is nobody to ask, add --yes")
    return click.confirm(f"Remove {counted(len(leftovers.objects), 'object')} for good?", err=True)


def _remove(client: Any, bucket: str, leftovers: Leftovers, *, quiet: bool) -> None:  # noqa: ANN401 - no types
    from dataflux_core._run.reading.calls import client_of  # noqa: PLC0415 - slow imports
    from dataflux_core._run.reading.leftovers import remove_leftovers  # noqa: PLC0415
    from dataflux_core.fast_list import MODIFIED_RETRY  # noqa: PLC0415

    removed = remove_leftovers(client_of(client, None, MODIFIED_RETRY), bucket, leftovers.objects)
    if not quiet:
        say(f"removed {counted(len(removed), 'object')}")
    kept = len(leftovers.objects) - len(removed)
    if kept:
        raise Failure(f"gs://{bucket}: {counted(kept, 'object')} could not be removed; -v says why")
