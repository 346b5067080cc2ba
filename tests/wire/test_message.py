from __future__ import annotations

import pytest

from dataflux_core import errors
from dataflux_core._wire.message import Answer, error_message, retry_after_s
from dataflux_core._wire.refusal import bucket_error, object_error


def answer(status: int = 0, body: bytes = b"", head: tuple[bytes, ...] = (), **more: object) -> Answer:
    return Answer(status, head, body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            answer(404, b'{"error":{"message":"No such object"}}'), "No such object", id="the service's words"
        ),
        pytest.param(answer(502, b"<html>Bad"), "<html>Bad", id="whatever a proxy says"),
        pytest.param(answer(500), "no message", id="nothing"),
        pytest.param(answer(500, b'{"error":[1]}'), '{"error":[1]}', id="JSON of another shape"),
        pytest.param(answer(failure="reset by peer"), "reset by peer", id="why a connection broke"),
    ],
)
def test_what_a_failure_says(given: Answer, said: str) -> None:
    assert error_message(given) == said


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        pytest.param((b"Retry-After: 7\r\n",), 7.0, id="seconds"),
        pytest.param((b"retry-after:12\r\n",), 12.0, id="any case"),
        pytest.param((b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n",), 0.0, id="a date, by nobody's clock"),
        pytest.param(
            (b"Date: Wed, 21 Oct 2026 07:27:10 GMT\r\n", b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"),
            50.0,
            id="a date, by the server's clock",
        ),
        pytest.param(
            (b"Date: Wed, 21 Oct 2026 07:28:10 GMT\r\n", b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"),
            0.0,
            id="a date that has passed",
        ),
        pytest.param((b"Date: today\r\n", b"Retry-After: tomorrow\r\n"), 0.0, id="words"),
        *(
            pytest.param((b"Date: Sat, 22 Nov 2026 01:00:00 GMT\r\n", b"Retry-After: " + value), 0.0, id=name)
            for value, name in (
                (b"Sat, 22 Nov 99999999999999999999 01:00:00 GMT\r\n", "a year beyond all numbers"),
                (b"Sat, 22 Nov 2026 01:00:00 +99999999999999999999\r\n", "a zone beyond all numbers"),
            )
        ),
        pytest.param((b"Retry-After: \xb2\r\n",), 0.0, id="digits that are no number"),
        pytest.param((), 0.0, id="none"),
    ],
)
def test_retry_after(head: tuple[bytes, ...], seconds: float) -> None:
    assert retry_after_s(answer(429, b"", head)) == seconds


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(404), errors.BucketNotFound),
        (answer(401), errors.AccessDenied),
        (answer(403), errors.AccessDenied),
        (answer(500), errors.ServiceRefused),
        (answer(failure="stalled"), errors.ConnectionBroken),
        (answer(failure="refused", refused=True), errors.EndpointUnreachable),
    ],
)
def test_what_a_failure_about_a_bucket_means(given: Answer, kind: type[errors.DatafluxError]) -> None:
    assert type(bucket_error(given, bucket="b", endpoint="http://e")) is kind


def test_a_missing_object_is_told_from_a_missing_bucket() -> None:
    missing_bucket = answer(404, b'{"error":{"message":"The specified bucket does not exist."}}')
    missing_object = answer(404, b'{"error":{"message":"No such object: b/n"}}')
    assert type(object_error(missing_bucket, bucket="b", name="n", endpoint="e")) is errors.BucketNotFound
    assert type(object_error(missing_object, bucket="b", name="n", endpoint="e")) is errors.ObjectNotFound
