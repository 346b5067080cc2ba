from __future__ import annotations

import base64
import gzip
import hashlib
from typing import Any

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import Memory, Synthetic
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._media import byte_range
from tests.emulator.asking import API, UPLOAD, Service, path

INSERT = f"/upload{API}?uploadType=media&name="
ODD_NAMES = [
    "a//b",
    "./q",
    "/leading",
    "trailing/",
    "...",
    "tab\tbell\x07nul\0",
    "percent%2Fsign",
    "a+b c",
    "q?x=1&y#z",
    "写真/ﬁle/😀.jpg",
    'quote"back\\slash',
    "o/o/compose",
    "x" * 1024,
    "é" * 512,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_but_legal_name_is_kept_to_the_letter(name: str) -> None:
    service = Service()
    assert service.put(name, name.encode()).json["name"] == name
    assert service.read(name).body == name.encode()
    assert service.get(name).json["size"] == str(len(name.encode()))
    assert service.names() == [name]
    assert service.ask("DELETE", path(name)).status == 204
    assert service.names() == []


@pytest.mark.parametrize("name", ["", "a\nb", "a\rb", ".", "..", "x" * 1025, "é" * 513])
def test_an_illegal_name_is_refused(name: str) -> None:
    assert Service().put(name).status == 400


def test_a_resource_tells_checksums_and_generation() -> None:
    service = Service()
    described = service.put("a", b"hello").json
    assert described["md5Hash"] == base64.b64encode(hashlib.md5(b"hello", usedforsecurity=False).digest()).decode()
    assert described["crc32c"] == base64.b64encode(google_crc32c.value(b"hello").to_bytes(4, "big")).decode()
    read = service.read("a")
    assert read.headers["x-goog-generation"] == described["generation"]
    assert read.headers["x-goog-hash"] == f"crc32c={described['crc32c']},md5={described['md5Hash']}"
    assert read.headers["x-goog-stored-content-length"] == "5"
    assert read.headers["etag"] == described["etag"]
    assert int(service.put("a", b"again").json["generation"]) > int(described["generation"])


@pytest.mark.parametrize(
    ("header", "body", "content_range"),
    [
        pytest.param("bytes=0-3", b"0123", "bytes 0-3/10", id="the first bytes"),
        pytest.param("bytes=8-", b"89", "bytes 8-9/10", id="to the end"),
        pytest.param("bytes=8-100", b"89", "bytes 8-9/10", id="past the end is cut"),
        pytest.param("bytes=-3", b"789", "bytes 7-9/10", id="the last bytes"),
        pytest.param("bytes=-30", b"0123456789", "bytes 0-9/10", id="more last bytes than there are"),
        pytest.param(f"bytes=8-1{'0' * 5000}", b"89", "bytes 8-9/10", id="to an end of thousands of digits"),
        pytest.param(f"bytes={'0' * 5000}8-9", b"89", "bytes 8-9/10", id="with thousands of leading zeros"),
    ],
)
def test_ranges(header: str, body: bytes, content_range: str) -> None:
    read = Service({"a": b"0123456789"}).read("a", {"Range": header})
    assert (read.status, read.body, read.headers["content-range"]) == (206, body, content_range)


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=-", "bytes=a-b"])
def test_a_range_that_is_not_understood_gives_everything(header: str) -> None:
    read = Service({"a": b"0123456789"}).read("a", {"Range": header})
    assert (read.status, read.body) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("size", "header"),
    [
        pytest.param(10, "bytes=10-", id="from the end"),
        pytest.param(10, "bytes=10-20", id="beyond the end"),
        pytest.param(10, f"bytes={'9' * 5000}-", id="from a place of thousands of digits"),
        pytest.param(10, "bytes=-0", id="the last no bytes"),
        pytest.param(0, "bytes=0-", id="of an object without bytes"),
    ],
)
def test_a_range_outside_is_416(size: int, header: str) -> None:
    assert Service({"a": b"x" * size}).read("a", {"Range": header}).status == 416


@given(st.binary(max_size=20), st.integers(0, 25), st.integers(0, 25))
def test_a_range_is_a_slice(content: bytes, first: int, last: int) -> None:
    try:
        span = byte_range(b"bytes=%d-%d" % (first, last), len(content))
    except ApiError:
        assert not content[first : last + 1]
    else:
        assert span is None or content[slice(*span)] == content[first : last + 1]


