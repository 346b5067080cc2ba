"""Make the rows of a playlist, and how samples are made of them."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataflux_core._data.epoch.keywords import names_of, policy_of
from dataflux_core._data.index.places import PLAYLIST_ENDINGS
from dataflux_core._data.samples.pipeline import pipeline_of
from dataflux_core._data.samples.recipe import Recipe
from dataflux_core._plan.text import shortened
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import DatafluxError, IndexUnusable, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._data.epoch.keywords import StreamingKeywords
    from dataflux_core._data.epoch.playlist_binding import PlaylistBinding
    from dataflux_core._data.flare.playlist import Playlist
    from dataflux_core._data.flare.stream import Stream
    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._run.flare.options import StreamOptions

_OF_INDEXES = "filter", "root", "index_col_name", "columns_to_keep"
_SHOWN = 100  # characters of what was given
_SHOWN_STREAMS = 12
# What stream options must leave to the dataset, and the keyword that says it.
_OF_DATASET = {"max_requests": "num_downloading_workers", "max_ahead_bytes": "prefetch_bytes"}


def is_playlist(source: object) -> bool:
    """Tell whether a source is a playlist, or where one is read."""
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        return (name.partition("?")[0] if "://" in name else name).lower().endswith(PLAYLIST_ENDINGS)
    module = sys.modules.get("dataflux_core._data.flare.playlist")  # else nobody has made one
    return module is not None and isinstance(source, module.Playlist)


def playlist_rows(source: Any, keywords: StreamingKeywords, *, has_cache: bool) -> tuple[PlaylistBinding, Recipe]:  # noqa: ANN401 - as above
    """Open a playlist; raises PlaylistInvalid, IndexUnusable, InvalidArgument, RecordsUnusable, ExtraMissing."""
    from dataflux_core._data.epoch.playlist_binding import PlaylistBinding  # noqa: PLC0415 - an extra
    from dataflux_core._data.flare.each_record import EachRecord  # noqa: PLC0415
    from dataflux_core._data.flare.sample_decoders import decoders_of  # noqa: PLC0415

    _check_keywords(keywords)
    playlist = _opened(source, keywords.get("storage_client"))
    name = shown_url(playlist.source) if playlist.source else "the playlist"
    streams = _chosen(playlist, name, keywords)
    binding = PlaylistBinding(name, streams, max_samples=_most(keywords.get("max_samples")), reads_parts=not has_cache)
    specs, max_decoded_bytes = [stream.spec for stream in streams], streams[0].options.max_decoded_bytes
    decoders = decoders_of(specs, keywords.get("data_type"), max_decoded_bytes)
    spread = streams[0].name if len(streams) == 1 else ""
    split = None if binding.knows_records else EachRecord(binding.loaded, spread)
    if split is not None:
        _check_chunk_rows(keywords)
    pipeline = pipeline_of(keywords.get("transforms"), split)
    return binding, Recipe(decoders, pipeline, policy_of(keywords), spread)


def check_no_playlist(keywords: Mapping[str, Any]) -> None:
    """Raise InvalidArgument for what is said of playlists alone."""
    given = keywords.get("stream_options")
    if given is not None:
        expected = "None: it says how chunks of a playlist are read, and src is none (.yaml, .yml, a flare.Playlist)"
        raise InvalidArgument("stream_options", shortened(repr(given), _SHOWN), expected)


def _opened(source: Any, client: ClientSource) -> Playlist:  # noqa: ANN401 - as above
    from dataflux_core._data.flare.playlist import Playlist  # noqa: PLC0415 - an extra

    if isinstance(source, Playlist):
        return source
    try:
        return Playlist.load(source, storage_client=client)
    except OSError as error:
        if isinstance(error, DatafluxError):  # of a server, such as one that is down: no path is wrong
            raise
        reason, _, advice = (error.strerror or str(error)).partition("; ")
        problem = f"it cannot be read ({reason})"
        raise IndexUnusable(os.fsdecode(source), problem, advice or "correct the path of the playlist") from error


def _chosen(playlist: Playlist, name: str, keywords: StreamingKeywords) -> Sequence[Stream]:
    """Return the streams that samples are made of: those that are named, else all where these belong together."""
    asked = names_of("columns_to_load", keywords.get("columns_to_load"))
    names = tuple(playlist) if asked is None else asked
    there = ", ".join(repr(shortened(stream, _SHOWN)) for stream in list(playlist)[:_SHOWN_STREAMS])
    if not names:
        raise IndexUnusable(
            name, "no stream of it is loaded", f"name some in columns_to_load; there are {there or 'none'}"
        )
    if len(set(names)) < len(names):
        raise InvalidArgument("columns_to_load", shortened(repr(names), _SHOWN), "streams that differ")
    for stream in names:
        if stream not in playlist:
            problem = f"there is no stream {shortened(repr(stream), _SHOWN)}"
            raise IndexUnusable(name, problem, f"there are {there}")
    options = _stream_options(keywords)
    streams = [playlist.stream(stream, options) for stream in names]
    if asked is None and len(streams) > 1:
        _check_belong(streams)
    return streams


def _stream_options(keywords: Mapping[str, Any]) -> StreamOptions:
    """Say how chunks are read; raises InvalidArgument for what other keywords say of every dataset."""
    from dataflux_core._run.flare.options import StreamOptions  # noqa: PLC0415 - an extra

    usual, given = StreamOptions(), keywords.get("stream_options")
    options = usual if given is None else given
    if not isinstance(options, StreamOptions):
        raise InvalidArgument("stream_options", shortened(repr(given), _SHOWN), "a flare.StreamOptions, or None")
    for name, keyword in _OF_DATASET.items():
        if getattr(options, name) != getattr(usual, name):
            said = f"StreamOptions({name}={getattr(options, name)})"
            raise InvalidArgument("stream_options", said, f"{keyword}= of the dataset, which says it, and not {name}")
    requests = keywords.get("num_downloading_workers")
    return options if requests is None else replace(options, max_requests=requests)


def _check_belong(streams: Sequence[Stream]) -> None:
    """Raise InvalidArgument where nobody has chosen among streams that are not of the same samples."""
    counts = {stream.name: stream.record_count() for stream in streams}
    known = None not in counts.values()
    told = counts if known else {stream.name: len(stream) for stream in streams}
    if len(set(told.values())) > 1:
        of_what = "records" if known else "chunks"
        some = ", ".join(
            f"{shortened(name, _SHOWN)!r} has {count:,}" for name, count in list(told.items())[:_SHOWN_STREAMS]
        )
        expected = f"the streams that belong together, for they do not all: of {of_what}, {some}"
        raise InvalidArgument("columns_to_load", "None", expected)


def _check_keywords(keywords: Mapping[str, Any]) -> None:
    for argument in _OF_INDEXES:
        if keywords.get(argument) not in (None, ""):
            given = shortened(repr(keywords[argument]), _SHOWN)
            raise InvalidArgument(argument, given, "nothing: a playlist has streams, but no columns of values")


def _check_chunk_rows(keywords: Mapping[str, Any]) -> None:
    """Refuse what needs to know which records there are."""
    needed = "streams that say how many records each chunk has (header records)"
    if keywords.get("max_samples") is not None:
        raise InvalidArgument("max_samples", repr(keywords["max_samples"]), needed)
    if keywords.get("on_bad_sample") == "fill":
        raise InvalidArgument("on_bad_sample", "'fill'", needed)


def _most(max_samples: object) -> int | None:
    if max_samples is None or (isinstance(max_samples, int) and not isinstance(max_samples, bool) and max_samples > 0):
        return max_samples
    raise InvalidArgument("max_samples", repr(max_samples), "a whole number of at least 1, or None")
