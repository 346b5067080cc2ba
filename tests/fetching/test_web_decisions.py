"""What an answer of a web server means, decided without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._wire.message import Answer
from dataflux_core._wire.urls import Place, origin_of, place_of, redirected, shown_url, web_url
from dataflux_core._wire.web import Content, Failure, Redirect, Span, Wanted, get_request, verdict
from dataflux_core.errors import InvalidArgument, ObjectChanged, ServiceRefused, VersionChanged
from tests.fetching.fetchers import crc32c_of

if TYPE_CHECKING:
    from dataflux_core._wire.web import Verdict

URL = "https://host/x?signature=hidden"


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return Answer(status, tuple(f"{line}\r\n".encode("latin-1") for line in lines), body)


def wanted(**more: Any) -> Wanted:
    return Wanted(URL, URL, **more)


def decided(given_answer: Answer, redirects: int = 0, **more: Any) -> Verdict:
    return verdict(wanted(**more), URL, redirects, given_answer)


SPAN = Span(2, 5)
MEANT: dict[str, tuple[dict[str, Any], Answer, Verdict]] = {
    "all of it": ({}, answer(200, b"bytes", ETag='"v"'), Content(b"bytes", 5)),
    "all of it, by a proxy": ({}, answer(203, b"bytes"), Content(b"bytes", 5)),
    "a weak tag is no version": (
        {"span": SPAN},
        answer(206, b"tes", Content_Range="bytes 2-4/5", ETag='W/"v"'),
        Content(b"tes", 5),
    ),
    "nothing, which is all of it": ({"size": 0}, answer(200), Content(b"", 0)),
    "a redirect": ({}, answer(307, Location="/y"), Redirect("https://host/y")),
    "a redirect elsewhere": ({}, answer(302, Location="https://h:81/y#z"), Redirect("https://h:81/y")),
    "a range": ({"span": SPAN}, answer(206, b"tes", Content_Range="bytes 2-4/5"), Content(b"tes", 5)),
    "a range up to the end": (
        {"span": Span(2, 99)},
        answer(206, b"tes", Content_Range="bytes 2-4/5"),
        Content(b"tes", 5),
    ),
    "a range up to the known end, of who knows what": (
        {"span": Span(2, 99), "size": 5},
        answer(206, b"tes", Content_Range="bytes 2-4/*"),
        Content(b"tes"),
    ),
    "a tag that cannot be sent back is no version": (
        {"span": SPAN},
        answer(206, b"tes", Content_Range="bytes 2-4/5", ETag='"caf\xe9"'),
        Content(b"tes", 5),
    ),
    "none of a range behind the end": ({"span": SPAN}, answer(416, Content_Range="bytes */2"), Content(b"", 2)),
    "none of a range behind all, of which nothing is said": ({"span": SPAN}, answer(200, b"by"), Content(b"", 2)),
    "none of nothing": ({"span": Span(0, 5)}, answer(416, b"why", Content_Range="bytes */0"), Content(b"", 0)),
    "as much as may come": ({"max_bytes": 5}, answer(200, b"bytes"), Content(b"bytes", 5)),
    "a range of who knows what": ({"span": SPAN}, answer(206, b"tes", Content_Range="bytes 2-4/*"), Content(b"tes")),
    "a range of what has the known size, whatever it is called": (
        {"span": SPAN, "size": 5},
        answer(206, b"tes", Content_Range="bytes 2-4/5", Content_Encoding="gzip"),
        Content(b"tes", 5),
    ),
    "all of it where a range was asked for": ({"span": SPAN}, answer(200, b"bytes!"), Content(b"tes", 6)),
    "all of the same version": (
        {"span": SPAN, "version": '"v"'},
        answer(200, b"bytes", ETag='"v"'),
        Content(b"tes", 5, '"v"'),
    ),
}


@pytest.mark.parametrize(("more", "given_answer", "meant"), MEANT.values(), ids=MEANT)
def test_what_an_answer_means(more: dict[str, Any], given_answer: Answer, meant: Verdict) -> None:
    assert decided(given_answer, **more) == meant


REFUSED: dict[str, tuple[dict[str, Any], Answer, str]] = {
    "another range": ({"span": SPAN}, answer(206, b"byt", Content_Range="bytes 0-2/5"), "asked for"),
    "a longer range": ({"span": SPAN}, answer(206, b"tes!", Content_Range="bytes 2-5/9"), "asked for"),
    "a shorter range": ({"span": SPAN}, answer(206, b"te", Content_Range="bytes 2-3/9"), "asked for"),
    "fewer bytes than said": ({"span": SPAN}, answer(206, b"te", Content_Range="bytes 2-4/9"), "asked for"),
    "a range without a place": ({"span": SPAN}, answer(206, b"tes"), "asked for"),
    "several ranges": ({"span": SPAN}, answer(206, b"--x", Content_Type="multipart/byteranges"), "asked for"),
    "a range that ends before it begins": ({"span": SPAN}, answer(206, b"", Content_Range="bytes 2-1/5"), "asked for"),
    "a range that ends too early, of who knows what": (
        {"span": SPAN},
        answer(206, b"te", Content_Range="bytes 2-3/*"),
        "asked for; it does not say of how many",
    ),
    "a range that ends before the known end, of who knows what": (
        {"span": Span(2, 99), "size": 6},
        answer(206, b"tes", Content_Range="bytes 2-4/*"),
        "does not say of how many",
    ),
    "a range of what does not end before": ({"span": SPAN}, answer(416, Content_Range="bytes */3"), "416"),
    "a range of what has no size": ({"span": SPAN}, answer(416), "no size given"),
    "a range that nobody has asked for": ({}, answer(416, Content_Range="bytes */0"), "416"),
    "more than may come": ({"max_bytes": 4}, answer(200, b"bytes"), "sends 5 bytes, at most 4 are received"),
    "more than may come for a range": (
        {"span": SPAN, "max_bytes": 4},
        answer(200, b"bytes"),
        "sends 5 bytes, at most 4 are received; it does not know of ranges",
    ),
    "a compressed range": (
        {"span": SPAN},
        answer(206, b"tes", Content_Range="bytes 2-4/5", Content_Encoding="br"),
        "sent as br",
    ),
    "a compressed range of who knows what": (
        {"span": SPAN, "size": 5},
        answer(206, b"tes", Content_Range="bytes 2-4/*", Content_Encoding="gzip"),
        "sent as gzip",
    ),
    "accepted, later perhaps": ({}, answer(202, b""), "not the whole"),
    "a redirect too many": ({"redirects": 5}, answer(302, Location="/y"), "more than 5 times"),
    "a redirect to plain http": ({}, answer(302, Location="http://host/x"), "expected https://"),
    "a redirect with a line break": ({}, answer(302, Location="/x\ty"), "redirected to"),
    "a reason in S3's words": ({}, answer(403, b"<Error><Code>AccessDenied</Code>"), "403: AccessDenied"),
    "a status of nobody's": ({}, answer(599, b"hidden"), "HTTP 599: no reason given"),
}


@pytest.mark.parametrize(("more", "given_answer", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(more: dict[str, Any], given_answer: Answer, said: str) -> None:
    found = decided(given_answer, **more)
    assert isinstance(found, Failure)
    assert isinstance(found.error, ServiceRefused)
    assert said in str(found.error)
    assert "hidden" not in str(found.error)


def test_another_version_is_said_to_be_one() -> None:
    for given_answer in (
        answer(206, b"tes", Content_Range="bytes 2-4/5", ETag='"w"'),
        answer(200, b"bytes", ETag='"w"'),
        answer(200, b"bytes"),
    ):
        found = decided(given_answer, span=SPAN, version='"v"')
        assert isinstance(found, Failure)
        assert isinstance(found.error, VersionChanged)


@pytest.mark.parametrize(
    "given_answer",
    [
        pytest.param(answer(206, b"tes", Content_Range="bytes 2-4/5"), id="with a part"),
        pytest.param(answer(200, b"by"), id="with all of it"),
        pytest.param(answer(416, Content_Range="bytes */1"), id="with nothing"),
    ],
)
def test_another_whole_size_is_said_to_be_one(given_answer: Answer) -> None:
    found = decided(given_answer, span=SPAN, size=6)
    assert isinstance(found, Failure)
    assert isinstance(found.error, ObjectChanged)


def test_an_end_before_what_is_gone_on_with_is_another_version() -> None:
    found = decided(answer(416, Content_Range="bytes */1"), span=SPAN, version='"v"')
    assert isinstance(found, Failure)
    assert isinstance(found.error, VersionChanged)


@pytest.mark.parametrize(("total", "cure"), [("*", "again"), ("9", "none")])
def test_a_range_that_ends_too_early_is_asked_for_again_where_nobody_says_of_how_many(total: str, cure: str) -> None:
    found = decided(answer(206, b"te", Content_Range=f"bytes 2-3/{total}"), span=SPAN)
    assert isinstance(found, Failure)
    assert found.cure == cure


LOCATIONS = {
    "UTF-8 as it is": ("/donn\u00e9es/c".encode(), "https://host/donn%C3%A9es/c"),
    "a host in UTF-8": ("https://b\u00fccher.example/".encode(), "https://xn--bcher-kva.example/"),
    "bytes that are none": (b"/caf\xe9/%C3%A9?\xff", "https://host/caf%E9/%C3%A9?%FF"),
    "percent signs as they are": (b"/donn%C3%A9es/c", "https://host/donn%C3%A9es/c"),
}


@pytest.mark.parametrize(("location", "url"), LOCATIONS.values(), ids=LOCATIONS)
def test_a_redirect_leads_where_its_bytes_say(location: bytes, url: str) -> None:
    found = verdict(wanted(), URL, 0, Answer(302, (b"HTTP/1.1 302\r\n", b"Location: " + location + b"\r\n"), b""))
    assert found == Redirect(url)


@given(st.binary(min_size=1, max_size=30))
def test_any_bytes_of_a_redirect_lead_to_the_web_or_nowhere(location: bytes) -> None:
    line = b"Location: /" + location.replace(b"\n", b"") + b"\r\n"
    found = verdict(wanted(), URL, 0, Answer(302, (b"HTTP/1.1 302\r\n", line), b""))
    assert isinstance(found, Failure) or (isinstance(found, Redirect) and found.url.startswith("https://"))
    assert isinstance(found, Failure) or found.url.isascii()


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(1, 60))
def test_every_range_of_a_good_server_is_understood(content: bytes, start: int, count: int) -> None:
    span = Span(start, start + count)
    part = content[start : span.stop]
    if part:
        said = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        ranged = answer(206, part, Content_Range=said)
        assert decided(ranged, span=span) == Content(part, len(content))
        assert decided(answer(200, content), span=span) == Content(part, len(content))
    else:
        unsatisfied = answer(416, Content_Range=f"bytes */{len(content)}")
        assert decided(unsatisfied, span=span) == Content(b"", len(content))
        assert decided(answer(200, content), span=span) == Content(b"", len(content))


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_only_the_bytes_of_the_index_are_let_through(listed: bytes, sent: bytes) -> None:
    found = decided(answer(200, sent), size=len(listed), crc32c=crc32c_of(listed))
    assert isinstance(found, Content) is (listed == sent)


def test_a_range_is_asked_for_with_the_version_it_must_be_of() -> None:
    request = get_request(wanted(span=SPAN, version='"v"'), URL)
    assert request.headers == ("Accept-Encoding: identity", "Range: bytes=2-4", 'If-Range: "v"')


PLACES = {
    "gs://b/o": Place("gs", "b", "o"),
    "gs://b//o?x#y%20": Place("gs", "b", "/o?x#y%20"),
    "s3://b/a b": Place("s3", "b", "a b"),
    "/a b#c?d": Place("file", "", "/a b#c?d"),
    "file:///a%20b": Place("file", "", "/a b"),
    "HTTP://HOST:80": Place("http", "", "http://host/"),
    "https://host:444/a b?c=d e#f": Place("https", "", "https://host:444/a%20b?c=d%20e"),
    "https://bücher.example/ü%C3%BC%": Place("https", "", "https://xn--bcher-kva.example/%C3%BC%C3%BC%25"),
    "http://[::1]:8/x": Place("http", "", "http://[::1]:8/x"),
    "http://host/./a/../b": Place("http", "", "http://host/./a/../b"),
}


@pytest.mark.parametrize(("url", "place"), PLACES.items(), ids=PLACES)
def test_where_a_url_leads(url: str, place: Place) -> None:
    assert place_of(url) == place


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_a_path_is_sent_as_it_was_meant(path: str) -> None:
    sent = web_url(f"http://host/{quote(path)}")
    assert unquote(urlsplit(sent).path) == f"/{path}"
    assert origin_of(sent) == "http://host"
    assert web_url(sent) == sent


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_an_invalid_argument(text: str) -> None:
    for url in (text, f"http://{text}", f"https://host/{text}", f"file://{text}", f"s3://{text}", f"gs://{text}"):
        try:
            place = place_of(url)
        except InvalidArgument as error:
            assert str(error)  # noqa: PT017 - that it can be written
            continue
        assert place.name


@given(st.text(max_size=60))
def test_a_redirect_leads_to_the_web_or_nowhere(location: str) -> None:
    for location_given in (location, f"//{location}", f"https:{location}", f"/{location}"):
        try:
            target = redirected("https://host/x", location_given)
        except InvalidArgument:
            continue
        assert target.startswith("https://")
        assert "@" not in urlsplit(target).netloc


def test_what_a_url_keeps_secret_is_not_shown() -> None:
    assert shown_url("https://me:secret@host/x?X-Amz-Signature=1#part") == "https://host/x?…"
    assert shown_url("http:me:secret@host") == "host"
    assert shown_url("gs://b/o?x#y") == "gs://b/o?x#y"
    assert shown_url("https://host/\x1b[2J") == "https://host/\\x1b[2J"
