from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import Directory, Emulator, Fault, Latency, Memory, Synthetic, _app
from dataflux_core.emulator._app import App
from dataflux_core.emulator._behaviour import Behaviour, jittered, wait_s
from dataflux_core.emulator._config import ServerPlan, Settings, plan_from_json, plan_to_json
from dataflux_core.emulator._http import Request, request_to
from dataflux_core.emulator._routes import Route, resolve
from dataflux_core.emulator._socket import corrupted
from tests.emulator.asking import API, Service

LATENCY = Latency(
    list_s=1,
    list_object_s=0.5,
    read_s=2,
    read_byte_s=0.25,
    get_s=3,
    write_s=4,
    write_byte_s=0.125,
    compose_s=5,
    delete_s=6,
)


@pytest.mark.parametrize(
    ("operation", "expected_s"),
    [
        pytest.param("list", 1 + 10 * 0.5, id="a list takes longer with more objects"),
        pytest.param("read", 2 + 8 * 0.25, id="a read takes longer with more bytes"),
        pytest.param("get", 3, id="metadata"),
        pytest.param("bucket", 3, id="bucket metadata"),
        pytest.param("iam", 3, id="permissions"),
        pytest.param("insert", 4 + 8 * 0.125, id="an insert takes longer with more bytes"),
        pytest.param("compose", 5, id="compose"),
        pytest.param("delete", 6, id="delete"),
    ],
)
def test_waits(operation: str, expected_s: float) -> None:
    assert wait_s(LATENCY, operation, objects=10, payload=8) == expected_s
    assert Behaviour(Settings(latency=LATENCY)).wait_s(operation, 10, 8) == expected_s
    assert Behaviour(Settings()).wait_s(operation, 10, 8) == 0


@given(st.floats(0, 100), st.floats(0, 1), st.floats(0, 1))
def test_jitter_varies_a_wait_either_way(seconds: float, jitter: float, roll: float) -> None:
    assert seconds * (1 - jitter) - 1e-9 <= jittered(seconds, jitter, roll) <= seconds * (1 + jitter) + 1e-9


def test_a_list_waits_for_the_objects_it_has() -> None:
    service = Service(Synthetic("sequential", 7))
    app = App(service.store, Settings(latency=LATENCY))
    request = request_to("GET", f"{API}?maxResults=4")
    assert app._outcome(request, resolve(request)).wait_s == 1 + 4 * 0.5


@given(st.integers(0, 9), st.floats(0.01, 0.99))
def test_the_same_seed_gives_the_same_faults(seed: int, probability: float) -> None:
    settings = Settings(faults=(Fault("read", "503", probability),), seed=seed)
    runs = [[Behaviour(settings).fault("read", "a") is None for _ in range(1)] for _ in range(2)]
    first, second = Behaviour(settings), Behaviour(settings)
    assert runs[0] == runs[1]
    assert [first.fault("read", "a") for _ in range(50)] == [second.fault("read", "a") for _ in range(50)]


def test_faults_come_about_as_often_as_told() -> None:
    behaviour = Behaviour(Settings(faults=(Fault("read", "503", 0.1),)))
    hits = sum(behaviour.fault("read", "a") is not None for _ in range(10_000))
    assert 850 < hits < 1150


@pytest.mark.parametrize(
    ("fault", "requests", "hits"),
    [
        pytest.param(Fault("read", "503"), [("read", "a"), ("list", "a")], [True, False], id="of one operation"),
        pytest.param(Fault("any", "503"), [("read", "a"), ("list", "a")], [True, True], id="of any operation"),
        pytest.param(Fault("read", "503", times=1), [("read", "a")] * 3, [True, False, False], id="a number of times"),
        pytest.param(Fault("read", "503", match="b"), [("read", "a"), ("read", "abc")], [False, True], id="by name"),
        pytest.param(Fault("read", "503", 0.0), [("read", "a")] * 5, [False] * 5, id="never"),
    ],
)
def test_which_requests_a_fault_hits(fault: Fault, requests: list[tuple[str, str]], hits: list[bool]) -> None:
    behaviour = Behaviour(Settings(faults=(fault,)))
    assert [behaviour.fault(*request) is not None for request in requests] == hits


def test_an_empty_page_can_be_continued() -> None:
    synthetic = Synthetic("imagenet", 50)
    service = Service(synthetic)
    app = App(service.store, Settings(faults=(Fault("list", "empty_page", times=2),)))
    names: list[str] = []
    sizes: list[int] = []
    token = ""
    while True:
        request = request_to("GET", f"{API}?maxResults=20&pageToken={token}")
        reply = app._outcome(request, resolve(request)).reply
        assert isinstance(reply.body, bytes)
        page = json.loads(reply.body)
        sizes.append(len(page.get("items", [])))
        names += [item["name"] for item in page.get("items", [])]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == synthetic.names()
    assert sizes == [0, 0, 20, 20, 10]


def test_an_error_of_ours_on_the_way_to_a_route_is_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: Request) -> Route:
        raise IndexError(request.raw_path)

    monkeypatch.setattr(_app, "resolve", fail)
    outcome = App(Service().store, Settings()).begin(request_to("GET", API))
    assert (outcome.reply.status, outcome.operation) == (500, "other")


def test_a_flipped_byte_keeps_its_hash_while_a_wrong_hash_keeps_the_bytes() -> None:
    service = Service({"a": b"hello"})
    request = request_to("GET", f"{API}/a?alt=media")
    reply = resolve(request).act(service.store, request, resolve(request).target)
    flipped, lied = corrupted(reply, "checksum"), corrupted(reply, "hash_header")
    assert (flipped.body != reply.body, flipped.headers == reply.headers) == (True, True)
    assert flipped.length == reply.length
    assert (lied.body == reply.body, lied.headers != reply.headers) == (True, True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Fault("reads", "503"), "unknown operation 'reads'", id="operation"),  # type: ignore[arg-type]
        pytest.param(lambda: Fault("read", "burn"), "unknown kind of fault 'burn'", id="kind"),  # type: ignore[arg-type]
        pytest.param(lambda: Fault("read", "503", 1.5), "between 0 and 1, it is 1.5", id="probability"),
        pytest.param(lambda: Emulator(port=80_000), "between 0 and 65535, it is 80000", id="port"),
        pytest.param(lambda: Latency(read_s=-1), "must not be negative: read_s", id="latency"),
    ],
)
def test_a_value_that_makes_no_sense_says_so(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_a_plan_survives_the_way_to_its_process() -> None:
    plan = ServerPlan(
        buckets={
            "m": Memory({"é\0": bytes(range(256))}, permissions=frozenset({"p"}), resource={"versioning": {"a": True}}),
            "d": Directory(str(Path("/a/b"))),
            "s": Synthetic("uuids", 5, object_bytes=(1, 2), prefix="p/", storage_class="NEARLINE"),
        },
        settings=Settings(LATENCY, (Fault("read", "503", 0.5, times=3, match="x"),), 5, "secret", 7),
        port=1,
        certfile="c",
    )
    assert plan_from_json(plan_to_json(plan)) == plan
