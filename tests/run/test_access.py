"""What is taken from a client: endpoint, token, headers, proxies, certificates."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from google.auth import exceptions
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import storage

from dataflux_core import errors
from dataflux_core._run import processes
from dataflux_core._run.access import GoogleAuthorization, access_of, is_plain_client
from dataflux_core.emulator import Emulator, Latency, Synthetic
from dataflux_core.fast_list import ListingController
from dataflux_core.user_agent import add_dataflux_user_agent

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS = 60_000
HOUR = timedelta(hours=1)


class Renewed(Credentials):
    """Credentials whose n-th token is `token-n`, each good for `lifetime`."""

    def __init__(
        self, *, lifetime: timedelta = timedelta(hours=1), on_refresh: Callable[[int], None] | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.refreshes = 0
        self._lifetime = lifetime
        self._on_refresh = on_refresh

    def refresh(self, request: object) -> None:  # noqa: ARG002 - google.auth's interface
        self.refreshes += 1
        self.token = f"token-{self.refreshes}"
        self.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + self._lifetime
        if self._on_refresh is not None:
            self._on_refresh(self.refreshes)


class Broken(Credentials):
    def refresh(self, request: object) -> None:  # noqa: ARG002 - google.auth's interface
        raise exceptions.RefreshError("the account is gone")


def client_with(credentials: Any, endpoint: str = "http://127.0.0.1:1", **options: Any) -> storage.Client:
    return storage.Client(project="p", credentials=credentials, client_options={"api_endpoint": endpoint}, **options)


def test_a_token_is_fetched_once_for_all_threads_and_requests() -> None:
    credentials = Renewed()
    authorization = GoogleAuthorization(credentials)
    threads = [threading.Thread(target=authorization.header) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert authorization.header() == "Bearer token-1"
    assert credentials.refreshes == 1


def test_a_token_is_replaced_before_it_expires() -> None:
    credentials = Renewed()
    authorization = GoogleAuthorization(credentials)
    assert authorization.header() == "Bearer token-1"
    credentials.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=100)
    assert authorization.header() == "Bearer token-2"


def test_a_source_that_gives_short_lived_tokens_is_not_asked_before_every_request() -> None:
    credentials = Renewed(lifetime=timedelta(seconds=100))
    authorization = GoogleAuthorization(credentials)
    assert [authorization.header() for _ in range(5)] == ["Bearer token-1"] * 5


def test_a_token_that_still_holds_is_used_where_no_newer_one_can_be_had() -> None:
    credentials = Broken()  # type: ignore[no-untyped-call]
    credentials.token = "old"  # noqa: S105 - made up
    credentials.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=100)
    assert GoogleAuthorization(credentials).header() == "Bearer old"


def test_a_refused_token_is_replaced_once_however_many_requests_it_was_refused_for() -> None:
    credentials = Renewed()
    authorization = GoogleAuthorization(credentials)
    stale = authorization.header()
    assert [authorization.renew(stale) for _ in range(5)] == [True] * 5
    assert credentials.refreshes == 2


def test_credentials_that_cannot_be_refreshed_are_named() -> None:
    with pytest.raises(errors.CredentialsMissing, match="the account is gone.*gcloud auth"):
        GoogleAuthorization(Broken()).header()  # type: ignore[no-untyped-call]


def test_a_token_that_expires_midway_is_renewed_for_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_cores", lambda: 2)
    with Emulator(
        buckets={"b": Synthetic("uuids", OBJECTS)},
        latency=Latency(list_s=0.02),
        max_page=500,
        token="token-1",  # noqa: S106
    ) as gcs:
        credentials = Renewed(on_refresh=lambda number: gcs.configure(token=f"token-{number}"))
        controller = ListingController(16, "p", "b")
        controller.client = client_with(credentials, gcs.endpoint)
        pages: list[int] = []

        def revoke(event: Any) -> None:
            pages.append(event.lister)
            if len(pages) == 60:
                gcs.configure(token="token-2")  # noqa: S106 - made up

        controller.observer = revoke
        names = [name for name, _ in controller.run()]
    assert names == list(Synthetic("uuids", OBJECTS).names(0, OBJECTS))
    assert set(pages) == {0, 1}
    assert credentials.refreshes == 2
    assert controller.stats.retries_by_cause.keys() == {"401"}


def test_headers_of_the_client_go_with_every_request() -> None:
    client = client_with(Renewed(), extra_headers={"x-team": "vision"})
    add_dataflux_user_agent(client)
    endpoint = access_of(client).endpoint
    assert "x-team: vision" in endpoint.headers
    (agent,) = [header for header in endpoint.headers if header.startswith("User-Agent: ")]
    assert agent.count("dataflux/1.0") == 1
    assert "gcloud-python" in agent


def test_the_quota_project_is_billed() -> None:
    credentials = Renewed()
    credentials._quota_project_id = "billed"
    assert "x-goog-user-project: billed" in access_of(client_with(credentials)).endpoint.headers


def test_proxies_and_certificates_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)  # it would win, as it does with requests
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    client = client_with(Renewed(), "https://storage.example.com")
    client._http.proxies = {"https": "http://127.0.0.1:3128"}
    client._http.verify = "/own/ca.pem"
    endpoint = access_of(client).endpoint
    assert (endpoint.base_url, endpoint.proxy, endpoint.ca_file, endpoint.verify) == (
        "https://storage.example.com",
        "http://127.0.0.1:3128",
        "/own/ca.pem",
        True,
    )


def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.2")
    assert access_of(client_with(Renewed(), "http://127.0.0.1:1")).endpoint.proxy == "http://127.0.0.1:3128"
    assert access_of(client_with(Renewed(), "http://127.0.0.2:1")).endpoint.proxy == ""
    trusting_nothing = client_with(Renewed(), "http://127.0.0.1:1")
    trusting_nothing._http.trust_env = False
    assert access_of(trusting_nothing).endpoint.proxy == ""


def test_certificates_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/env/ca.pem")
    assert access_of(client_with(Renewed())).endpoint.ca_file == "/env/ca.pem"


def test_no_token_without_credentials() -> None:
    assert access_of(client_with(AnonymousCredentials())).authorization.header() == ""


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("http://127.0.0.1:notaport", id="a port that is no number"),
        pytest.param("http://127.0.0.1:99999", id="a port beyond the last"),
        pytest.param("bogus://", id="a scheme that nobody knows"),
        pytest.param("ftp://127.0.0.1:9100", id="another protocol"),
        pytest.param("http://", id="no host"),
        pytest.param("http://[::1", id="an open bracket"),
    ],
)
def test_an_address_to_which_no_request_can_go_is_refused_at_once(endpoint: str) -> None:
    controller = ListingController(4, "p", "b")
    controller.client = client_with(AnonymousCredentials(), endpoint)
    with pytest.raises(errors.InvalidArgument, match="api_endpoint=.*http:// or https://.*STORAGE_EMULATOR_HOST"):
        controller.run()


class Own(storage.Client):  # type: ignore[misc] # google-cloud-storage ships no types
    """A client of a user's own."""


@pytest.mark.parametrize(
    ("client", "plain"),
    [
        pytest.param(client_with(Renewed()), True, id="a client"),
        pytest.param(client_with(Renewed(), _http=object()), False, id="a client with a transport of its own"),
        pytest.param(
            Own(project="p", credentials=AnonymousCredentials()), False, id="a subclass, which may do anything"
        ),
        pytest.param(object(), False, id="a fake"),
    ],
)
def test_whose_requests_we_may_send_ourselves(client: object, plain: bool) -> None:
    assert is_plain_client(client) is plain
