"""Requests about objects say exactly what is meant; answers are read whatever their form."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._wire.message import Answer
from dataflux_core._wire.objects import (
    batch_delete_request,
    compose_request,
    crc32c_header,
    crc32c_number,
    crc32c_text,
    delete_request,
    media_request,
    permissions_request,
    read_batch,
    read_permissions,
    read_stored,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)


@given(NAMES, st.integers(0, 2**63 - 1))
def test_a_read_names_its_object_whatever_it_is_called(name: str, generation: int) -> None:
    request = media_request("b", name, generation)
    parts = urlsplit(request.target)
    assert unquote(parts.path.removeprefix("/download/storage/v1/b/b/o/")) == name
    assert parts.query == ("alt=media" if not generation else f"alt=media&generation={generation}")
    assert "Accept-Encoding: gzip" in request.headers
    assert not parts.fragment


def test_a_compose_pins_its_sources_and_replaces_nothing() -> None:
    request = compose_request("b", "to/here", [("a", 7), ("b", 0)])
    assert request.target == "/storage/v1/b/b/o/to%2Fhere/compose?ifGenerationMatch=0&fields=generation,size,crc32c"
    assert msgspec.json.decode(request.body) == {
        "sourceObjects": [{"name": "a", "generation": "7"}, {"name": "b"}],
        "destination": {"contentType": "application/octet-stream"},
    }


def test_a_compose_never_deletes_the_users_data() -> None:
    assert b"deleteSourceObjects" not in compose_request("b", "d", [("a", 1)]).body


def test_a_delete_names_its_generation() -> None:
    assert delete_request("b", "a/b", 5).target == "/storage/v1/b/b/o/a%2Fb?generation=5"


def test_permissions_are_asked_for_by_name() -> None:
    request = permissions_request("b", ["x", "y"])
    assert request.target == "/storage/v1/b/b/iam/testPermissions?permissions=x&permissions=y"


def test_a_batch_holds_a_call_for_each_object() -> None:
    body = batch_delete_request("b", [("x", 1), ("y", 2)]).body
    assert body.count(b"DELETE /storage/v1/b/b/o/") == 2
    assert body.endswith(b"--dataflux-batch--\r\n")


def part(status: int, number: int | None = None) -> bytes:
    named = b"" if number is None else b"Content-ID: <response-%d>\r\n" % number
    return b"--B\r\nContent-Type: application/http\r\n%b\r\nHTTP/1.1 %d X\r\n\r\n\r\n" % (named, status)


BATCH_HEAD = (b"HTTP/1.1 200 OK\r\n", b'Content-Type: multipart/mixed; boundary="B"\r\n')


@pytest.mark.parametrize(
    ("parts", "statuses"),
    [
        pytest.param([part(204, 0), part(404, 1), part(503, 2)], [204, 404, 503], id="in order"),
        pytest.param([part(503, 2), part(204, 0), part(404, 1)], [204, 404, 503], id="in any order"),
        pytest.param([part(204), part(404), part(503)], [204, 404, 503], id="without ids"),
        pytest.param([part(204, 0), part(503, 2)], [204, 0, 503], id="with a part missing"),
        pytest.param([part(204, 0), part(204, 9)], [204, 0, 0], id="with an id that was never given"),
    ],
)
def test_the_answers_of_a_batch_are_told_apart(parts: list[bytes], statuses: list[int]) -> None:
    answer = Answer(200, BATCH_HEAD, b"".join([*parts, b"--B--\r\n"]))
    assert read_batch(answer, 3) == statuses


@pytest.mark.parametrize("head", [(), BATCH_HEAD], ids=["no multipart", "no parts"])
def test_what_is_no_batch_is_told(head: tuple[bytes, ...]) -> None:
    assert read_batch(Answer(200, head, b"{}"), 1) is None


@pytest.mark.parametrize(
    ("head", "found"),
    [
        pytest.param([b"x-goog-hash: crc32c=AAAAAA==,md5=abc\r\n"], "AAAAAA==", id="one header"),
        pytest.param([b"x-goog-hash: md5=x\r\n", b"X-Goog-Hash: crc32c=AAAAAA==\r\n"], "AAAAAA==", id="two headers"),
        pytest.param([b"x-goog-hash: md5=x\r\n"], "", id="md5 alone"),
        pytest.param([b"etag: crc32c=AAAAAA==\r\n"], "", id="another header"),
        pytest.param([], "", id="none"),
    ],
)
def test_the_checksum_of_a_read_is_found(head: list[bytes], found: str) -> None:
    assert crc32c_header(Answer(200, tuple(head), b"")) == found


@given(st.integers(0, 2**32 - 1))
def test_checksums_survive_their_text(number: int) -> None:
    assert crc32c_number(crc32c_text(number)) == number


def test_numbers_arrive_as_strings() -> None:
    stored = read_stored(Answer(200, (), b'{"generation":"12","size":"34","crc32c":"AAAAAA=="}'))
    assert (stored.generation, stored.size, stored.crc32c) == (12, 34, "AAAAAA==")


def test_no_permission_at_all_is_an_empty_answer() -> None:
    assert read_permissions(Answer(200, (), b'{"kind":"storage#testIamPermissionsResponse"}')) == frozenset()
