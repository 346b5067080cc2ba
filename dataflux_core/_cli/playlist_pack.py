"""Pack a folder of samples into chunks with a playlist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from dataflux_core._cli.arguments import DirectoryType
from dataflux_core._cli.cache import LocalCommand
from dataflux_core._cli.command import TextType, say, shows_progress
from dataflux_core._cli.playlist_bar import progress_bar
from dataflux_core._cli.playlist_options import BaseUrlType, describing, importing
from dataflux_core._cli.selection import SizeType
from dataflux_core._cli.text import counted, human_bytes
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dataflux_core._data.flare.chunk_files import Format
    from dataflux_core._wire.flare.conventions import Compression

_DEFAULT_CHUNK = "64MiB"


class Options(TypedDict):
    """The options of the command."""

    source: Path
    directory: Path
    base_url: str
    mirrors: tuple[str, ...]
    format: Format
    chunk_bytes: int
    compression: Compression | None
    stream: str
    by_extension: bool
    description: str | None
    license: str | None
    quiet: bool


@click.command(cls=LocalCommand)
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("directory", metavar="DST", type=DirectoryType())
@click.option(
    "--base-url", type=BaseUrlType(), required=True, metavar="URL", help="Where DST will be served: https://host/path/"
)
@click.option(
    "--format",
    type=click.Choice(["tar", "jsonl", "npy", "parquet"]),
    default="tar",
    show_default=True,
    help="What chunks are: tar and parquet hold any files, jsonl texts, npy arrays of one shape.",
)
@click.option(
    "--chunk-size",
    "chunk_bytes",
    type=SizeType(1),
    default=_DEFAULT_CHUNK,
    show_default=True,
    metavar="SIZE",
    help="Files of at most so many bytes together, of a tar with what it adds to each; a larger sample goes alone.",
)
@click.option("--compression", type=click.Choice(["gzip", "zstd"]), help="Compress whole chunks.")
@click.option("--stream", type=TextType(), default="samples", show_default=True, metavar="NAME", help="The one stream.")
@click.option("--by-extension", is_flag=True, help="A stream for each extension instead, their records in one order.")
@describing
def pack(**options: Unpack[Options]) -> None:
    """Pack a folder of samples into chunks in DST, with a playlist of them: playlist.yaml.

    Files that differ in nothing but their extensions are one sample, which lies within one chunk. The playlist has
    records, sizes and checksums of every chunk. The same samples give the same bytes. Hidden files and temporaries are
    left out, links are followed.

    \b
    dataflux playlist pack ./samples ./packed --base-url https://data.example.org/set/
    dataflux playlist pack ./arrays ./packed --format npy --base-url https://data.example.org/set/
    dataflux playlist pack ./texts ./packed --format jsonl --compression zstd --chunk-size 8MiB \\
        --base-url https://a.example.org/set/ --mirror https://b.example.org/set/

    DST is empty or holds a pack that was interrupted; then chunks that are whole, of files that have not changed, are
    kept. playlist.yaml comes last: a pack without it is not finished.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    with importing("packing samples", "streaming"):
        from dataflux_core._data.flare.packing import PLAYLIST, PackOptions, pack  # noqa: PLC0415 - slow imports

    how = PackOptions(
        options["base_url"],
        options["format"],
        options["chunk_bytes"],
        options["compression"],
        options["stream"],
        options["by_extension"],
        options["mirrors"],
        options["description"] or "",
        options["license"] or "",
    )
    has_begun = False

    def seen(done_bytes: int, total_bytes: int) -> None:
        nonlocal has_begun
        has_begun = True
        if observe is not None:
            observe(done_bytes, total_bytes)

    try:
        with progress_bar("packing", "bytes", wanted=shows_progress(quiet=options["quiet"])) as observe:
            done = pack(options["source"], options["directory"], how, seen)
    except (KeyboardInterrupt, DatafluxError):
        if has_begun and not options["quiet"]:
            say("chunks that are whole stay; the same command goes on after them")
        raise
    if not options["quiet"]:
        kept = f" ({done.reused:,} there already)" if done.reused else ""
        if done.removed:
            say(f"removed {counted(done.removed, 'chunk')} of the pack that was interrupted, no part of this one")
        chunks = f"{counted(done.chunks, 'chunk')}{kept}, {human_bytes(done.bytes)}"
        say(f"{counted(done.samples, 'sample')}, {chunks}; wrote {options['directory'] / PLAYLIST}")
