"""What cannot be listed is an error that names it, with the next step."""

from __future__ import annotations

import pickle
import socket
from typing import TYPE_CHECKING

import pytest
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core import errors
from dataflux_core.emulator import Emulator, Fault, Memory, Synthetic
from dataflux_core.fast_list import ListingController

if TYPE_CHECKING:
    from tests.listing.namespaces import Make


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param({"max_parallelism": 0}, "max_parallelism=0", id="no parallelism"),
        pytest.param({"max_parallelism": -3}, "max_parallelism=-3", id="negative parallelism"),
        pytest.param({"max_parallelism": "8"}, "max_parallelism='8'", id="parallelism as text"),
        pytest.param({"max_parallelism": True}, "max_parallelism=True", id="a truth for parallelism"),
        pytest.param({"project": 5}, "project=5", id="a project that is no text"),
        pytest.param({"user_project": 5}, "user_project=5", id="a payer that is no text"),
        pytest.param({"selection": {}}, "selection={}", id="a selection that is none"),
        pytest.param({"allowed_storage_classes": 5}, "allowed_storage_classes=5", id="classes that are no list"),
        pytest.param({"bucket": ""}, "bucket=''", id="no bucket"),
        pytest.param({"bucket": "gs://b"}, "bucket='gs://b'", id="a URL for a bucket"),
        pytest.param({"prefix": 5}, "prefix=5", id="a prefix that is no text"),
        pytest.param({"prefix": "a\ud800"}, "prefix=.*UTF-8", id="a prefix that no name can begin with"),
    ],
)
def test_arguments_that_mean_nothing(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="^" + named.replace("(", "\\(")) as raised:
        ListingController(**{"max_parallelism": 4, "project": "p", "bucket": "b", **arguments})  # type: ignore[arg-type]
    assert isinstance(raised.value, ValueError)


def test_a_field_that_does_not_exist(shared_gcs: Emulator, controller: Make) -> None:
    with pytest.raises(errors.InvalidArgument, match="colour.*generation"):
        controller(shared_gcs, "odd").listing(fields=("colour",))


def test_a_storage_class_given_as_text(shared_gcs: Emulator, controller: Make) -> None:
    with pytest.raises(errors.InvalidArgument, match="a list of classes"):
        controller(shared_gcs, "odd", allowed_storage_classes="STANDARD").run()


@pytest.mark.parametrize("classes", [["standard"], [""]])
def test_storage_classes_that_no_object_has(shared_gcs: Emulator, controller: Make, classes: list[str]) -> None:
    with pytest.raises(errors.InvalidArgument, match="such as 'STANDARD'"):
        controller(shared_gcs, "odd", allowed_storage_classes=classes).run()


def test_fields_given_as_text(shared_gcs: Emulator, controller: Make) -> None:
    with pytest.raises(errors.InvalidArgument, match="fields='crc32c': expected a list"):
        controller(shared_gcs, "odd").listing(fields="crc32c")


def test_a_missing_bucket(shared_gcs: Emulator, controller: Make) -> None:
    with pytest.raises(errors.BucketNotFound, match="gs://nowhere: HTTP 404.*check its name"):
        controller(shared_gcs, "nowhere").run()


def test_a_bucket_that_may_not_be_listed(controller: Make) -> None:
    with (
        Emulator(buckets={"b": Memory({"a": b""}, permissions=frozenset({"storage.objects.get"}))}) as gcs,
        pytest.raises(errors.AccessDenied, match="gs://b: HTTP 403.*ask for the permission"),
    ):
        controller(gcs, "b").run()


def test_an_endpoint_that_refuses_fails_within_seconds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # held to the end, without listening, so that nobody else comes to listen there
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        listing = ListingController(4, "p", "b")
        listing.client = storage.Client(
            project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
        )
        with pytest.raises(
            errors.EndpointUnreachable, match=f"{endpoint}: cannot connect.*STORAGE_EMULATOR_HOST.*retry_config"
        ):
            listing.run()


def test_a_connection_that_breaks_too_often_names_what_decides_how_often(controller: Make) -> None:
    with (
        Emulator(buckets={"b": Memory({"a": b""})}, faults=[Fault("list", "reset")]) as gcs,
        pytest.raises(errors.ConnectionBroken, match="gs://b: .*give a retry_config with a longer timeout"),
    ):
        controller(gcs, "b", retry_config=None).run()


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(errors.CredentialsMissing, match="gcloud auth application-default login"):
        ListingController(4, "p", "b").run()


def test_credentials_that_are_refused(controller: Make) -> None:
    with (
        Emulator(buckets={"b": Memory({"a": b""})}, token="right") as gcs,  # noqa: S106 - a token of the test's own
        pytest.raises(errors.AccessDenied, match="HTTP 401"),
    ):
        controller(gcs, "b").run()


@pytest.mark.parametrize(
    ("retry", "calls"),
    [
        pytest.param(None, 1, id="None never retries"),
        pytest.param(Retry(predicate=lambda _error: False), 1, id="a predicate that says no"),
        pytest.param(Retry(initial=0.01, maximum=0.01, timeout=0.1), None, id="a time limit that runs out"),
    ],
)
def test_retries_end_as_the_caller_says(controller: Make, retry: Retry | None, calls: int | None) -> None:
    with Emulator(buckets={"b": Memory()}, faults=[Fault("list", "503")]) as gcs:
        with pytest.raises(errors.ServiceRefused, match="gs://b: HTTP 503"):
            controller(gcs, "b", retry_config=retry).run()
        made = gcs.requests().counts["list"]
    assert made == calls if calls else made > 1


def test_what_a_predicate_covers_is_retried(controller: Make) -> None:
    only_teapots = Retry(predicate=lambda error: getattr(error, "code", None) == 500, initial=0.01, maximum=0.01)
    with Emulator(buckets={"b": Synthetic("hive", 3)}, faults=[Fault("list", "500", times=2)]) as gcs:
        assert len(controller(gcs, "b", retry_config=only_teapots).run()) == 3


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidArgument("a", "b", "c"),
        errors.ExtraMissing("a", "b"),
        errors.CredentialsMissing("a"),
        errors.EndpointUnreachable("a", "b"),
        errors.ConnectionBroken("a", "b"),
        errors.ServiceRefused("a", 500, "b"),
        errors.BucketNotFound("a"),
        errors.AccessDenied("a", 403, "b"),
        errors.ObjectNotFound("a", "b"),
        errors.ObjectChanged("a", 1, 2),
        errors.ChecksumMismatch("a", "b", "c"),
        errors.ListingInexact("a", "b"),
        errors.UnsafeName("a", "b"),
        errors.FileNotWritten("a", "b", "c"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes_whole(error: errors.DatafluxError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