MATCHES = [
    pytest.param({"ifGenerationMatch": "actual"}, True, id="the generation matches"),
    pytest.param({"ifGenerationMatch": "1"}, False, id="another generation is wanted"),
    pytest.param({"ifGenerationMatch": "0"}, False, id="no object is wanted"),
    pytest.param({"ifGenerationNotMatch": "1"}, True, id="any but a generation that it is not"),
    pytest.param({"ifMetagenerationMatch": "1"}, True, id="the metageneration matches"),
    pytest.param({"ifMetagenerationMatch": "2"}, False, id="another metageneration is wanted"),
]


@pytest.mark.parametrize(("wanted", "holds"), MATCHES)
@pytest.mark.parametrize("call", ["get", "read", "delete", "patch", "insert", "compose", "rewrite"])
def test_conditions(call: str, wanted: dict[str, str], holds: bool) -> None:
    service = Service({"a": b"x", "b": b"y"})
    actual = service.get("a").json["generation"]
    query: dict[str, Any] = {key: actual if value == "actual" else value for key, value in wanted.items()}
    answers = {
        "get": lambda: service.get("a", **query),
        "read": lambda: service.read("a", **query),
        "delete": lambda: service.ask("DELETE", path("a"), **query),
        "patch": lambda: service.ask("PATCH", path("a"), {}, **query),
        "insert": lambda: service.put("a", **query),
        "compose": lambda: service.ask("POST", f"{path('a')}/compose", {"sourceObjects": [{"name": "b"}]}, **query),
        "rewrite": lambda: service.ask("POST", f"{path('b')}/rewriteTo/b/box/o/a", {}, **query),
    }
    assert answers[call]().status == ((204 if call == "delete" else 200) if holds else 412)


def test_a_condition_on_zero_makes_an_object_only_once() -> None:
    service = Service()
    assert service.put("a", b"1", ifGenerationMatch=0).status == 200
    assert service.put("a", b"2", ifGenerationMatch=0).status == 412
    assert service.read("a").body == b"1"


def test_what_was_not_modified_is_304() -> None:
    service = Service({"a": b"x"})
    generation = service.get("a").json["generation"]
    assert service.get("a", ifGenerationNotMatch=generation).status == 304
    assert service.read("a", ifGenerationNotMatch=generation).status == 304


@pytest.mark.parametrize("call", ["get", "read"])
def test_another_generation_is_not_found(call: str) -> None:
    service = Service({"a": b"x"})
    assert getattr(service, call)("a", generation=1).status == 404


def test_errors_have_the_shape_of_the_service() -> None:
    error = Service().get("none").json["error"]
    assert error == {
        "code": 404,
        "message": "No such object: box/none",
        "errors": [{"message": "No such object: box/none", "domain": "global", "reason": "notFound"}],
    }
    assert Service().ask("GET", "/storage/v1/b/none/o").json["error"]["errors"][0]["reason"] == "notFound"


def compose(service: Service, sources: list[Any], name: str = "joined", **more: Any) -> Any:
    body = {"sourceObjects": [{"name": item} if isinstance(item, str) else item for item in sources], **more}
    return service.ask("POST", f"{path(name)}/compose", body)


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=32))
def test_compose_joins_in_order(parts: list[bytes]) -> None:
    service = Service({f"part-{at}": part for at, part in enumerate(parts)})
    described = compose(service, [f"part-{at}" for at in range(len(parts))]).json
    joined = b"".join(parts)
    assert service.read("joined").body == joined
    assert described["componentCount"] == len(parts)
    assert described["size"] == str(len(joined))
    assert described["crc32c"] == base64.b64encode(google_crc32c.value(joined).to_bytes(4, "big")).decode()
    assert "md5Hash" not in described
    assert "md5" not in service.read("joined").headers["x-goog-hash"]


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        pytest.param([], 400, id="no source"),
        pytest.param(["a"] * 33, 400, id="33 sources"),
        pytest.param(["a"] * 32, 200, id="32 sources"),
        pytest.param([{}], 400, id="a source without a name"),
        pytest.param(["none"], 404, id="a source that is not there"),
        pytest.param([{"name": "a", "generation": "1"}], 404, id="a source of another generation"),
        pytest.param(
            [{"name": "a", "objectPreconditions": {"ifGenerationMatch": "1"}}], 412, id="a source that has changed"
        ),
        pytest.param(
            [{"name": "a", "objectPreconditions": {"ifGenerationMatch": "new"}}], 400, id="a generation that is none"
        ),
        pytest.param(["a", "cold"], 400, id="two storage classes"),
    ],
)
def test_compose_refuses(sources: list[Any], status: int) -> None:
    service = Service({"a": b"x"})
    begun = service.ask("POST", f"{UPLOAD}?uploadType=resumable", {"name": "cold", "storageClass": "COLDLINE"})
    service.ask("PUT", begun.headers["location"].removeprefix("http://localhost"), b"z")
    assert compose(service, sources).status == status


