"""What an answer says about the load of the service."""

from __future__ import annotations

import pytest

from dataflux_core._wire.message import Answer
from dataflux_core._wire.strain import strain_of


@pytest.mark.parametrize(
    ("answer", "strain"),
    [
        pytest.param(Answer(200, (), b"{}"), "clean", id="what was asked for"),
        pytest.param(Answer(429, (), b""), "refused", id="too many requests"),
        pytest.param(Answer(503, (), b""), "refused", id="unavailable"),
        pytest.param(Answer(500, (b"Retry-After: 3",), b""), "refused", id="anything that says when to come again"),
        pytest.param(Answer(500, (), b""), "lost", id="an internal error"),
        pytest.param(Answer(504, (), b""), "lost", id="a gateway that waited in vain"),
        pytest.param(Answer(0, (), b"", "Connection reset"), "lost", id="a broken connection"),
        pytest.param(Answer(401, (), b""), None, id="a token that is too old says nothing of load"),
        pytest.param(Answer(404, (), b""), None, id="nor does a bucket that is not there"),
    ],
)
def test_strain(answer: Answer, strain: str | None) -> None:
    assert strain_of(answer) == strain
