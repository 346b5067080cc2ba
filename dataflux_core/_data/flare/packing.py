"""Pack a folder of samples into chunks with a playlist of them."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from dataflux_core._data.aside import listing_file
from dataflux_core._data.flare.arrays import ArrayKind
from dataflux_core._data.flare.chunk_files import ChunkPlan, write_chunk
from dataflux_core._data.flare.gathering import Folder, file_bytes, gathered, tar_bytes
from dataflux_core._data.flare.pack_journal import PackJournal, not_written
from dataflux_core._data.flare.playlist_file import checked_base, text_of, write_playlist
from dataflux_core._data.flare.sample_reading import made_of
from dataflux_core._plan.sample_names import ID
from dataflux_core._wire.flare.conventions import Conventions
from dataflux_core._wire.flare.streams import StreamSpec
from dataflux_core.errors import FileNotWritten, IndexUnusable, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dataflux_core._data.flare.chunk_files import ChunkFacts, Format
    from dataflux_core._data.flare.gathering import Sample
    from dataflux_core._wire.flare.conventions import Compression

DEFAULT_CHUNK_BYTES = 64 * 1024**2
PLAYLIST = "playlist.yaml"
_ENDINGS = {None: "", "gzip": ".gz", "zstd": ".zst"}
_UNSAFE = re.compile("[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class PackOptions:
    """How a folder is packed."""

    base_url: str  # where the directory will be served, with a "/" at its end
    format: Format = "tar"
    chunk_bytes: int = DEFAULT_CHUNK_BYTES  # of files, in a tar with their headers; not what other formats add
    compression: Compression | None = None  # of whole chunks; Parquet has its own
    stream: str = "samples"
    by_extension: bool = False  # a stream for each extension, their records in one order
    mirrors: tuple[str, ...] = ()
    description: str = ""
    license: str = ""


@dataclass(slots=True)
class Packed:
    """What a run has done."""

    samples: int = 0
    chunks: int = 0
    reused: int = 0  # of these, whole since an earlier run
    removed: int = 0  # of an earlier run with other options or files
    bytes: int = 0  # of the chunks


def pack(
    source: Path, directory: Path, options: PackOptions, observe: Callable[[int, int], None] | None = None
) -> Packed:
    """Write chunks, then the playlist, to a directory that is empty or holds a pack that was interrupted.

    The playlist comes last: a pack that has none is not finished. `observe` is told the bytes of samples that are done,
    then of all. Raises InvalidArgument, PlaylistInvalid, IndexUnusable, FileNotRead,
    ObjectChanged, FileNotWritten.
    """
    _check(source, directory, options)
    folder = Folder.read(source)
    plans = _plans(folder, options)
    _check_headers(plans, options)
    with _made(directory), PackJournal.opened(directory) as journal:
        _check_unfinished(directory)  # another process may have come to its end meanwhile
        packing = _Packing(directory, options, plans, journal)
        done_bytes, total_bytes = 0, folder.total_bytes
        size_of = tar_bytes if options.format == "tar" else file_bytes
        for number, samples in enumerate(gathered(folder.samples(), options.chunk_bytes, size_of)):
            packing.write(number, samples)
            done_bytes += sum(sample.size for sample in samples)
            if observe is not None:
                observe(done_bytes, total_bytes)
        packing.finish()
    return packing.done


class _Packing:
    """One run: the streams as they grow."""

    def __init__(
        self, directory: Path, options: PackOptions, plans: Mapping[str, ChunkPlan], journal: PackJournal
    ) -> None:
        self._directory = directory
        self._options = options
        self._plans = plans
        self._journal = journal
        self._names: dict[str, list[str]] = {stream: [] for stream in plans}
        self._facts: dict[str, list[ChunkFacts]] = {stream: [] for stream in plans}
        self.done = Packed()

    def write(self, number: int, samples: Sequence[Sample]) -> None:
        """Write the chunks of some samples, one for each stream, unless they are there."""
        for stream, plan in self._plans.items():
            ending = _ENDINGS[plan.compression]
            name = f"{_UNSAFE.sub('_', stream).lstrip('.') or '_'}-{number:05d}.{plan.format}{ending}"
            facts = self._chunk(name, samples, plan)
            self._names[stream].append(name)
            self._facts[stream].append(facts)
            self.done.chunks += 1
            self.done.bytes += facts.size
        self.done.samples += len(samples)

    def finish(self) -> None:
        """Write the playlist; from then on the directory is what it is to be."""
        self.done.removed = self._journal.remove_others({name for names in self._names.values() for name in names})
        write_playlist([self._spec(stream) for stream in self._plans], self._directory / PLAYLIST)
        self._journal.finish()

    def _chunk(self, name: str, samples: Sequence[Sample], plan: ChunkPlan) -> ChunkFacts:
        made = _digest(samples, plan)
        known = self._journal.known(name, made)
        if known is not None:
            self.done.reused += 1
            return known
        with listing_file(self._directory / name, "the chunk") as aside:
            facts = write_chunk(aside, samples, plan)
            self._journal.note(name, made, facts)
        return facts

    def _spec(self, stream: str) -> StreamSpec:
        options, plan, facts = self._options, self._plans[stream], self._facts[stream]
        said = Conventions(
            description=options.description,
            license=options.license,
            encoding=plan.format,
            compression=plan.compression,
            dtype=plan.arrays.dtype_name if plan.arrays else "",
            shape=plan.arrays.shape if plan.arrays else None,
            records=[each.records for each in facts],
            sizes=[each.size for each in facts],
            sha256=[each.sha256 for each in facts],
            crc32c=[each.crc32c for each in facts],
            mirrors=options.mirrors,
            key=ID if len(self._plans) > 1 else "",
        )
        return StreamSpec.of(stream, [f"{options.base_url}{name}" for name in self._names[stream]], said.headers())


def _check(source: Path, directory: Path, options: PackOptions) -> None:
    for name, urls in (("base_url", (options.base_url,)), ("mirrors", options.mirrors)):
        for url in urls:
            checked_base(name, url)
    if options.chunk_bytes < 1:
        raise InvalidArgument("chunk_bytes", str(options.chunk_bytes), "a number of bytes of at least 1")
    if options.compression and options.format == "parquet":
        raise InvalidArgument("compression", options.compression, "none: Parquet compresses its own pages")
    inside = directory.resolve()
    if inside == source.resolve() or source.resolve() in inside.parents:
        raise InvalidArgument("directory", str(directory), "a place outside the folder, which another run would pack")
    _check_unfinished(directory)


def _check_unfinished(directory: Path) -> None:
    if (directory / PLAYLIST).exists():
        reason = "it is there already, so this pack is finished"
        advice = "remove the directory, or choose another"
        raise FileNotWritten("the playlist", str(directory / PLAYLIST), reason, advice)


def _plans(folder: Folder, options: PackOptions) -> dict[str, ChunkPlan]:
    """Say which streams there will be; raises IndexUnusable where the format cannot hold the files."""
    plan = ChunkPlan(options.format, folder.extensions, options.compression)
    if options.format == "npy":
        plan = replace(plan, arrays=_arrays(folder))
    if not options.by_extension:
        return {options.stream: plan}
    folder.check_complete()
    return {extension: replace(plan, extensions=(extension,)) for extension in folder.extensions}


def _check_headers(plans: Iterable[str], options: PackOptions) -> None:
    """Raise PlaylistInvalid where no playlist could say what it is to, before anything is packed for it."""
    said = Conventions(description=options.description, license=options.license, mirrors=options.mirrors)
    text_of(
        [StreamSpec.of(stream, [f"{options.base_url}{number}"], said.headers()) for number, stream in enumerate(plans)]
    )


def _arrays(folder: Folder) -> ArrayKind:
    others = [extension for extension in folder.extensions if extension != "npy"]
    if others:
        problem = f"there are files of .{others[0]}, and npy holds the arrays of .npy alone"
        raise IndexUnusable(folder.path, problem, "pack into tar or parquet, or move the others away")
    return ArrayKind.of(next(folder.samples()).files[0])


@contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Have a directory, which goes away again where it was made for nothing."""
    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(directory, error) from error
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):  # there are chunks in it
                directory.rmdir()
        raise


def _digest(samples: Sequence[Sample], plan: ChunkPlan) -> str:
    """Say what a chunk is made of: the same digest, the same bytes."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{plan}\0{pa.__version__}\n".encode())
    for sample in samples:
        lines = [sample.id, *(made_of(file) for file in sample.files if file.extension in plan.extensions)]
        digest.update("".join(f"{line}\n" for line in lines).encode())
    return digest.hexdigest()