def test_compose_pins_its_sources_by_generation() -> None:
    service = Service({"a": b"x"})
    generation = service.get("a").json["generation"]
    pinned = {"name": "a", "generation": generation, "objectPreconditions": {"ifGenerationMatch": generation}}
    assert compose(service, [pinned]).status == 200
    service.put("a", b"changed")
    assert compose(service, [pinned]).status == 404


def test_compose_deletes_its_sources_if_told_to() -> None:
    service = Service({"a": b"x", "b": b"y"})
    compose(service, ["a"])
    assert service.names() == ["a", "b", "joined"]
    compose(service, ["a", "b"], deleteSourceObjects=True)
    assert service.names() == ["joined"]


def test_compose_changes_nothing_where_it_may_not_delete_as_told() -> None:
    allowed = frozenset({"storage.objects.get", "storage.objects.create", "storage.objects.list"})
    service = Service(Memory({"a": b"x"}, permissions=allowed))
    assert compose(service, ["a"], deleteSourceObjects=True).status == 403
    assert service.names() == ["a"]


def test_synthetic_objects_compose() -> None:
    synthetic = Synthetic("imagenet", 100, object_bytes=(0, 50))
    service = Service(synthetic)
    names = synthetic.names(10, 42)
    compose(service, names)
    assert service.read("joined").body == b"".join(synthetic.content(name) for name in names)


@pytest.mark.parametrize("call", ["rewriteTo", "copyTo"])
def test_a_copy_keeps_bytes_with_settings(call: str) -> None:
    service = Service({"a": b"x"})
    service.ask("PATCH", path("a"), {"metadata": {"k": "v"}, "contentType": "text/plain"})
    service.ask("POST", "/storage/v1/b", {"name": "other"})
    copied = service.ask("POST", f"{path('a')}/{call}/b/other/o/{'d%2Fb'}").json
    described = copied["resource"] if call == "rewriteTo" else copied
    assert (described["name"], described["bucket"]) == ("d/b", "other")
    assert (described["metadata"], described["contentType"]) == ({"k": "v"}, "text/plain")
    assert service.ask("GET", "/storage/v1/b/other/o/d%2Fb?alt=media").body == b"x"


def test_patch_merges_while_update_replaces() -> None:
    service = Service({"a": b"x"})
    service.ask("PATCH", path("a"), {"metadata": {"k": "v", "l": "w"}, "cacheControl": "no-store"})
    patched = service.ask("PATCH", path("a"), {"metadata": {"k": None, "m": "x"}}).json
    assert (patched["metadata"], patched["cacheControl"]) == ({"l": "w", "m": "x"}, "no-store")
    assert patched["metageneration"] == "3"
    updated = service.ask("PUT", path("a"), {"metadata": {"n": "y"}}).json
    assert updated["metadata"] == {"n": "y"}
    assert "cacheControl" not in updated
    assert "cacheControl" not in service.ask("PATCH", path("a"), {"cacheControl": None}).json


def test_gzip_is_undone_on_the_way_unless_it_is_accepted() -> None:
    service = Service()
    packed = gzip.compress(b"hello" * 100)
    service.put("a", packed, contentEncoding="gzip")
    stored = service.read("a", {"Accept-Encoding": "gzip", "Range": "bytes=0-9"})
    assert (stored.status, stored.body, stored.headers["content-encoding"]) == (206, packed[:10], "gzip")
    plain = service.read("a", {"Range": "bytes=0-9"})
    assert (plain.status, plain.body) == (200, b"hello" * 100)
    assert "content-encoding" not in plain.headers
    assert plain.headers["x-goog-stored-content-length"] == str(len(packed))


