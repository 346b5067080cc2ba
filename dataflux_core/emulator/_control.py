"""Let the handle steer a server that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dataflux_core.emulator._behaviour import Behaviour
from dataflux_core.emulator._build import make_bucket
from dataflux_core.emulator._config import contents_from_json, settings_from_json
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, Request, decode_object, error_reply, json_reply
from dataflux_core.emulator._objects import BytesContent, resource

if TYPE_CHECKING:
    from dataflux_core.emulator._app import App

PATH = b"/_emulator/"


def answer(app: App, request: Request) -> Reply:
    """Answer a call of the handle; these are neither counted nor delayed."""
    call = request.method, request.raw_path.removeprefix(PATH)
    try:
        if call == ("GET", b"requests"):
            return json_reply({**app.counters.totals(), "pid": os.getpid()})
        if call == ("DELETE", b"requests"):
            app.counters.reset()
            return Reply(204)
        if call == ("PUT", b"settings"):
            app.behaviour = Behaviour(settings_from_json(request.json()))
            return Reply(204)
        if call == ("PUT", b"object"):
            return _put(app, request)
        if call == ("PUT", b"bucket"):
            name = request.query["bucket"]
            app.store.buckets[name] = make_bucket(app.store, name, contents_from_json(request.json()))
            return Reply(204)
    except ApiError as error:
        return error_reply(error)
    return error_reply(ApiError(404, f"The emulator has no call {call}."))


def _put(app: App, request: Request) -> Reply:
    bucket = app.store.bucket(request.query["bucket"])
    wanted = decode_object(request.query.get("resource", "{}").encode())
    content = BytesContent(request.body)
    stored = app.store.write(bucket, request.query["name"], content, len(request.body), wanted)
    return json_reply(resource(bucket.name, stored))
