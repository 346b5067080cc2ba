from __future__ import annotations

import base64
import json
from typing import Any

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.asking import UPLOAD, Answer, Service


def multipart(service: Service, resource: dict[str, object], content: bytes, quote: str = "") -> Answer:
    boundary = "==frontier=="
    body = (
        f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
        f"--{boundary}\r\ncontent-type: image/jpeg\r\n\r\n"
    ).encode() + content
    kind = f"multipart/related; boundary={quote}{boundary}{quote}"
    return service.ask(
        "POST", f"{UPLOAD}?uploadType=multipart", body + f"\r\n--{boundary}--".encode(), {"Content-Type": kind}
    )


def begin(service: Service, name: str = "a", **query: Any) -> str:
    started = service.ask(
        "POST",
        f"{UPLOAD}?uploadType=resumable",
        {"name": name, "metadata": {"k": "v"}},
        {"Host": "here", "X-Upload-Content-Type": "text/css"},
        **query,
    )
    assert started.status == 200
    location = started.headers["location"]
    assert location.startswith("http://here/upload/")
    return location.removeprefix("http://here")


@given(st.binary(max_size=60), st.sampled_from(["", '"']))
def test_a_multipart_upload_keeps_every_byte(content: bytes, quote: str) -> None:
    service = Service()
    described = multipart(service, {"name": "a", "metadata": {"k": "v"}}, content, quote).json
    assert (described["contentType"], described["metadata"]) == ("image/jpeg", {"k": "v"})
    assert service.read("a").body == content


@pytest.mark.parametrize(
    ("claim", "status"),
    [
        ({"crc32c": base64.b64encode(google_crc32c.value(b"hello").to_bytes(4, "big")).decode()}, 200),
        ({"crc32c": "AAAAAA=="}, 400),
        ({"md5Hash": "XUFAKrxLKna5cZ2REBfFkg=="}, 200),
        ({"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400),
    ],
)
def test_a_claimed_checksum_must_be_right(claim: dict[str, object], status: int) -> None:
    service = Service()
    assert multipart(service, {"name": "a", **claim}, b"hello").status == status
    assert service.names() == (["a"] if status == 200 else [])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/related", b"x"),
        ("multipart/related; boundary=b", b"x"),
        ("multipart/related; boundary=b", b"--b\n--b"),
    ],
)
def test_a_torn_multipart_upload_is_refused(kind: str, body: bytes) -> None:
    assert Service().ask("POST", f"{UPLOAD}?uploadType=multipart", body, {"Content-Type": kind}).status == 400


@given(st.binary(max_size=50), st.lists(st.integers(0, 50), max_size=4))
def test_a_resumable_upload_puts_its_chunks_together(content: bytes, cuts: list[int]) -> None:
    service = Service()
    url = begin(service)
    ends = sorted({min(cut, len(content)) for cut in cuts} - {0, len(content)})
    start = 0
    for end in ends:
        answer = service.ask("PUT", url, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/*"})
        assert (answer.status, answer.headers["range"]) == (308, f"bytes=0-{end - 1}")
        start = end
    last = f"bytes {start}-{len(content) - 1}/{len(content)}" if content else "bytes */0"
    done = service.ask("PUT", url, content[start:], {"Content-Range": last})
    assert done.status == 200
    assert (done.json["contentType"], done.json["metadata"]) == ("text/css", {"k": "v"})
    assert service.read("a").body == content


def test_an_upload_says_how_far_it_has_come() -> None:
    service = Service()
    url = begin(service)
    asked = {"Content-Range": "bytes */8"}
    fresh = service.ask("PUT", url, headers=asked)
    assert (fresh.status, "range" in fresh.headers) == (308, False)
    service.ask("PUT", url, b"1234", {"Content-Range": "bytes 0-3/8"})
    assert service.ask("PUT", url, headers=asked).headers["range"] == "bytes=0-3"
    assert service.ask("PUT", url, b"345678", {"Content-Range": "bytes 2-7/8"}).status == 200
    assert service.read("a").body == b"12345678"
    # The answer to the last chunk may have been lost.
    assert service.ask("PUT", url, headers=asked).json["size"] == "8"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param("bytes 4-5/8", b"xx", id="behind a gap"),
        pytest.param("bytes 0-9/8", b"0123456789", id="more than there is in all"),
        pytest.param(f"bytes 0-0/{'9' * 5000}", b"x", id="a length of thousands of digits"),
        pytest.param("nonsense", b"x", id="a place that says nothing"),
    ],
)
def test_a_chunk_that_does_not_fit_is_refused(header: str, body: bytes) -> None:
    service = Service()
    assert service.ask("PUT", begin(service), body, {"Content-Range": header}).status == 400


def test_an_upload_can_be_given_up() -> None:
    service = Service()
    url = begin(service)
    assert service.ask("DELETE", url).status == 499
    assert service.ask("PUT", url, b"x").status == 404


def test_conditions_are_held_when_an_upload_ends() -> None:
    service = Service()
    url = begin(service, ifGenerationMatch=0)
    service.put("a", b"faster")
    assert service.ask("PUT", url, b"slower").status == 412
    assert service.read("a").body == b"faster"


def test_a_resource_alone_makes_an_empty_object() -> None:
    service = Service()
    assert service.ask("POST", UPLOAD.removeprefix("/upload"), {"name": "a", "metadata": {"k": "v"}}).status == 200
    assert (service.read("a").body, service.get("a").json["metadata"]) == (b"", {"k": "v"})


def test_an_upload_needs_a_name() -> None:
    assert Service().ask("POST", f"{UPLOAD}?uploadType=media", b"x").status == 400