def test_what_claims_to_be_gzip_but_is_not_is_sent_as_it_is() -> None:
    service = Service()
    service.put("a", b"plain", contentEncoding="gzip")
    assert service.read("a").body == b"plain"


@pytest.mark.parametrize(
    ("allowed", "method", "url", "status"),
    [
        pytest.param([], "GET", API, 403, id="no listing without list"),
        pytest.param(["storage.objects.list"], "GET", API, 200, id="listing with list"),
        pytest.param([], "GET", f"{API}/a?alt=media", 403, id="no read without get"),
        pytest.param([], "GET", f"{API}/a", 403, id="no metadata without get"),
        pytest.param([], "DELETE", f"{API}/a", 403, id="no delete without delete"),
        pytest.param([], "POST", f"{INSERT}n", 403, id="no insert without create"),
        pytest.param(["storage.objects.create"], "POST", f"{INSERT}n", 200, id="with create"),
        pytest.param(
            ["storage.objects.create"],
            "POST",
            f"{INSERT}a",
            403,
            id="no overwriting without",
        ),
        pytest.param(["storage.objects.create"], "POST", f"{API}/n/compose", 403, id="no compose without get"),
        pytest.param(["storage.objects.get"], "POST", f"{API}/n/compose", 403, id="no compose without create"),
        pytest.param([], "GET", "/storage/v1/b/box", 403, id="no bucket metadata without get"),
    ],
)
def test_permissions(allowed: list[str], method: str, url: str, status: int) -> None:
    service = Service(Memory({"a": b"x"}, permissions=frozenset(allowed)))
    body = {"sourceObjects": [{"name": "a"}]}
    assert service.ask(method, url, body if url.endswith("compose") else b"").status == status


def test_permissions_can_be_asked_for() -> None:
    service = Service(Memory(permissions=frozenset({"storage.objects.get"})))
    asked = "permissions=storage.objects.get&permissions=storage.objects.delete"
    answer = service.ask("GET", f"/storage/v1/b/box/iam/testPermissions?{asked}").json
    assert answer["permissions"] == ["storage.objects.get"]
    none = service.ask("GET", "/storage/v1/b/box/iam/testPermissions?permissions=storage.objects.list").json
    assert "permissions" not in none


def test_a_bucket_tells_what_it_was_given() -> None:
    service = Service(Memory(resource={"storageClass": "NEARLINE", "versioning": {"enabled": True}}))
    described = service.ask("GET", "/storage/v1/b/box", fields="storageClass,versioning/enabled,name").json
    assert described == {"storageClass": "NEARLINE", "versioning": {"enabled": True}, "name": "box"}
    assert service.put("a").json["storageClass"] == "NEARLINE"


def test_buckets_come_and_go() -> None:
    service = Service()
    assert service.ask("POST", "/storage/v1/b?project=p", {"name": "new"}).status == 200
    assert service.ask("POST", "/storage/v1/b", {"name": "new"}).status == 409
    assert [item["name"] for item in service.ask("GET", "/storage/v1/b").json["items"]] == ["box", "new"]
    assert service.ask("PATCH", "/storage/v1/b/new", {"labels": {"k": "v"}}).json["labels"] == {"k": "v"}
    service.ask("POST", "/upload/storage/v1/b/new/o?uploadType=media&name=a", b"x")
    assert service.ask("DELETE", "/storage/v1/b/new").status == 409
    service.ask("DELETE", "/storage/v1/b/new/o/a")
    assert service.ask("DELETE", "/storage/v1/b/new").status == 204
    assert service.ask("GET", "/storage/v1/b/new").status == 404


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/storage/v1/b/box/acl", 404),
        ("GET", "/storage/v2/b", 404),
        ("GET", f"{API}/a/compose/x", 404),
        ("PATCH", API, 405),
        ("GET", "/", 404),
    ],
)
def test_what_is_not_imitated_is_refused(method: str, url: str, status: int) -> None:
    assert Service().ask(method, url).status == status
