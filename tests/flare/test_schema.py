"""The JSON Schema says of a playlist's values what the reader says, as far as a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

import dataflux_core
from dataflux_core._wire.flare.conventions import COMPRESSIONS, ENCODINGS, ITEM_BYTES, NAMES
from tests.flare.playlists import headed, read
from tests.flare.test_headers import ALL, WRONG
from tests.flare.test_must_and_should import SHAPE, SHOULDS, URLS, VALID
from tests.flare.test_round_trip import plain, playlists

if TYPE_CHECKING:
    from dataflux_core.flare import Playlist

SCHEMA = json.loads((Path(dataflux_core.__file__).parents[1] / "docs/reference/flare.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# What a schema cannot say: how long a list is beside another, what several headers or a host say together.
BEYOND = ("the stream 2 chunks", "bytes are not", "no URL that can be asked for", "than 64 bits")


def agrees(text: str) -> None:
    found = read(text)
    errors = [problem.message for problem in found.problems if problem.severity == "error"]
    flaws = [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]
    if errors and not any(beyond in error for error in errors for beyond in BEYOND):
        assert flaws, errors
    if not errors:
        assert flaws == []


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_knows_all_conventions() -> None:
    headers = SCHEMA["$defs"]["headers"]["properties"]
    assert set(headers) == NAMES
    assert headers["encoding"]["examples"] == list(ENCODINGS)
    assert headers["compression"]["examples"] == list(COMPRESSIONS)
    assert set(headers["dtype"]["examples"]) == set(ITEM_BYTES)


@pytest.mark.parametrize("text", [*VALID, pytest.param(ALL, id="all conventions")])
def test_what_is_valid_is_so_to_the_schema(text: str) -> None:
    agrees(text)


@pytest.mark.parametrize(("text", "expected"), [*SHAPE, *SHOULDS])
def test_the_shape_is_the_schema_s(text: str, expected: str) -> None:
    if "1.1" not in expected and "it is empty" not in expected:  # a reader of YAML 1.1 sees other values
        agrees(text)


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_a_wrong_url_is_wrong_to_the_schema(url: str, expected: str) -> None:
    del expected
    agrees(f"s:\n  headers: {{}}\n  content:\n  - https://a.org/0\n  - {url}\n")


@pytest.mark.parametrize(("headers", "expected"), WRONG)
def test_a_wrong_header_is_wrong_to_the_schema(headers: str, expected: str) -> None:
    del expected
    agrees(headed(headers))


@given(playlists())
@settings(deadline=None, max_examples=50)
def test_what_we_write_is_valid_to_the_schema(playlist: Playlist) -> None:
    values: Any = plain(playlist)
    assert [error.message for error in VALIDATOR.iter_errors(values)] == []
