"""Measure what there is to be expected."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.command import CommonOptions, TextType, say, shows_progress
from dataflux_core._cli.lazy_client import client_source
from dataflux_core._cli.sample_columns import ColumnsCommand, loading
from dataflux_core._cli.text import counted, human_bytes, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Unpack

    from dataflux_core._cli.measuring import Measured, Measuring
    from dataflux_core._plan.bottleneck import Phase

_KINDS = ("image", "video", "audio", "text", "json", "npy", "bytes")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)


class SizeType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """The size of an image: 224x224, height first."""

    name = "size"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if not isinstance(value, str):
            return value
        found = _SIZE.fullmatch(value)
        height, width = (int(found[1]), int(found[2])) if found else (0, 0)
        if not height or not width:
            self.fail(f"'{shown(value)}': expected height and width in pixels, such as 224x224", param, ctx)
        return height, width


class KindType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """What a column holds: KIND of all, COLUMN=KIND of one."""

    name = "kind"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if not isinstance(value, str):
            return value
        column, _, kind = value.rpartition("=")
        if kind not in _KINDS:
            self.fail(f"'{shown(value)}': expected one of {', '.join(_KINDS)}, or COLUMN=KIND", param, ctx)
        return column, kind


class Options(CommonOptions):
    """The options of the command."""

    src: str
    columns_to_load: tuple[str, ...] | None
    data_type: tuple[tuple[str, str], ...]
    batch_size: int
    seconds: float
    num_downloading_workers: int | None
    workers: int
    shuffle: bool
    size: tuple[int, int] | None
    as_json: bool


@click.group()
def bench() -> None:
    """Measure what is to be expected before it is needed.

    \b
    dataflux bench stream gs://my-bucket/train/
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are


