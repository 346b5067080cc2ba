"""Index files of buckets and web servers are brought here whole, or not at all."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core._data.index import web_files
from dataflux_core._data.index.opening import open_index
from dataflux_core._plan.retry import RetryPolicy
from dataflux_core._run.retries import RetryRule
from dataflux_core.emulator import Emulator, Fault, Memory
from dataflux_core.errors import (
    AccessDenied,
    ConnectionBroken,
    DatafluxError,
    EndpointUnreachable,
    ExtraMissing,
    IndexUnusable,
    InvalidArgument,
    ObjectNotFound,
    ServiceRefused,
)
from tests.fetching.fetchers import QUICK
from tests.fetching.hostile import Hostile, gives, leads_to, ranges
from tests.index.sources import Row, all_rows, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fetching.hostile import Ask, Behaviour

ROWS: list[Row] = [{"id": f"i{number}", "width": number} for number in range(20)]


def parquet_bytes(rows: list[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=7)
    content: bytes = sink.getvalue().to_pybytes()
    return content


OBJECTS = {
    "x/index.csv": b"id,width\n" + b"".join(f"i{n},{n}\n".encode() for n in range(20)),
    "x/index.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "x/index.parquet": parquet_bytes(ROWS),
    "x/index.parquet.more": b"",
    "x/deep/er/index.parquet": parquet_bytes(ROWS[:1]),
    "x/empty.csv": b"",
    "x/split_file_texts.txt": b"index.csv\ngs://b/x/deep/*/index.parquet\n",
    "evil/split_file_texts.txt": b"../x/index.csv\n/etc/passwd.csv\n",
    "parts/1.csv": b"id,width\na,1\n",
    "parts/2.csv": b"id,width\nb,2\n",
}


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(buckets={"b": Memory(OBJECTS), "denied": Memory(OBJECTS, permissions=frozenset())}) as gcs:
        yield gcs


@pytest.fixture
def service(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    for variable, value in gcs.environ.items():
        monkeypatch.setenv(variable, value)
    yield gcs
    gcs.configure(faults=())


@pytest.mark.parametrize("name", ["index.csv", "index.jsonl", "index.parquet"])
@pytest.mark.usefixtures("service")
def test_a_file_of_a_bucket_is_what_it_is_here(name: str, tmp_path: Path) -> None:
    index = opened(f"gs://b/x/{name}")
    (tmp_path / name).write_bytes(OBJECTS[f"x/{name}"])
    here = opened(tmp_path / name)
    assert all_rows(index) == ROWS
    assert (index.fingerprint, index.home.base) == (here.fingerprint, "gs://b/x")


@pytest.mark.usefixtures("service")
def test_a_wildcard_of_a_bucket_is_all_that_match() -> None:
    index = opened("gs://b/parts/*.csv")
    assert ([row["id"] for row in all_rows(index)], index.home.base) == (["a", "b"], "gs://b/parts")
    assert len(opened("gs://b/x/**/index.parquet")) == 1
    with pytest.raises(IndexUnusable, match="no file matches"):
        opened("gs://b/parts/*.parquet")


@pytest.mark.usefixtures("service")
def test_a_list_of_paths_of_a_bucket_is_relative_to_itself() -> None:
    index = opened("gs://b/x/split_file_texts.txt")
    assert (len(index), index.home.base) == (21, "gs://b/x")


@pytest.mark.usefixtures("service")
def test_a_list_of_paths_that_lies_elsewhere_names_no_file_of_this_machine() -> None:
    with pytest.raises(IndexUnusable, match="path 2 is /etc/passwd.csv, a file of this machine"):
        opened("gs://b/evil/split_file_texts.txt")


def test_a_client_of_the_callers_own_is_used(gcs: Emulator) -> None:
    client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint})
    assert len(open_index("gs://b/x/index.csv", None, client)) == 20
    assert len(open_index("gs://b/x/index.csv", None, lambda: client)) == 20


def test_a_client_that_is_no_plain_one_is_used_by_its_methods(gcs: Emulator) -> None:
    class Own(storage.Client):  # type: ignore[misc] # google ships no types
        pass

    client = Own("p", AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint})
    assert all_rows(open_index("gs://b/x/index.parquet", None, client)) == ROWS


@pytest.mark.usefixtures("service")
def test_what_a_bucket_does_not_give_is_named() -> None:
    with pytest.raises(ObjectNotFound, match="gs://b/x/none.csv"):
        opened("gs://b/x/none.csv")
    with pytest.raises(IndexUnusable, match="gs://b/x/empty.csv: it is empty"):
        opened("gs://b/x/empty.csv")
    with pytest.raises(AccessDenied):
        opened("gs://denied/x/index.csv")


@pytest.mark.parametrize("source", ["gs://b/x/index.csv", "gs://b/x/*.csv", "gs://b/x/"])
def test_an_index_that_cannot_be_reached_advises_what_datasets_have(source: str) -> None:
    client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": "http://127.0.0.1:1"})
    with pytest.raises(EndpointUnreachable, match="check the network") as caught:
        open_index(source, None, client)
    assert "retry_config" not in str(caught.value)


def test_a_read_that_fails_is_tried_again(service: Emulator) -> None:
    service.configure(faults=(Fault("read", "503", times=2),))
    assert len(opened("gs://b/x/index.csv")) == 20


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to import

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    session = boto3.Session("k", "s", region_name="us-east-1")
    client = session.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"])
    client.create_bucket(Bucket="bucket")
    for name, content in OBJECTS.items():
        client.put_object(Bucket="bucket", Key=name, Body=content)
    client.close()
    yield environment
    server.stop()


@pytest.fixture
def s3_service(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in s3.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.usefixtures("s3_service")
def test_s3_is_read_as_a_bucket_is() -> None:
    assert all_rows(opened("s3://bucket/x/index.parquet")) == ROWS
    assert [row["id"] for row in all_rows(opened("s3://bucket/parts/*.csv"))] == ["a", "b"]
    directory = opened("s3://bucket/parts/")
    assert all_rows(directory)[0] == {"id": "1", "csv": "s3://bucket/parts/1.csv", "csv.size": 13}
    assert directory.home.base == "s3://bucket/parts"


@pytest.mark.usefixtures("s3_service")
def test_what_s3_does_not_give_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceRefused, match="s3://bucket/none.csv: HTTP 404: no such object"):
        opened("s3://bucket/none.csv")
    with pytest.raises(ServiceRefused, match="s3://no-bucket/x/: HTTP 404: the bucket does not exist"):
        opened("s3://no-bucket/x/")
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(ExtraMissing, match=r"s3://bucket: pip install 'dataflux_core\[s3\]'"):
        opened("s3://bucket/x/index.csv")


def test_s3_without_credentials_or_a_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable, raising=False)
    nobody = "http://127.0.0.1:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL", nobody)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", nobody)  # where a machine of AWS would ask
    with pytest.raises(AccessDenied, match="s3://b/x.csv: HTTP 403: no credentials were found; set AWS_ACCESS_KEY_ID"):
        opened("s3://b/x.csv")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with pytest.raises(ConnectionBroken, match="check AWS_ENDPOINT_URL"):
        opened("s3://b/x.csv")


class Web(BaseHTTPRequestHandler):
    """A server that answers as the path says."""

    asked: ClassVar[list[str]] = []
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body that follows its head would wait for 40 ms

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        type(self).asked.append(path)
        answer = getattr(self, "answer_" + path.strip("/").partition("/")[0].replace("-", "_"))
        answer(path.rpartition("/")[2])

    def give(self, status: int, content: bytes, location: str = "", promised: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if promised is None else promised))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)

    def answer_whole(self, name: str) -> None:
        self.give(200, OBJECTS[f"x/{name}"]) if f"x/{name}" in OBJECTS else self.give(404, b"")

    def answer_named(self, _: str) -> None:
        self.answer_whole("index.csv")

    def answer_short(self, name: str) -> None:
        self.give(200, OBJECTS[f"x/{name}"][:-5], promised=len(OBJECTS[f"x/{name}"]))
        self.close_connection = True

    def answer_at_third(self, name: str) -> None:
        if type(self).asked.count(self.path) < 3:
            self.give(503, b"")
        else:
            self.answer_whole(name)

    def answer_forbidden(self, _: str) -> None:
        self.give(403, b"secret words")

    def answer_away(self, name: str) -> None:
        self.give(302, b"", location=f"/whole/{name}")

    def answer_loop(self, _: str) -> None:
        self.give(302, b"", location=self.path)

    def answer_to_file(self, _: str) -> None:
        self.give(302, b"", location="file:///etc/passwd?secret")

    def answer_rubbish(self, _: str) -> None:
        self.wfile.write(b"secret\r\n\r\n")
        self.close_connection = True

    def answer_elsewhere(self, _: str) -> None:
        self.give(302, b"", location="http://me:secret@127.0.0.1/?secret")

    def answer_broken(self, _: str) -> None:
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


# However long a try takes on a busy machine, there is another.
FOR_A_SECOND = RetryRule(RetryPolicy(initial_s=0.05, multiplier=1.0, maximum_s=0.05, timeout_s=1.0))


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(web_files, "_RULE", FOR_A_SECOND)
    Web.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", ["whole", "away", "at-third"])
@pytest.mark.parametrize("name", ["index.csv", "index.parquet"])
def test_a_file_of_the_web_is_what_it_is_here(way: str, name: str, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_files, "_RULE", QUICK)
    index = opened(f"{web}/{way}/{name}" + ("?signature=s.csv" if way == "whole" else ""))
    assert (all_rows(index), index.home.base) == (ROWS, f"{web}/{way}")


@pytest.mark.parametrize(
    ("way", "kind", "said", "tries"),
    [
        ("short/index.csv", ConnectionBroken, "retries were used up", None),
        ("broken/index.csv", ConnectionBroken, "retries were used up", None),
        ("whole/none.csv", ServiceRefused, "HTTP 404", 1),
        ("forbidden/index.csv", AccessDenied, "HTTP 403: Forbidden", 1),
        ("loop/index.csv", ServiceRefused, "HTTP 302: redirected more than 5 times", 6),
        ("to-file/index.csv", ServiceRefused, "HTTP 302: redirected to file:", 1),
        ("rubbish/index.csv", EndpointUnreachable, "cannot connect", None),
    ],
)
def test_a_web_server_that_gives_no_whole_file_is_named(
    way: str, kind: type[DatafluxError], said: str, tries: int | None, web: str
) -> None:
    with pytest.raises(kind) as caught:
        opened(f"{web}/{way}?signature=secret")
    assert said in str(caught.value)
    assert (web if kind is EndpointUnreachable else f"{web}/{way}") in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(Web.asked) == tries if tries else len(Web.asked) > 1


def test_a_web_server_has_limits(web: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceRefused, match="an index of more than 100 bytes"):
        web_files.fetch(f"{web}/whole/index.csv", tmp_path / "a", max_bytes=100)
    assert not list(tmp_path.iterdir())


CONTENT = bytes(range(256)) * 40


def becomes_another(ask: Ask) -> None:
    """Serve ranges of what is replaced between the second request and the third."""
    old = ask.count <= 2
    ranges(CONTENT[::-1] if old else CONTENT, '"old"' if old else '"new"')(ask)


@pytest.mark.parametrize(
    ("behaviour", "requests"),
    [
        pytest.param(ranges(CONTENT), 4, id="in pieces of one version"),
        pytest.param(becomes_another, 7, id="from the front once more, where it became another"),
        pytest.param(ranges(CONTENT, 'W/"1"'), 2, id="as a whole where no version can be told"),
        pytest.param(gives(CONTENT), 2, id="as a whole where there are no ranges"),
        pytest.param(gives(CONTENT[:3000]), 1, id="at once where it is small"),
        pytest.param(ranges(b""), 1, id="nothing at all"),
    ],
)
def test_a_large_file_of_the_web_comes(behaviour: Behaviour, requests: int, tmp_path: Path) -> None:
    with Hostile({"/x": behaviour}) as server:
        web_files.fetch(f"{server.url}/x", tmp_path / "a", piece_bytes=3000)
    content = (tmp_path / "a").read_bytes()
    assert content == CONTENT[: len(content)]
    assert len(content) in {0, 3000, len(CONTENT)}
    assert len(server.seen) == requests


def test_a_password_of_this_machine_goes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Hostile({"/x": gives(b"1")}) as other, Hostile({"/x": leads_to(f"{other.url}/x")}) as server:
        web_files.fetch(f"{server.url}/x", tmp_path / "a")
    for _, headers in (*server.seen, *other.seen):
        assert not {"Authorization", "Cookie", "Referer"} & set(headers)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@127.0.0.1/whole/index.csv",
        "HTTPS://me:secret@127.0.0.1/?secret",
        "https://me:secret@/index.csv",
        "https://?secret",
        "ftp://me:secret@host?secret",
        "gs://",
        "http://[::1/a.csv?secret",
        "http://127.0.0.1:99999/a.csv?secret",
        "http://127.0.0.1:1/a.csv?secret",
        "http://127.0.0.1:1/a.nothing?secret",
        "http://127.0.0.1:1/a b.csv?secret#secret",
        "HTTP://127.0.0.1:1/größe.csv.gz?secret",
        "file://me:secret@host/a.csv",
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_repeating_a_secret(url: str) -> None:
    with pytest.raises((InvalidArgument, IndexUnusable, EndpointUnreachable)) as caught:
        opened(url)
    assert "secret" not in str(caught.value)


def test_where_a_redirect_leads_is_not_repeated(web: str) -> None:
    with pytest.raises(DatafluxError) as caught:
        opened(f"{web}/elsewhere/index.csv")
    assert "secret" not in str(caught.value)


def test_a_url_is_sent_as_one_can_be(web: str) -> None:
    for name in ("a b.csv", "größe.csv", "a%20b.csv#part"):
        index = opened(web.replace("http", "HTTP") + f"/named/{name}")
        assert (len(index), index.home.base) == (20, f"{web}/named")
    assert {"/named/a%20b.csv", "/named/gr%C3%B6%C3%9Fe.csv"} == set(Web.asked)


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(EndpointUnreachable, match="http://127.0.0.1:1: cannot connect .*check the URL"):
        opened("http://127.0.0.1:1/a.csv")
