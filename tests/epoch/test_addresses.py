"""Relative URLs begin at the root, else at the index; one that was fetched leads to no file of this machine."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.epoch.addresses import Addresses, NoUrl
from dataflux_core._data.index.places import root_of
from dataflux_core._data.index.sample_index import Home
from dataflux_core.errors import InvalidArgument

HERE = os.getcwd()  # noqa: PTH109 - as it stands in URLs
FETCHED = "gs://far/index"


@pytest.mark.parametrize(
    ("home", "value", "url"),
    [
        pytest.param(Home(), "a.jpg", f"{HERE}/a.jpg", id="of a list of dicts: the working directory"),
        pytest.param(Home("/data"), "x/../a.jpg", "/data/a.jpg", id="of a local index: its directory"),
        pytest.param(Home("/data"), "/b.jpg", "/b.jpg", id="an absolute path of a local index"),
        pytest.param(Home("/data"), "../b.jpg", "/b.jpg", id="a local index may lead anywhere"),
        pytest.param(Home(FETCHED, True), "a.jpg", "gs://far/index/a.jpg", id="of an index in a bucket: its directory"),
        pytest.param(Home(FETCHED, True), "../a.jpg", "gs://far/a.jpg", id="beside that directory"),
        pytest.param(
            Home(FETCHED, True), "x//y#?.jpg", "gs://far/index/x//y#?.jpg", id="names of objects hold anything"
        ),
        pytest.param(Home("gs://far", True), "../../a", "gs://far/a", id="nothing is above a bucket"),
        pytest.param(Home("", False, "gs://b/t"), "a.jpg", "gs://b/t/a.jpg", id="a list of dicts with a root"),
        pytest.param(Home("", False, "/data"), "a.jpg", "/data/a.jpg", id="with a local root"),
        pytest.param(Home("/data", False, "s3://b"), "a.jpg", "s3://b/a.jpg", id="a local index with a root"),
        pytest.param(Home("/data", False, "s3://b/c"), "../a.jpg", "s3://b/a.jpg", id="which it may leave"),
        pytest.param(Home("/data", False, "s3://b"), "/a.jpg", "/a.jpg", id="an absolute path begins nowhere else"),
        pytest.param(Home(FETCHED, True, "/data"), "a/./b", "/data/a/b", id="a fetched index with a local root"),
        pytest.param(Home(FETCHED, True, "gs://b/t"), "a/../b", "gs://b/t/b", id="dots that stay inside"),
        pytest.param(
            Home(FETCHED, True, "https://h/t"),
            "a?next=/../x",
            "https://h/t/a?next=/../x",
            id="dots of a query are none",
        ),
        pytest.param(Home(FETCHED, True, "/data"), "gs://b/a", "gs://b/a", id="an absolute URL begins nowhere else"),
        pytest.param(Home(), "HTTPS://h/A", "https://h/A", id="a scheme in capitals"),
        pytest.param(Home("/data"), "file:/a%20b", "/a b", id="a file URL with one slash"),
        pytest.param(Home("/data"), "FILE:///a", "/a", id="a file URL in capitals"),
    ],
)
def test_what_is_said_stands_for(home: Home, value: str, url: str) -> None:
    assert Addresses(home).of(value) == url


@pytest.mark.parametrize(
    ("home", "value", "said"),
    [
        pytest.param(Home(FETCHED, True), "/etc/passwd", "may not name local files", id="a path"),
        pytest.param(Home(FETCHED, True), "file:///etc/passwd", "may not name local files", id="a file URL"),
        pytest.param(Home(FETCHED, True), "file:/etc/passwd", "may not name local files", id="a shorter one"),
        pytest.param(Home("/data", True), "a.jpg", "may not name local files", id="of a local list of such indexes"),
        pytest.param(Home(FETCHED, True, "/data"), "/data/a", "may not name local files", id="not even below the root"),
        pytest.param(Home(FETCHED, True, "/data"), "../a", "lead out of root=/data", id="above a local root"),
        pytest.param(Home(FETCHED, True, "/data"), "a/../../data/b", "out of root", id="out of it, then into it"),
        pytest.param(Home(FETCHED, True, "gs://b/t"), "../a", "out of root=gs://b/t", id="above a root in a bucket"),
        pytest.param(
            Home(FETCHED, True, "https://h/t"), "%2E%2e/a", "out of root=https://h/t", id="dots as a server reads"
        ),
        pytest.param(Home(FETCHED, True, "https://h/t"), "..%2fa", "out of root", id="a slash as a server reads it"),
        pytest.param(Home(), "ftp://h/a", "expected one of gs://, s3://", id="a scheme that there is not"),
        pytest.param(Home(), "file://other/a", "expected", id="a file of another machine"),
    ],
)
def test_what_leads_elsewhere_is_said(home: Home, value: str, said: str) -> None:
    with pytest.raises(NoUrl) as caught:
        Addresses(home).of(value)
    assert said in str(caught.value)


PATHS = st.lists(st.sampled_from(["a", "b", ".", "..", "", "...", "%2e%2e", "a b"]), min_size=1).map("/".join)


@given(
    PATHS.filter(lambda path: path.strip() and not path.startswith("/")),
    st.sampled_from(["/r/t", "gs://r/t", "https://r/t"]),
)
def test_a_fetched_index_stays_within_the_root(path: str, root: str) -> None:
    try:
        url = Addresses(Home(FETCHED, True, root)).of(path)
    except NoUrl:
        return
    assert url == root or url.startswith(f"{root}/")
    assert ".." not in url.split("/")


@pytest.mark.parametrize(
    ("given_root", "root"),
    [
        pytest.param("gs://b/", "gs://b", id="a bucket"),
        pytest.param("HTTPS://H/a b/", "https://h/a%20b", id="a web server, as it is asked"),
        pytest.param("/", "/", id="all of this machine"),
        pytest.param("a/../b", f"{HERE}/b", id="a relative directory"),
        pytest.param("file:///a%20b", "/a b", id="a file URL"),
    ],
)
def test_a_root_is_absolute(given_root: str, root: str) -> None:
    assert root_of(given_root) == root


@pytest.mark.parametrize("wrong", ["ftp://h", "gs://", "https://me:secret@h/", "https://h/?secret", 3, "a\0"])
def test_what_is_no_root_is_refused_without_a_secret(wrong: object) -> None:
    with pytest.raises(InvalidArgument, match="root=") as caught:
        root_of(wrong)
    assert "secret" not in str(caught.value)
