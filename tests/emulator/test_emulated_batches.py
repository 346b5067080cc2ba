from __future__ import annotations

import re

import pytest

from dataflux_core.emulator._app import App
from dataflux_core.emulator._batch import join_batch, split_batch
from dataflux_core.emulator._config import Fault, Latency, Settings
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, request_to
from dataflux_core.emulator._store import Target
from tests.emulator.asking import Service, path

BOUNDARY = "===frontier=="


def batch_of(*calls: str, body: str = "") -> tuple[dict[bytes, bytes], bytes]:
    parts = [
        f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <id+{at}>\r\n\r\n"
        f"{call} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        for at, call in enumerate(calls)
    ]
    headers = {b"content-type": f'multipart/mixed; boundary="{BOUNDARY}"'.encode()}
    return headers, ("".join(parts) + f"--{BOUNDARY}--").encode()


def send(app: App, *calls: str, body: str = "") -> tuple[Reply, list[int]]:
    headers, text = batch_of(*calls, body=body)
    reply = app._batch(app.store, request_to("POST", "/batch/storage/v1", headers, text), Target())
    assert isinstance(reply.body, bytes)
    return reply, [int(status) for status in re.findall(rb"\r\nHTTP/1.1 (\d+)", reply.body)]


def test_each_call_has_its_own_answer_in_order() -> None:
    service = Service({"a": b"x", "b//c": b"y", "c": b"z"})
    app = App(service.store, Settings())
    calls = [f"DELETE {path('a')}", f"DELETE {path('none')}", f"DELETE http://here{path('b//c')}", f"GET {path('c')}"]
    reply, statuses = send(app, *calls)
    assert statuses == [204, 404, 204, 200]
    assert service.names() == ["c"]
    assert isinstance(reply.body, bytes)
    assert re.findall(rb"Content-ID: <response-id\+(\d)>", reply.body) == [b"0", b"1", b"2", b"3"]
    assert app.counters.totals()["counts"] == {"delete": 3, "get": 1}


def test_a_call_may_have_a_body() -> None:
    service = Service({"a": b"x"})
    _, statuses = send(App(service.store, Settings()), f"PATCH {path('a')}", body='{"metadata": {"k": "v"}}')
    assert statuses == [200]
    assert service.get("a").json["metadata"] == {"k": "v"}


def test_calls_fail_alone_but_wait_together() -> None:
    settings = Settings(latency=Latency(delete_s=2.0), faults=(Fault("delete", "503", times=1),))
    service = Service({"a": b"x", "b": b"y"})
    reply, statuses = send(App(service.store, settings), f"DELETE {path('a')}", f"DELETE {path('b')}")
    assert statuses == [503, 204]
    assert service.names() == ["a"]
    assert reply.wait_s == 2.0


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([], id="no call"),
        pytest.param([f"DELETE {path('a')}"] * 101, id="101 calls"),
        pytest.param([f"GET {path('a')}?alt=media"], id="a download"),
        pytest.param([f"POST /upload{path('a')}"], id="an upload"),
        pytest.param(["nonsense"], id="no request"),
    ],
)
def test_a_batch_that_the_service_would_refuse(calls: list[str]) -> None:
    headers, text = batch_of(*calls)
    with pytest.raises(ApiError, match="400"):
        split_batch(request_to("POST", "/batch", headers, text))


def test_a_batch_needs_a_boundary() -> None:
    with pytest.raises(ApiError, match="boundary"):
        split_batch(request_to("POST", "/batch", {}, b""))


def test_an_answer_without_an_identifier_has_none() -> None:
    body = join_batch([(b"", Reply(204))]).body
    assert isinstance(body, bytes)
    assert b"Content-ID" not in body
