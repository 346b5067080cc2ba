"""Objects on S3, from a real S3 server of a package: signed by a library, read by our own transport."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core import errors
from dataflux_core._plan.remote import RemoteObjects
from tests.fetching.fetchers import IMPATIENT, crc32c_of, fetched, fetcher, one
from tests.fetching.hostile import Hostile, gives

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("obstore")
moto_server = pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")

CONTENTS = {name: name.encode() * 300 for name in ["a", "b/c", "d e+f?g#h%20", "ünïcödé/日本", "k=v/x~(1)*'!.jpg"]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    anybody = {"aws_access_key_id": "id", "aws_secret_access_key": "key"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **anybody)
    for bucket in ("first", "second"):
        client.create_bucket(Bucket=bucket)
        for name, content in CONTENTS.items():
            client.put_object(Bucket=bucket, Key=name, Body=content)
    client.close()
    yield url
    server.stop()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    if "endpoint" in request.fixturenames:
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("endpoint"))


def urls(*buckets: str) -> list[str]:
    return [f"s3://{bucket}/{name}" for bucket in buckets for name in CONTENTS]


def test_everything_comes_with_its_bytes(endpoint: str) -> None:
    del endpoint
    expected = [*CONTENTS.values()] * 2
    sums = [crc32c_of(content) for content in expected]
    with fetcher() as reader:
        objects = RemoteObjects(urls("first", "second"), [len(content) for content in expected], sums)
        assert fetched(reader, objects) == expected
        assert fetched(reader, RemoteObjects(urls("second"))) == [*CONTENTS.values()]


def test_each_error_stands_in_the_place_of_its_object(endpoint: str) -> None:
    del endpoint
    with fetcher() as reader:
        missing, changed, right = fetched(
            reader, RemoteObjects(["s3://first/gone", "s3://first/a", "s3://first/b/c"], [1, 2, 900])
        )
    assert str(missing) == "s3://first/gone: HTTP 404: NoSuchKey"
    assert isinstance(changed, errors.ObjectChanged)
    assert (changed.name, changed.listed, changed.read) == ("s3://first/a", 2, 300)
    assert right == CONTENTS["b/c"]


def test_no_bucket_is_raised(endpoint: str) -> None:
    del endpoint
    with fetcher() as reader, pytest.raises(errors.ServiceRefused, match="s3://no-bucket: HTTP 404: the bucket does"):
        one(reader, "s3://no-bucket/x")


def test_no_credentials_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with fetcher() as reader, pytest.raises(errors.S3CredentialsMissing, match="set AWS_ACCESS_KEY_ID"):
        one(reader, "s3://bucket/x")


@pytest.mark.parametrize("url", ["not a url", "localhost:9000", "ftp://host", "https://", "http://a b"])
def test_an_endpoint_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with fetcher() as reader, pytest.raises(errors.InvalidArgument, match="AWS_ENDPOINT_URL=.*expected http://"):
        one(reader, "s3://bucket/x")


def refused(code: str) -> Any:
    return gives(f"<Error><Code>{code}</Code><StringToSign>hidden</StringToSign></Error>".encode(), 403)


def test_refused_credentials_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with Hostile({"/bucket/x": refused("InvalidAccessKeyId")}) as server, fetcher() as reader:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(errors.S3CredentialsMissing, match="InvalidAccessKeyId"):
            one(reader, "s3://bucket/x")


def test_a_bucket_that_refuses_everything_is_raised_one_object_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    behaviours = {"/bucket/x": refused("AccessDenied"), "/bucket/y": refused("AccessDenied"), "/bucket/z": gives(b"z")}
    with Hostile(behaviours) as server, fetcher() as reader:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(errors.AccessDenied, match="s3://bucket/[xy]: HTTP 403: AccessDenied; ask"):
            fetched(reader, RemoteObjects(["s3://bucket/x", "s3://bucket/y"]))
        parts = fetched(reader, RemoteObjects(["s3://bucket/x", "s3://bucket/z", "s3://bucket/y"]))
    assert [type(part) for part in parts] == [errors.AccessDenied, bytes, errors.AccessDenied]


@pytest.mark.parametrize("status", [301, 400])
def test_a_bucket_elsewhere_says_where(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Hostile({"/bucket/x": gives(b"", status, x_amz_bucket_region="eu-west-1")}) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with fetcher(rule=IMPATIENT) as reader:
            assert "set AWS_REGION=eu-west-1" in str(one(reader, "s3://bucket/x"))


def test_nothing_is_signed_for_a_public_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with Hostile({"/bucket/x": gives(b"x")}) as server, fetcher() as reader:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert one(reader, "s3://bucket/x") == b"x"
    assert server.paths == ["/bucket/x"]


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with fetcher() as reader, pytest.raises(errors.ExtraMissing, match=r"dataflux_core\[s3\]"):
        one(reader, "s3://bucket/x")
