"""Say what reading a bucket would take, one way or another, what speaks against composing in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from dataflux_core._cli.arguments import Place, PlaceType
from dataflux_core._cli.command import CommonOptions, ServiceCommand, shows_progress
from dataflux_core._cli.text import shown

if TYPE_CHECKING:
    from typing_extensions import Unpack

_DEFAULT_SAMPLE = 250_000  # objects: 50 full pages


class PricesType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A JSON file of prices by name, in place of the usual ones."""

    name = "file"

    def convert(
        self, value: str | dict[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, float]:
        if not isinstance(value, str):
            return value
        from dataflux_core._plan.prices import Prices  # noqa: PLC0415 - slow imports
        from dataflux_core.errors import InvalidArgument  # noqa: PLC0415

        try:
            given = msgspec.json.decode(Path(value).read_bytes(), type=dict[str, float])
            Prices(0.0, 0.0, 0.0).overridden(given)
        except OSError as error:
            self.fail(f"'{shown(value)}': {error.strerror}", param, ctx)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.fail(f"'{shown(value)}': expected a JSON object of numbers by name ({error})", param, ctx)
        except InvalidArgument as error:
            self.fail(f"'{shown(value)}': {error}", param, ctx)
        return given


class Options(CommonOptions):
    """The options of the command."""

    place: Place
    sample: int
    prices: dict[str, float] | None
    tries: bool
    as_json: bool


@click.command(cls=ServiceCommand)
@click.argument("place", metavar="gs://BUCKET[/PREFIX]", type=PlaceType())
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(1),
    default=_DEFAULT_SAMPLE,
    show_default=True,
    help="List so many objects at most, 5000 a request.",
)
@click.option(
    "--prices",
    type=PricesType(),
    metavar="FILE",
    help="JSON of your own prices, such as {\"class_a_usd_per_million\": 4.5}; 'prices' of --json shows all names.",
)
@click.option(
    "--try",
    "tries",
    is_flag=True,
    help="Compose a few objects into a temporary one, read and delete it, to measure how long that takes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(**options: Unpack[Options]) -> None:
    """Say what reading a bucket would take: calls, dollars and time per million objects, composed or not.

    Small objects can travel together in temporary objects, 32 in each. Whether that is allowed, quicker, or
    cheaper depends on the bucket (soft delete, storage class, location) as well as on the sizes of its objects.
    Nothing is written without --try. By default some 60 lists and 6 reads are asked for, and billed.

    \b
    dataflux doctor gs://my-bucket/images/
    dataflux doctor --try gs://my-bucket
    dataflux doctor --json --sample 5000 gs://my-bucket
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._cli.diagnosis import as_json, as_text  # noqa: PLC0415 - slow imports
    from dataflux_core._cli.examination import Wish, examine  # noqa: PLC0415
    from dataflux_core._cli.service import open_client  # noqa: PLC0415

    shows_bar = shows_progress(quiet=options["quiet"])
    wish = Wish(options["place"], options["sample"], options["prices"] or {}, options["tries"], shows_bar)
    found, refusal = examine(open_client(options), wish)
    if options["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(as_json(found))).decode())
    else:
        for line in as_text(found):
            click.echo(shown(line))
    if refusal is not None:
        raise refusal
