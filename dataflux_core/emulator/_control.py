"""Let the handle steer a server that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.emulator._behaviour import Behaviour
from dataflux_core.emulator._build import make_bucket
from dataflux_core.emulator._config import contents_from_json, settings_from_json
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, Request, decode_object, error_reply, json_reply
from dataflux_core.emulator._objects import BytesContent, resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core.emulator._app import App

PATH = b"/_emulator/"


def answer(app: App, request: Request) -> Reply:
    """Answer a call of the handle; these are neither counted nor delayed."""
    call = CALLS.get((request.method, request.raw_path.removeprefix(PATH)))
    if call is None:
        return error_reply(ApiError(404, f"The emulator has no call {request.method} {request.raw_path.decode()}."))
    try:
        return call(app, request)
    except ApiError as error:
        return error_reply(error)


def _requests(app: App, request: Request) -> Reply:
    del request
    return json_reply(app.counters.totals())


def _reset(app: App, request: Request) -> Reply:
    del request
    app.counters.reset()
    return Reply(204)


def _settings(app: App, request: Request) -> Reply:
    app.behaviour = Behaviour(settings_from_json(request.json()))
    return Reply(204)


def _bucket(app: App, request: Request) -> Reply:
    name = request.query["bucket"]
    app.store.buckets[name] = make_bucket(app.store, name, contents_from_json(request.json()))
    return Reply(204)


def _object(app: App, request: Request) -> Reply:
    bucket = app.store.bucket(request.query["bucket"])
    wanted = decode_object(request.query.get("resource", "{}").encode())
    content = BytesContent(request.body)
    stored = app.store.write(bucket, request.query["name"], content, len(request.body), wanted)
    return json_reply(resource(bucket.name, stored))


CALLS: dict[tuple[str, bytes], Callable[[App, Request], Reply]] = {
    ("GET", b"requests"): _requests,
    ("DELETE", b"requests"): _reset,
    ("PUT", b"settings"): _settings,
    ("PUT", b"bucket"): _bucket,
    ("PUT", b"object"): _object,
}
