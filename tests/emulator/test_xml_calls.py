from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dataflux_core.emulator import Memory, Synthetic
from tests.emulator.asking import Service

SPACE = "{http://doc.s3.amazonaws.com/2006-03-01}"


def listed(service: Service, **query: Any) -> tuple[list[str], list[str], str | None]:
    answer = service.ask("GET", "/box?list-type=2", **query)
    assert answer.status == 200, answer
    root = ET.fromstring(answer.body)  # noqa: S314 - our own server wrote it
    names = [node.text or "" for node in root.iter(f"{SPACE}Key")]
    folders = [node.findtext(f"{SPACE}Prefix") or "" for node in root.iter(f"{SPACE}CommonPrefixes")]
    return names, folders, root.findtext(f"{SPACE}NextContinuationToken")


def test_a_listing_is_paged_by_a_thousand() -> None:
    synthetic = Synthetic("imagenet", 2500)
    service = Service(synthetic)
    names, folders, token = listed(service)
    assert (len(names), folders) == (1000, [])
    while token:
        more, _, token = listed(service, **{"continuation-token": token})
        names += more
    assert names == synthetic.names()


@pytest.mark.parametrize(
    ("query", "names", "folders"),
    [
        pytest.param({"prefix": "b/"}, ["b/c", "b/d&<>"], [], id="a prefix"),
        pytest.param({"delimiter": "/"}, ["a", "z"], ["b/"], id="a delimiter"),
        pytest.param({"start-after": "b/c"}, ["b/d&<>", "z"], [], id="the start is exclusive here"),
        pytest.param({"max-keys": "1"}, ["a"], [], id="a limit"),
    ],
)
def test_filters(query: dict[str, Any], names: list[str], folders: list[str]) -> None:
    service = Service(dict.fromkeys(["a", "b/c", "b/d&<>", "z"], b""))
    assert listed(service, **query)[:2] == (names, folders)


def test_an_object_is_read_written_deleted() -> None:
    service = Service()
    written = service.ask("PUT", "/box/d/%C3%A9%20x//y", b"0123456789", {"Content-Type": "text/css"})
    assert written.status == 200
    assert written.headers["x-goog-generation"]
    read = service.ask("GET", "/box/d/%C3%A9%20x//y", headers={"Range": "bytes=2-4"})
    assert (read.status, read.body, read.headers["content-type"]) == (206, b"234", "text/css")
    assert service.names() == ["d/é x//y"]
    assert service.ask("DELETE", "/box/d/%C3%A9%20x//y").status == 204
    assert service.ask("GET", "/box/d/%C3%A9%20x//y").status == 404


def test_a_copy_names_its_source_in_a_header() -> None:
    service = Service({"a b": b"x"})
    assert service.ask("PUT", "/box/c", headers={"x-goog-copy-source": "box/a%20b"}).status == 200
    assert service.read("c").body == b"x"


def test_an_object_is_written_in_parts() -> None:
    service = Service()
    begun = ET.fromstring(service.ask("POST", "/box/a?uploads").body)  # noqa: S314
    identifier = begun.findtext("UploadId")
    for number, part in ((2, b"world"), (1, b"hello ")):
        assert service.ask("PUT", "/box/a", part, partNumber=number, uploadId=identifier).headers["etag"]
    named = b"<C><Part><PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber></Part></C>"
    assert service.ask("POST", "/box/a", b"<C/>", uploadId=identifier).status == 400
    assert service.ask("POST", "/box/a", named, uploadId=identifier).status == 200
    assert service.read("a").body == b"hello world"
    assert service.ask("DELETE", "/box/a", uploadId=identifier).status == 404


def test_an_upload_in_parts_can_be_given_up() -> None:
    service = Service()
    identifier = ET.fromstring(service.ask("POST", "/box/a?uploads").body).findtext("UploadId")  # noqa: S314
    assert service.ask("DELETE", "/box/a", uploadId=identifier).status == 204
    assert service.ask("PUT", "/box/a", b"x", uploadId=identifier, partNumber=1).status == 404


@pytest.mark.parametrize(
    ("method", "url", "headers", "code"),
    [
        pytest.param("GET", "/box/none", {}, "NoSuchKey", id="no object"),
        pytest.param("GET", "/none?list-type=2", {}, "NoSuchBucket", id="no bucket"),
        pytest.param("GET", "/box/a", {"Range": "bytes=9-"}, "InvalidRange", id="a range outside"),
        pytest.param("PUT", "/box/a", {"x-goog-if-generation-match": "0"}, "PreconditionFailed", id="a condition"),
        pytest.param("PUT", "/box/a", {"x-goog-if-generation-match": "x"}, "InvalidArgument", id="no generation"),
        pytest.param("GET", "/box?list-type=2&max-keys=x", {}, "InvalidArgument", id="no number"),
    ],
)
def test_errors_are_xml(method: str, url: str, headers: dict[str, str], code: str) -> None:
    answer = Service({"a": b"x"}).ask(method, url, headers=headers)
    assert ET.fromstring(answer.body).findtext("Code") == code  # noqa: S314


def test_what_is_not_imitated_is_refused() -> None:
    assert Service().ask("POST", "/box/a?compose").status == 405


def test_a_name_that_xml_cannot_hold_is_refused_by_the_listing() -> None:
    assert Service({"a\x07": b""}).ask("GET", "/box?list-type=2").status == 400


def test_permissions_count_here_too() -> None:
    service = Service(Memory({"a": b"x"}, permissions=frozenset()))
    assert service.ask("GET", "/box?list-type=2").status == 403
    assert service.ask("GET", "/box/a").status == 403
