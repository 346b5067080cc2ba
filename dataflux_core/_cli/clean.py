"""Remove temporaries that interrupted downloads left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import AgeType, Place, PlaceType
from dataflux_core._cli.command import CommonOptions, Failure, ServiceCommand, say
from dataflux_core._cli.text import counted, human_bytes, shown

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Unpack

    from dataflux_core._run.clients import Client
    from dataflux_core._run.reading.leftovers import Leftovers


class Options(CommonOptions):
    """The options of the command."""

    place: Place
    older_than: timedelta
    yes: bool
    dry_run: bool


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
    from dataflux_core._cli.service import open_client  # noqa: PLC0415 - slow imports
    from dataflux_core._run.reading.leftovers import find_leftovers  # noqa: PLC0415

    client, bucket = open_client(options), options["place"].bucket
    leftovers = find_leftovers(client, bucket, older_than=options["older_than"])
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


def _agreed(leftovers: Leftovers, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nothing was removed: there is nobody to ask, add --yes")
    return click.confirm(f"Remove {counted(len(leftovers.objects), 'object')} for good?", err=True)


def _remove(client: Client, bucket: str, leftovers: Leftovers, *, quiet: bool) -> None:
    from dataflux_core._run.reading.leftovers import remove_leftovers  # noqa: PLC0415 - slow imports

    removed = remove_leftovers(client, bucket, leftovers.objects)
    if not quiet:
        say(f"removed {counted(len(removed), 'object')}")
    kept = len(leftovers.objects) - len(removed)
    if kept:
        raise Failure(f"gs://{bucket}: {counted(kept, 'object')} could not be removed; -v says why")
