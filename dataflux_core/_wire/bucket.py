"""Translate between questions about a bucket and buckets.get messages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from dataflux_core._plan.bucket import BucketFacts
from dataflux_core._wire.message import Request
from dataflux_core._wire.objects import read_permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._wire.message import Answer

# All that BucketFacts holds, nothing else: the resource of a bucket can be long.
FACT_FIELDS = (
    "location",
    "locationType",
    "storageClass",
    "softDeletePolicy/retentionDurationSeconds",
    "versioning/enabled",
    "retentionPolicy/retentionPeriod",
    "defaultEventBasedHold",
    "hierarchicalNamespace/enabled",
    "billing/requesterPays",
    "autoclass/enabled",
    "iamConfiguration/uniformBucketLevelAccess/enabled",
)
HIERARCHY_FIELDS = ("hierarchicalNamespace",)


class _Switch(msgspec.Struct):
    enabled: bool = False


class _SoftDelete(msgspec.Struct):
    retentionDurationSeconds: int = 0  # noqa: N815 - the service's own spelling, as all below


class _Retention(msgspec.Struct):
    retentionPeriod: int = 0  # noqa: N815


class _Billing(msgspec.Struct):
    requesterPays: bool = False  # noqa: N815


class _Iam(msgspec.Struct):
    uniformBucketLevelAccess: _Switch | None = None  # noqa: N815


class _Bucket(msgspec.Struct):
    location: str = ""
    locationType: str = "region"  # noqa: N815
    storageClass: str = "STANDARD"  # noqa: N815
    softDeletePolicy: _SoftDelete | None = None  # noqa: N815
    versioning: _Switch | None = None
    retentionPolicy: _Retention | None = None  # noqa: N815
    defaultEventBasedHold: bool = False  # noqa: N815
    hierarchicalNamespace: _Switch | None = None  # noqa: N815
    billing: _Billing | None = None
    autoclass: _Switch | None = None
    iamConfiguration: _Iam | None = None  # noqa: N815


_decoder = msgspec.json.Decoder(_Bucket, strict=False)  # numbers arrive as JSON strings


def bucket_request(bucket: str, fields: Sequence[str] = FACT_FIELDS, *, user_project: str = "") -> Request:
    """Ask for some fields of a bucket; `user_project` pays where callers do.

    It needs the permission storage.buckets.get, which those who may read objects often lack.
    Source: https://cloud.google.com/storage/docs/json_api/v1/buckets/get
    """
    payer = f"&userProject={quote(user_project, safe='')}" if user_project else ""
    query = f"fields={','.join(fields)}&prettyPrint=false{payer}"
    return Request("GET", f"/storage/v1/b/{quote(bucket, safe='')}?{query}")


def read_bucket(body: bytes) -> BucketFacts:
    """Decode the body of a 200 answer; raises msgspec.DecodeError where it is no such thing.

    What is missing was not asked for, or is not switched on.
    """
    found = _decoder.decode(body)
    uniform = None if found.iamConfiguration is None else found.iamConfiguration.uniformBucketLevelAccess
    return BucketFacts(
        location=found.location,
        location_type=found.locationType,
        storage_class=found.storageClass,
        soft_delete_s=0 if found.softDeletePolicy is None else found.softDeletePolicy.retentionDurationSeconds,
        versioning=_is_on(found.versioning),
        retention_s=0 if found.retentionPolicy is None else found.retentionPolicy.retentionPeriod,
        default_event_based_hold=found.defaultEventBasedHold,
        hierarchical=_is_on(found.hierarchicalNamespace),
        requester_pays=found.billing is not None and found.billing.requesterPays,
        autoclass=_is_on(found.autoclass),
        uniform_access=_is_on(uniform),
    )


def facts_of(answer: Answer) -> BucketFacts:
    """Give what the answer to a bucket_request says; assumptions where it was refused or says nothing of the kind."""
    try:
        return read_bucket(answer.body) if answer.ok else BucketFacts.assumed()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return BucketFacts.assumed()


def permissions_of(answer: Answer) -> frozenset[str] | None:
    """Give the permissions that the answer to a permissions_request grants; None where it does not say."""
    try:
        return read_permissions(answer) if answer.ok else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_on(switch: _Switch | None) -> bool:
    return switch is not None and switch.enabled
