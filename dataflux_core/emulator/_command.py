"""Run the emulator from the terminal."""

from __future__ import annotations

import ipaddress
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from dataflux_core.emulator._config import KINDS, OPERATIONS, Contents, Directory, Fault, Latency, Memory
from dataflux_core.emulator._emulator import LAST_PORT, Emulator
from dataflux_core.emulator._errors import EmulatorError
from dataflux_core.emulator._synthetic import SHAPE_NAMES, Synthetic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

PRESETS = {"none": Latency(), "gcs": Latency.gcs()}
BUCKET_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,220}[a-z0-9])?")
COUNT = re.compile(r"[0-9]+(_[0-9]+)*")
LATENCY_NAMES = [name for name in Latency.__slots__ if name != "jitter"]


class Options(TypedDict):
    """The options of the command."""

    host: str
    port: int
    bucket: Sequence[str]
    from_dir: Sequence[str]
    synthetic: Sequence[str]
    object_bytes: int
    latency: Sequence[str]
    fault: Sequence[str]
    seed: int
    max_page: int
    max_in_flight: int | None
    token: str | None
    certfile: str | None
    keyfile: str | None


@click.command(short_help="Run a Google Cloud Storage server of your own.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, LAST_PORT),
    default=9023,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--bucket", multiple=True, metavar="NAME", help="An empty bucket, held in memory.")
@click.option(
    "--from-dir",
    multiple=True,
    metavar="[BUCKET=]PATH",
    help="A bucket that serves the files below a directory; it is named after the directory unless told otherwise.",
)
@click.option(
    "--synthetic",
    multiple=True,
    metavar="BUCKET=SHAPE:COUNT",
    help=f"A bucket of made-up objects. Shapes: {', '.join(SHAPE_NAMES)}.",
)
@click.option(
    "--object-bytes", type=click.IntRange(0), default=10_000, show_default=True, help="Size of a made-up object."
)
@click.option(
    "--latency",
    multiple=True,
    default=["none"],
    metavar="none|gcs|NAME=SECONDS",
    help="How long answers take: 'gcs' for 60 ms a list plus 50 µs an object, 60 ms a read or delete, 350 ms a "
    f"compose; or one by one, which may follow a preset: {', '.join(LATENCY_NAMES)}, jitter (a share, 0 to 1).",
)
@click.option(
    "--fault",
    multiple=True,
    metavar="OPERATION:KIND[:PROBABILITY]",
    help=f"What goes wrong. Operations: {', '.join(OPERATIONS)}. Kinds: {', '.join(KINDS)}.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the faults, then of the jitter.")
@click.option("--max-page", type=click.IntRange(1), default=5000, show_default=True, help="Most objects on a page.")
@click.option("--max-in-flight", type=click.IntRange(0), help="More requests than this at once are answered with 429.")
@click.option("--token", help="Demand this bearer token.")
@click.option("--certfile", type=click.Path(exists=True, dir_okay=False), help="Certificate, to speak TLS.")
@click.option("--keyfile", type=click.Path(exists=True, dir_okay=False), help="Key of the certificate.")
def emulator(**options: Unpack[Options]) -> None:
    """Run a Google Cloud Storage server of your own until Ctrl-C.

    \b
    dataflux emulator --bucket demo
    dataflux emulator --from-dir photos=./photos --latency gcs
    dataflux emulator --synthetic big=imagenet:1000000 --fault list:503:0.01
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    gcs = build(options)
    if not is_loopback(gcs.host):
        click.secho(f"Anyone who reaches {gcs.host} can read and change these buckets.", fg="yellow", err=True)
    # `kill` ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with gcs:
            click.echo(f"{', '.join(gcs.buckets)} at {gcs.endpoint}")
            click.echo(f"export STORAGE_EMULATOR_HOST={gcs.endpoint} NO_GCE_CHECK=true")
            gcs.wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    except EmulatorError as error:
        raise click.ClickException(str(error)) from error


def build(options: Options) -> Emulator:
    """Make the emulator that the options describe."""
    buckets: dict[str, Contents] = {}
    for name in options["bucket"]:
        add(buckets, check_name(name, "--bucket"), Memory(), "--bucket")
    for text in options["from_dir"]:
        name, equals, path = text.partition("=")
        directory = Path(path if equals else text)
        if not directory.is_dir():
            raise click.BadParameter(f"{directory} is no directory", param_hint="--from-dir")
        name = check_name(name, "--from-dir") if equals else directory.resolve().name
        add(buckets, name, Directory(directory), "--from-dir")
    for text in options["synthetic"]:
        add(buckets, *parse_synthetic(text, options["object_bytes"]), "--synthetic")
    if not buckets:
        raise click.UsageError("name a bucket: --bucket, --from-dir or --synthetic")
    return Emulator(
        buckets=buckets,
        latency=parse_latency(options["latency"]),
        faults=[parse_fault(text) for text in options["fault"]],
        **{  # type: ignore[arg-type] # the rest carries the names of the fields
            name: value
            for name, value in options.items()
            if name not in {"bucket", "from_dir", "synthetic", "object_bytes", "latency", "fault"}
        },
    )


def add(buckets: dict[str, Contents], name: str, contents: Contents, option: str) -> None:
    """Add a bucket; raises BadParameter where there is one of that name."""
    if name in buckets:
        raise click.BadParameter(f"there are two buckets named {name!r}", param_hint=option)
    buckets[name] = contents


def check_name(name: str, option: str) -> str:
    """Return the name of a bucket; raises BadParameter where the service could not have such a one.

    Shorter names than the service's are fine. Source: https://cloud.google.com/storage/docs/buckets#naming
    """
    if BUCKET_NAME.fullmatch(name) is None:
        raise click.BadParameter(
            f"{name!r} is no name of a bucket: that has lowercase letters, digits, dashes, underscores, dots, "
            "and begins and ends with a letter or digit",
            param_hint=option,
        )
    return name


def parse_synthetic(text: str, object_bytes: int) -> tuple[str, Synthetic]:
    """Read BUCKET=SHAPE:COUNT."""
    name, _, described = text.partition("=")
    shape, _, count = described.partition(":")
    if COUNT.fullmatch(count) is None:
        raise click.BadParameter(
            f"{text!r} is not BUCKET=SHAPE:COUNT, such as demo=imagenet:1000000", param_hint="--synthetic"
        )
    check_name(name, "--synthetic")
    try:
        made = Synthetic(shape, int(count.replace("_", "")), object_bytes)  # type: ignore[arg-type] # checked
        made.names(0, 0)  # raises where the shape has not so many
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not BUCKET=SHAPE:COUNT: {error}", param_hint="--synthetic") from error
    return name, made


def parse_latency(texts: Sequence[str]) -> Latency:
    """Read a preset, or NAME=SECONDS on top of one; the later wins."""
    latency = Latency()
    for text in texts:
        name, equals, seconds = text.partition("=")
        try:
            latency = replace(latency, **{name: float(seconds)}) if equals else PRESETS[text]
        except (KeyError, TypeError, ValueError) as error:
            known = ", ".join([*PRESETS, *(f"{name}=SECONDS" for name in LATENCY_NAMES), "jitter=SHARE"])
            raise click.BadParameter(f"{text!r} is none of {known}", param_hint="--latency") from error
    return latency


def parse_fault(text: str) -> Fault:
    """Read OPERATION:KIND[:PROBABILITY]."""
    operation, _, rest = text.partition(":")
    kind, _, probability = rest.partition(":")
    try:
        return Fault(operation, kind, float(probability or 1))  # type: ignore[arg-type] # checked
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--fault") from error


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    emulator()
