"""A web server may do anything: what comes is right, or an error that names the object."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from dataflux_core import errors
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._plan.retry import RetryPolicy
from dataflux_core._run.fetching import fetcher as fetcher_module
from dataflux_core._run.fetching import web_origin
from dataflux_core._run.retries import RetryRule
from dataflux_core._wire.web import Content
from dataflux_core.emulator import Emulator, Memory
from tests.certificates import certificate
from tests.download.buckets import client_of
from tests.fetching.fetchers import IMPATIENT, crc32c_of, fetched, fetcher, one
from tests.fetching.hostile import (
    Ask,
    Hostile,
    cuts_off_first,
    fails_first,
    gives,
    leads_to,
    never_answers,
    ranges,
    resets_first,
    trickles,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fetching.hostile import Behaviour

CONTENT = bytes(range(256)) * 40
NOWHERE = "http://127.0.0.1:1"  # a port that nobody is given: one that was given back may be somebody else's by now


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


CURED = {
    "one 500": fails_first(1, 500, CONTENT),
    "a 429 that asks for a pause": fails_first(1, 429, CONTENT, Retry_After="0"),
    "three 503s": fails_first(3, 503, CONTENT),
    "a 408": fails_first(1, 408, CONTENT),
    "two bodies cut off": cuts_off_first(2, CONTENT),
    "two resets": resets_first(2, CONTENT),
}


@pytest.mark.parametrize("behaviour", CURED.values(), ids=CURED)
def test_what_passes_is_tried_again(behaviour: Behaviour, server: Hostile) -> None:
    server.behaviours["/x"] = behaviour
    with fetcher() as reader:
        assert one(reader, f"{server.url}/x") == CONTENT
        assert reader.stats.retries == len(server.seen) - 1 > 0
        assert (reader.stats.objects, reader.stats.requests, reader.stats.received_bytes) == (1, 1, len(CONTENT))


STAYING: dict[str, tuple[Behaviour, type[errors.DatafluxError], str]] = {
    "a 404": (gives(b"", 404), errors.ServiceRefused, "HTTP 404: Not Found"),
    "a 403": (gives(b"", 403), errors.AccessDenied, "HTTP 403: Forbidden"),
    "500 for ever": (gives(b"", 500), errors.ServiceRefused, "HTTP 500"),
    "a body always cut off": (cuts_off_first(999, CONTENT), errors.ConnectionBroken, "retries were used up"),
    "a connection always reset": (resets_first(999, CONTENT), errors.ConnectionBroken, "retries were used up"),
    "a part nobody asked for": (gives(b"ab", 206, Content_Range="bytes 0-1/9"), errors.ServiceRefused, "not the whole"),
    "no content": (gives(b"", 204), errors.ServiceRefused, "not the whole"),
    "a compressed body": (gives(b"z", Content_Encoding="gzip"), errors.ServiceRefused, "sent as gzip"),
    "a redirect without a place": (gives(b"", 302), errors.ServiceRefused, "leads nowhere"),
    "a redirect to a file": (leads_to("file:///etc/passwd"), errors.ServiceRefused, "redirected to"),
    "a redirect to a bucket": (leads_to("gs://b/o"), errors.ServiceRefused, "redirected to"),
    "a redirect with a password": (leads_to("http://u:secret@127.0.0.1/"), errors.ServiceRefused, "no user name"),
    "a redirect to itself": (leads_to("/x"), errors.ServiceRefused, "redirected more than 5 times"),
    "a wait longer than patience": (gives(b"", 429, Retry_After="3600"), errors.ServiceRefused, "HTTP 429"),
}


@pytest.mark.parametrize(("behaviour", "kind", "said"), STAYING.values(), ids=STAYING)
def test_what_stays_is_an_error_in_the_place_of_its_object(
    behaviour: Behaviour, kind: type[errors.DatafluxError], said: str, server: Hostile
) -> None:
    server.behaviours |= {"/x": behaviour, "/good": gives(CONTENT)}
    with fetcher(rule=IMPATIENT) as reader:
        urls = [f"{server.url}/good", f"{server.url}/x?signature=hidden", f"{server.url}/good"]
        good, bad, again = fetched(reader, RemoteObjects(urls))
    assert good == again == CONTENT
    assert type(bad) is kind
    assert said in str(bad)
    assert f"{server.url}/x" in str(bad)
    assert "hidden" not in str(bad)
    assert "secret" not in str(bad)


def test_a_listed_size_is_kept_to(server: Hostile) -> None:
    server.behaviours |= {"/short": gives(b"12"), "/long": gives(b"1234"), "/huge": gives(b"x" * 600_000)}
    with fetcher() as reader:
        urls = [f"{server.url}/{name}" for name in ("short", "long", "huge")]
        parts = fetched(reader, RemoteObjects(urls, [3, 3, 3]))
    assert [(type(part), getattr(part, "read", 0)) for part in parts] == [
        (errors.ObjectChanged, 2),
        (errors.ObjectChanged, 4),
        (errors.ObjectChanged, 600_000),
    ]


def test_what_is_stored_compressed_comes_as_it_is_where_the_index_knows_its_size(server: Hostile) -> None:
    server.behaviours["/x"] = gives(b"packed", Content_Encoding="gzip")
    with fetcher() as reader:
        assert one(reader, f"{server.url}/x", size=6) == b"packed"
    assert server.seen[0][1]["Accept-Encoding"] == "identity"


def test_no_more_is_received_than_may_be(server: Hostile) -> None:
    server.behaviours["/x"] = gives(b"x" * 600_000)
    with fetcher(max_object_bytes=550_000) as reader:
        error = one(reader, f"{server.url}/x")
    assert str(error) == f"{server.url}/x: HTTP 200: sends 600000 bytes, at most 550000 are received"


def test_the_checksum_of_what_is_stored_compressed_is_not_of_what_is_sent(server: Hostile) -> None:
    server.behaviours |= {
        "/unpacked": gives(CONTENT, X_Goog_Stored_Content_Encoding="gzip", X_Goog_Hash="crc32c=AAAAAA=="),
        "/stored": gives(CONTENT, X_Goog_Hash="crc32c=AAAAAA=="),
    }
    with fetcher() as reader:
        assert one(reader, f"{server.url}/unpacked") == CONTENT
        assert isinstance(one(reader, f"{server.url}/stored"), errors.ChecksumMismatch)


def test_damaged_bytes_are_read_again(server: Hostile) -> None:
    def damaged_first(ask: Ask) -> None:
        ask.reply(200, CONTENT if ask.count == 3 else b"?" + CONTENT[1:])

    server.behaviours["/x"] = damaged_first
    with fetcher() as reader:
        assert one(reader, f"{server.url}/x", crc32c=crc32c_of(CONTENT)) == CONTENT


def test_bytes_of_another_checksum_are_an_error(server: Hostile) -> None:
    server.behaviours["/x"] = gives(b"other")
    with fetcher() as reader:
        error = one(reader, f"{server.url}/x", 5, crc32c_of(b"bytes"))
    assert isinstance(error, errors.ObjectChanged)
    assert error.quantity == "crc32c"
    assert len(server.seen) == 4


def test_redirects_are_followed_to_other_servers(server: Hostile) -> None:
    with Hostile({"/there": gives(CONTENT)}) as other:
        server.behaviours |= {
            "/x": leads_to("/relative?a=b", 301),
            "/relative": leads_to(f"{other.url}/there", 307),
        }
        with fetcher() as reader:
            assert one(reader, f"{server.url}/x") == CONTENT
    for _, headers in server.seen + other.seen:
        assert not {"authorization", "cookie", "referer"} & {name.lower() for name in headers}


def test_a_redirect_that_has_expired_is_asked_for_anew(server: Hostile) -> None:
    server.behaviours |= {
        "/x": lambda ask: ask.reply(302, Location=f"/signed/{ask.count}"),
        "/signed/1": gives(b"", 503),
        "/signed/2": gives(CONTENT),
    }
    with fetcher() as reader:
        assert one(reader, f"{server.url}/x") == CONTENT
    assert server.paths == ["/x", "/signed/1", "/x", "/signed/2"]


def test_a_server_that_trickles_or_never_answers_holds_nobody_for_long(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_origin, "_LEAST_BYTES_PER_S", 1000)
    server.behaviours |= {"/slow": trickles(10_000, 0.05), "/silent": never_answers}
    with fetcher(rule=RetryRule(never=True), stall_timeout_s=1, connect_timeout_s=1) as reader:
        parts = fetched(reader, RemoteObjects([f"{server.url}/slow", f"{server.url}/silent"]))
    assert [type(part) for part in parts] == [errors.ConnectionBroken] * 2


def test_the_pause_that_a_server_asks_for_is_kept(server: Hostile) -> None:
    server.behaviours["/x"] = fails_first(1, 503, CONTENT, Retry_After="1")
    patient = RetryRule(RetryPolicy(initial_s=0.0, timeout_s=0.5))
    with fetcher(rule=patient) as reader:
        error = one(reader, f"{server.url}/x")  # a second does not fit into half a second
    assert isinstance(error, errors.ServiceRefused)


def test_a_server_that_is_down_is_an_error_of_its_objects_while_others_answer(server: Hostile) -> None:
    server.behaviours["/x"] = gives(CONTENT)
    with fetcher() as reader:
        down, up = fetched(reader, RemoteObjects([f"{NOWHERE}/x", f"{server.url}/x"]))
    assert up == CONTENT
    assert isinstance(down, errors.EndpointUnreachable)
    assert str(down).endswith("; check the URL, the network and the proxy variables")
    assert str(pickle.loads(pickle.dumps(down))) == str(down)
    assert down.endpoint == NOWHERE


def test_a_server_that_is_down_is_an_error_of_its_objects_once_anything_was_reached() -> None:
    with Emulator(buckets={"b": Memory({"o": CONTENT})}) as gcs, fetcher(client_of(gcs)) as reader:
        assert one(reader, "gs://b/o") == CONTENT
        assert isinstance(one(reader, f"{NOWHERE}/x"), errors.EndpointUnreachable)


def test_nothing_but_servers_that_are_down_is_raised() -> None:
    with fetcher() as reader, pytest.raises(errors.EndpointUnreachable):
        fetched(reader, RemoteObjects([f"{NOWHERE}/x", f"{NOWHERE}/y"]))


def test_certificates_that_nobody_trusts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certfile, keyfile = certificate(tmp_path)
    with Emulator(buckets={"b": Memory({"o": CONTENT})}, certfile=certfile, keyfile=keyfile) as gcs:
        url = f"{gcs.endpoint}/b/o"
        with fetcher() as reader, pytest.raises(errors.EndpointUnreachable, match="certificate"):
            one(reader, url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certfile))
        with fetcher() as reader:
            assert one(reader, url) == CONTENT


def test_from_https_to_http_nobody_is_led(tmp_path: Path, server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl  # noqa: PLC0415 - of this test alone

    certfile, keyfile = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certfile))
    server.behaviours["/x"] = gives(CONTENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    with Hostile({"/x": leads_to(f"{server.url}/x")}, context=context) as secure, fetcher() as reader:
        error = one(reader, f"{secure.url}/x")
    assert "expected https://" in str(error)
    assert server.seen == []


def test_ranges_are_checked_and_put_together(server: Hostile) -> None:
    server.behaviours["/x"] = ranges(CONTENT)
    with fetcher() as reader:
        first = reader.read_range(f"{server.url}/x", 0, 6000)
        rest = reader.read_range(f"{server.url}/x", 6000, 99_999, version=first.version, size=len(CONTENT))
    assert first.content + rest.content == CONTENT
    assert (first.total, first.version) == (len(CONTENT), '"1"')
    assert [headers["Range"] for _, headers in server.seen] == ["bytes=0-5999", "bytes=6000-99998"]


def test_a_server_without_ranges_is_read_whole(server: Hostile) -> None:
    server.behaviours["/x"] = gives(CONTENT, ETag='"1"')
    with fetcher() as reader:
        assert reader.read_range(f"{server.url}/x", 10, 20, version='"1"').content == CONTENT[10:20]


def test_of_a_server_without_ranges_no_more_is_received_than_is_worth_it(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher_module, "UNRANGED_BYTES", 550_000)
    server.behaviours["/x"] = gives(bytes(600_000))
    with fetcher() as reader, pytest.raises(errors.ServiceRefused, match="at most 550000 are received; it does not"):
        reader.read_range(f"{server.url}/x", 590_000, 600_000)


def test_a_range_of_another_version_is_refused(server: Hostile) -> None:
    server.behaviours["/x"] = ranges(CONTENT, etag='"2"')
    with fetcher() as reader, pytest.raises(errors.VersionChanged, match="was version .1., is .2. now"):
        reader.read_range(f"{server.url}/x", 10, 20, version='"1"')


def test_of_a_range_behind_the_end_there_is_nothing(server: Hostile) -> None:
    server.behaviours["/x"] = ranges(b"short")
    with fetcher() as reader:
        assert reader.read_range(f"{server.url}/x", 10, 20) == Content(b"", 5)


def test_a_refused_range_is_told_with_what_is_there(server: Hostile) -> None:
    server.behaviours["/x"] = lambda ask: ask.reply(416, b"", Content_Range="bytes */50")
    with fetcher() as reader, pytest.raises(errors.ServiceRefused, match=r"416: .*\(bytes \*/50\)"):
        reader.read_range(f"{server.url}/x", 10, 20)


@pytest.mark.parametrize("size", [1000, 1001])
def test_of_an_unknown_size_no_more_is_given_out_than_is_allowed(size: int, server: Hostile) -> None:
    server.behaviours["/x"] = gives(bytes(size))
    with fetcher(max_object_bytes=1000) as reader:
        part = one(reader, f"{server.url}/x")
    assert part == bytes(1000) if size == 1000 else "sends 1001 bytes, at most 1000 are received" in str(part)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (6, 5)])
def test_an_empty_range_is_no_range(start: int, stop: int) -> None:
    with fetcher() as reader, pytest.raises(errors.InvalidArgument):
        reader.read_range("http://localhost/x", start, stop)


def test_many_servers_take_turns(server: Hostile) -> None:
    with Hostile() as other:
        for host in (server, other):
            host.behaviours |= {f"/{number}": gives(b"%d" % number) for number in range(50)}
        urls = [f"{host.url}/{number}" for number in range(50) for host in (server, other)]
        with fetcher(max_requests=4) as reader:
            assert fetched(reader, RemoteObjects(urls)) == [b"%d" % (at // 2) for at in range(100)]


def test_a_proxy_is_used_where_the_environment_names_one(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    proxied = "http://one.invalid/x"
    with Hostile({proxied: gives(b"by proxy")}) as proxy:
        server.behaviours |= {"/x": gives(b"directly"), "/y": leads_to(proxied)}
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with fetcher() as reader:
            urls = [proxied, f"{server.url}/x", f"{server.url}/y"]
            assert fetched(reader, RemoteObjects(urls)) == [b"by proxy", b"directly", b"by proxy"]
