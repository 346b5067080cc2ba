"""Translate between the question whether a bucket has folders and buckets.get messages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from dataflux_core._wire.message import Request

if TYPE_CHECKING:
    from dataflux_core._wire.listing import Scope


class _Namespace(msgspec.Struct):
    enabled: bool = False


class _Bucket(msgspec.Struct):
    hierarchicalNamespace: _Namespace | None = None  # noqa: N815 - the service's own spelling


_decoder = msgspec.json.Decoder(_Bucket)


def hierarchy_request(scope: Scope) -> Request:
    """Ask whether the folders of a bucket are more than parts of names.

    Source: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
    """
    payer = f"&userProject={quote(scope.user_project, safe='')}" if scope.user_project else ""
    fields = f"fields=hierarchicalNamespace&prettyPrint=false{payer}"
    return Request("GET", f"/storage/v1/b/{quote(scope.bucket, safe='')}?{fields}")


def read_hierarchy(body: bytes) -> bool:
    """Decode the body of a 200 answer; raises msgspec.DecodeError where it is no such thing."""
    namespace = _decoder.decode(body).hierarchicalNamespace
    return namespace is not None and namespace.enabled