@bench.command(cls=ColumnsCommand)
@click.argument("src", metavar="SRC", type=TextType())
@loading
@click.option(
    "--data-type",
    "--data_type",
    "data_type",
    multiple=True,
    type=KindType(),
    metavar="[C=]KIND",
    help=f"{', '.join(_KINDS)}: of all columns, or of one; told by extensions unless it is said.",
)
@click.option(
    "--batch-size", "--batch_size", "batch_size", type=click.IntRange(1, 65_536), default=256, show_default=True
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86_400),
    default=20,
    show_default=True,
    help="For all of it.",
)
@click.option(
    "--num-downloading-workers",
    "--num_downloading_workers",
    "num_downloading_workers",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Requests at once of each process; as a dataset chooses by default.",
)
@click.option(
    "--workers", type=click.IntRange(0, 512), default=0, show_default=True, help="Of a torch DataLoader; 0 for none."
)
@click.option("--shuffle/--no-shuffle", default=True, show_default=True, help="In which order samples are read.")
@click.option("--size", type=SizeType(), metavar="HxW", help="Images are decoded to this size.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def stream(**options: Unpack[Options]) -> None:
    """Measure how fast a streaming dataset gives samples of SRC, say what limits it.

    SRC is whatever a streaming dataset takes. It is read in three ways: rows alone are looked up, then bytes are
    fetched as well, then samples are decoded as well. Where the time goes tells whether the network, the decoders, the
    CPU of the processes that read, or the index is what to look after.

    \b
    dataflux bench stream gs://my-bucket/train/
    dataflux bench stream index.parquet --columns-to-load image --size 224x224 --workers 8
    dataflux bench stream s3://my-bucket/index.csv --num-downloading-workers 512 --json

    No cache is used. Samples that cannot be read or decoded are left out and counted; where there are no others, that
    is a failure.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._cli.measuring import measured  # noqa: PLC0415 - slow import

    measuring = _measuring(options)
    if shows_progress(quiet=options["quiet"]):
        say(f"measuring for some {options['seconds']:.0f} s")
    found = measured(options["src"], measuring)
    if options["as_json"]:
        click.echo(json.dumps(_values(found)))
    else:
        _print(found)
    if not options["quiet"]:
        for line in _remarks(found):
            say(line)


def _remarks(found: Measured) -> Iterator[str]:
    if found.whole.bad_samples:
        yield f"left out {counted(found.whole.bad_samples, 'bad sample')} of {found.samples:,}; -v says why"
    if found.whole.passes > 1:
        yield (
            f"read {found.whole.passes:,} times over: there are fewer samples than can be read in that time, and each "
            "pass begins slowly; a larger source tells more"
        )


def _measuring(options: Options) -> Measuring:
    """Raise UsageError for what means nothing together."""
    from dataflux_core._cli.measuring import Measuring  # noqa: PLC0415 - slow import

    named = dict(options["data_type"])
    if len(named) < len(options["data_type"]) or ("" in named and len(named) > 1):
        raise click.UsageError("--data-type: one kind for all columns, or one for each of some")
    data_type: Any = named.get("", named or None)
    kinds = set(named.values())
    if options["size"] is not None and kinds and "image" not in kinds:
        raise click.UsageError(f"--size is of images: with --data-type {min(kinds)} nothing is resized")
    return Measuring(
        options["seconds"],
        options["batch_size"],
        options["workers"],
        {
            "columns_to_load": options["columns_to_load"],
            "num_downloading_workers": options["num_downloading_workers"],
            "shuffle": options["shuffle"],
            "batch_size": options["batch_size"],
            "on_bad_sample": "skip",
            "tail": "uneven",
            "rank": 0,
            "world": 1,
            "storage_client": client_source(options),
        },
        data_type,
        options["size"],
    )


def _print(found: Measured) -> None:
    columns = ", ".join(found.columns) or "no column"
    about = f"{counted(found.samples, 'sample')} of {columns}, {human_bytes(found.sample_bytes)} each"
    click.echo(shown(f"{about}; opened in {found.open_s:.2f} s"))
    click.echo(f"{'index alone':<12}{found.index.samples_per_s:>12,.0f} samples/s")
    click.echo(_line("and bytes", found.fetched, found))
    if found.whole is not found.fetched:
        click.echo(_line("and decoded", found.whole, found))
    click.echo(f"limited by {found.verdict.limit}: {found.verdict.reason}")
    for advice in found.verdict.advice:
        click.echo(f"  {advice}")


def _line(what: str, phase: Phase, found: Measured) -> str:
    rate = phase.samples_per_s
    return (
        f"{what:<12}{rate:>12,.0f} samples/s  {human_bytes(rate * found.sample_bytes) + '/s':>12}  "
        f"first batch {phase.first_batch_s:.2f} s  {phase.cores:.1f} of {counted(found.setting.cores, 'core')}"
    )


def _values(found: Measured) -> dict[str, Any]:
    return {
        "samples": found.samples,
        "columns": list(found.columns),
        "sample_bytes": round(found.sample_bytes, 1),
        "open_s": round(found.open_s, 4),
        "cores": found.setting.cores,
        "workers": found.setting.workers,
        "index": {"samples_per_s": round(found.index.samples_per_s, 1)},
        "fetched": _values_of(found.fetched, found),
        "decoded": None if found.whole is found.fetched else _values_of(found.whole, found),
        "limit": found.verdict.limit,
        "reason": found.verdict.reason,
        "advice": list(found.verdict.advice),
    }


def _values_of(phase: Phase, found: Measured) -> dict[str, Any]:
    return {
        "samples": phase.samples,
        "elapsed_s": round(phase.elapsed_s, 4),
        "samples_per_s": round(phase.samples_per_s, 1),
        "bytes_per_s": round(phase.samples_per_s * found.sample_bytes),
        "first_batch_s": round(phase.first_batch_s, 4),
        "waiting_share": round(phase.waiting_share, 4),
        "decoding_share": round(phase.decoding_share, 4),
        "other_share": round(phase.other_share, 4),
        "cpu_cores": round(phase.cores, 2),
        "bad_samples": phase.bad_samples,
        "passes": phase.passes,
    }
