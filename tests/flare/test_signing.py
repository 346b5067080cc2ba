"""Signed URLs come of a service account's key, or of Google's own service where only that has the key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from dataflux_core._run.signed_urls import signer
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import InvalidArgument, SigningUnavailable
from dataflux_core.flare import Playlist
from tests.cli.terminal import dataflux
from tests.flare.signing import EMAIL, Iam, client_with, iam_on_loopback, key, signing_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR = timedelta(hours=1)
NAMES = [f"a é/{number}.jpg" for number in range(40)]


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(buckets={"b": Memory({name: name.encode() for name in NAMES})}) as running:
        yield running


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    with iam_on_loopback(monkeypatch) as running:
        yield running


def of_a_user() -> Any:
    """What `gcloud auth application-default login` leaves."""
    from google.oauth2.credentials import Credentials  # noqa: PLC0415 - slow import

    return Credentials("token", expiry=datetime.max)  # noqa: DTZ901 - google-auth's times have no zone


def of_a_machine() -> Any:
    from google.auth.compute_engine import Credentials  # noqa: PLC0415 - slow import

    return Credentials()


def of_an_impersonator() -> Any:
    """What it leaves with --impersonate-service-account."""
    from google.auth.impersonated_credentials import Credentials  # noqa: PLC0415 - slow import

    return Credentials(of_a_user(), EMAIL, ["https://www.googleapis.com/auth/devstorage.read_only"])


def of_a_federation() -> Any:
    """Make credentials of another kind that stand for a service account, as those of workload identity federation."""
    from google.auth.credentials import Credentials, Scoped  # noqa: PLC0415 - slow import

    class Federated(Scoped, Credentials):
        service_account_email = EMAIL
        requires_scopes = False

        def refresh(self, request: Any) -> None:
            del request
            self.token, self.expiry = "of-the-federation", datetime.max  # noqa: DTZ901 - as above

        def with_scopes(self, scopes: Any, default_scopes: Any = None) -> Any:
            del default_scopes
            assert scopes == ["https://www.googleapis.com/auth/cloud-platform"]
            return of_a_federation()

    made: Any = Federated
    return made()


@pytest.mark.parametrize(
    ("made", "token"),
    [
        pytest.param(of_a_machine, "Bearer of-the-machine", id="a machine of Google's asks with its own account"),
        pytest.param(of_an_impersonator, "Bearer token", id="a user asks who may act as an account"),
        pytest.param(of_a_federation, "Bearer of-the-federation", id="a workload elsewhere asks as its account"),
    ],
)
def test_without_the_key_google_signs(gcs: Emulator, iam: Iam, made: Callable[[], Any], token: str) -> None:
    sign = signer(client_with(gcs, made()), "b", HOUR)
    assert sign.is_remote
    url = sign(NAMES[0])
    assert iam.asked == [(EMAIL, token)]
    said = parse_qs(urlsplit(url).query)
    assert said["X-Goog-Credential"][0].startswith(f"{EMAIL}/")
    assert len(bytes.fromhex(said["X-Goog-Signature"][0])) == 256
    with urlopen(url, timeout=60) as answer:  # noqa: S310 - the emulator's
        assert answer.read() == NAMES[0].encode()


def test_many_are_signed_at_once_and_stay_in_order(gcs: Emulator, iam: Iam) -> None:
    sign = signer(client_with(gcs, of_a_machine()), "b", HOUR)
    seen: list[int] = []
    urls = sign.many(NAMES, seen.append)
    assert [urlsplit(url).path.rpartition("/")[2] for url in urls] == [name.rpartition("/")[2] for name in NAMES]
    assert (seen, len(iam.asked)) == (list(range(1, 41)), 40)


def test_the_key_signs_without_a_request(gcs: Emulator, iam: Iam) -> None:
    sign = signer(signing_client(gcs), "b", timedelta(days=7))
    assert not sign.is_remote
    assert len(sign.many(NAMES)) == len(NAMES)
    assert iam.asked == []


def test_the_signature_is_that_of_the_key(gcs: Emulator) -> None:
    """Build what is signed from the URL alone, as the service does.

    Source: https://cloud.google.com/storage/docs/authentication/canonical-requests
    """
    url = signer(signing_client(gcs), "b", HOUR)(NAMES[0])
    parts = urlsplit(url)
    query, _, signed = parts.query.partition("&X-Goog-Signature=")
    request = "\n".join(["GET", parts.path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    digest = hashes.Hash(hashes.SHA256())
    digest.update(request.encode())
    said = parse_qs(query)
    scope = said["X-Goog-Credential"][0].partition("/")[2]
    text = "\n".join(["GOOG4-RSA-SHA256", said["X-Goog-Date"][0], scope, digest.finalize().hex()])
    key().public_key().verify(bytes.fromhex(signed), text.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_refusal_says_who_was_to_sign_and_what_it_takes(gcs: Emulator, iam: Iam) -> None:
    iam.status = 403
    for made in (of_a_machine, of_an_impersonator):
        with pytest.raises(SigningUnavailable) as raised:
            signer(client_with(gcs, made()), "b", HOUR).many(NAMES)
        for part in (f"for {EMAIL}: ", "signBlob' denied", "roles/iam.serviceAccountTokenCreator"):
            assert part in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("made", [of_a_machine, of_an_impersonator])
def test_a_connection_that_breaks_is_made_again(gcs: Emulator, iam: Iam, made: Callable[[], Any]) -> None:
    sign = signer(client_with(gcs, made()), "b", HOUR)
    iam.breaks = 3
    assert sign(NAMES[0]).startswith(gcs.endpoint)
    iam.breaks = 4
    with pytest.raises(SigningUnavailable, match="Remote end closed connection"):
        sign(NAMES[0])


def test_a_user_alone_cannot_sign(gcs: Emulator) -> None:
    with pytest.raises(SigningUnavailable, match="--impersonate-service-account=EMAIL"):
        signer(client_with(gcs, of_a_user()), "b", HOUR)


def test_a_key_that_google_keeps_signs_for_half_a_day(gcs: Emulator, iam: Iam) -> None:
    client = client_with(gcs, of_an_impersonator())
    with pytest.raises(InvalidArgument, match="at most 12 hours where Google keeps the key"):
        signer(client, "b", timedelta(hours=13))
    assert signer(client, "b", timedelta(hours=12))(NAMES[0])
    assert len(iam.asked) == 1


@pytest.fixture
def _machine(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
    monkeypatch.setattr("dataflux_core._cli.service.new_client", lambda _: client_with(gcs, of_a_machine()))


@pytest.mark.usefixtures("_machine")
def test_a_playlist_of_a_bucket_and_of_its_index(iam: Iam, tmp_path: Path) -> None:
    index = str(tmp_path / "i.csv")
    rows = "".join(f"gs://b/{name},x\n" for name in NAMES)
    (tmp_path / "i.csv").write_text(f"url,label\n{rows}")
    for source in ("gs://b", index):
        iam.asked.clear()
        path = str(tmp_path / "p.yaml")
        ran = dataflux("playlist", "create", source, "--signed-for", "2h", "-o", path)
        assert (ran.returncode, len(iam.asked)) == (0, len(NAMES)), ran.stderr
        (stream,) = Playlist.load(path).values()
        assert sorted(stream) == sorted(name.encode() for name in NAMES)


@pytest.mark.usefixtures("_machine", "iam")
def test_a_lifetime_that_cannot_be_had_is_wrong_usage() -> None:
    ran = dataflux("playlist", "create", "gs://b", "--signed-for", "1d")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Invalid value for '--signed-for': 1 day, 0:00:00: expected at most 12 hours" in " ".join(ran.stderr.split())
