"""Describe an emulator in values that can travel to its process."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from dataflux_core.emulator._synthetic import Synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._fields import Json

Operation = Literal[
    "list", "get", "read", "insert", "compose", "delete", "rewrite", "patch", "bucket", "folder", "iam", "batch", "any"
]
Kind = Literal[
    "401",
    "408",
    "429",
    "500",
    "502",
    "503",
    "504",
    "reset",
    "lost",
    "truncate",
    "stall",
    "empty_page",
    "checksum",
    "hash_header",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the service takes, in seconds; `jitter` is the share by which each wait varies either way."""

    list_s: float = 0.0
    list_object_s: float = 0.0  # for each object of a page
    list_folder_s: float = 0.0  # for each folder that a page without delimiter walks, hierarchical namespace only
    read_s: float = 0.0
    read_byte_s: float = 0.0  # for each byte sent
    get_s: float = 0.0  # metadata: of an object, a bucket, permissions
    write_s: float = 0.0  # insert, rewrite, patch
    write_byte_s: float = 0.0
    compose_s: float = 0.0
    delete_s: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        wrong = [name for name, value in asdict(self).items() if value < 0]
        if wrong:
            raise ValueError(f"latencies must not be negative: {', '.join(wrong)}")

    @classmethod
    def gcs(cls) -> Latency:
        """Give what a bucket in the same region takes, roughly."""
        return cls(
            list_s=0.06, list_object_s=50e-6, read_s=0.06, get_s=0.03, write_s=0.1, compose_s=0.35, delete_s=0.06
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong from time to time.

    `kind` is a status code to answer with, or: `reset` the connection before anything is done, or after it is done
    (`lost`); `truncate` the body, `stall` in the middle of it, flip a byte of it (`checksum`), send a wrong checksum
    (`hash_header`); list an `empty_page` that is not the last. `times` ends it after so many, `match` is a part of
    the object's name (of the prefix, for a list).
    """

    operation: Operation
    kind: Kind
    probability: float = 1.0
    times: int | None = None
    match: str = ""
    retry_after_s: int = 1  # what a 429 asks for

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"unknown operation {self.operation!r}; there are {', '.join(OPERATIONS)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; there are {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must lie between 0 and 1, it is {self.probability}")


@dataclass(frozen=True, slots=True)
class Memory:
    """A bucket whose objects are held in memory.

    `permissions` are those that callers have, None for all; `resource` is what the bucket says of itself beyond the
    usual, such as `{"softDeletePolicy": {"retentionDurationSeconds": "604800"}}`. It behaves as it says: soft delete,
    versions, a retention policy, a hold on new objects, storage class, folders, one zone, who pays for a listing.
    """

    objects: Mapping[str, bytes] = field(default_factory=dict)
    permissions: frozenset[str] | None = None
    resource: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Directory:
    """A bucket that serves the files below a directory; what is written stays in memory."""

    path: str | Path
    permissions: frozenset[str] | None = None
    resource: Mapping[str, Json] = field(default_factory=dict)


Contents: TypeAlias = Memory | Directory | Synthetic


@dataclass(frozen=True, slots=True)
class Settings:
    """What may change while the emulator runs."""

    latency: Latency = field(default_factory=Latency)
    faults: tuple[Fault, ...] = ()
    max_in_flight: int | None = None
    token: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """What a server process needs to know."""

    buckets: Mapping[str, Contents]
    settings: Settings = field(default_factory=Settings)
    host: str = "127.0.0.1"
    port: int = 0
    max_page: int = 5000
    certfile: str | None = None
    keyfile: str | None = None
    parent: int = 0  # the process whose end ends the server


def contents_to_json(contents: Contents) -> dict[str, Json]:
    """Write the contents of a bucket; bytes become base64."""
    permissions: Json = None if contents.permissions is None else [*sorted(contents.permissions)]
    shared: dict[str, Json] = {"permissions": permissions, "resource": dict(contents.resource)}
    if isinstance(contents, Memory):
        objects: dict[str, Json] = {name: b64encode(value).decode() for name, value in contents.objects.items()}
        return {"kind": "memory", "objects": objects, **shared}
    if isinstance(contents, Directory):
        return {"kind": "directory", "path": str(Path(contents.path).absolute()), **shared}
    size = contents.object_bytes
    return {
        "kind": "synthetic",
        "shape": contents.shape,
        "count": contents.count,
        "object_bytes": size if isinstance(size, int) else [*size],
        "prefix": contents.prefix,
        "storage_class": contents.storage_class,
        **shared,
    }


def contents_from_json(values: dict[str, Any]) -> Contents:
    """Read what `contents_to_json` wrote."""
    values = dict(values)
    kind = values.pop("kind")
    if values["permissions"] is not None:
        values["permissions"] = frozenset(values["permissions"])
    if kind == "memory":
        values["objects"] = {name: b64decode(value) for name, value in values["objects"].items()}
        return Memory(**values)
    if kind == "directory":
        return Directory(**values)
    size = values["object_bytes"]
    values["object_bytes"] = size if isinstance(size, int) else tuple(size)
    return Synthetic(**values)


def settings_to_json(settings: Settings) -> dict[str, Json]:
    """Write settings."""
    return asdict(settings)


def settings_from_json(values: dict[str, Any]) -> Settings:
    """Read what `settings_to_json` wrote."""
    latency = Latency(**values["latency"])
    faults = tuple(Fault(**fault) for fault in values["faults"])
    return Settings(**{**values, "latency": latency, "faults": faults})


def plan_to_json(plan: ServerPlan) -> str:
    """Write a plan on one line."""
    values = {
        "buckets": {name: contents_to_json(contents) for name, contents in plan.buckets.items()},
        "settings": settings_to_json(plan.settings),
        **{name: getattr(plan, name) for name in ("host", "port", "max_page", "certfile", "keyfile", "parent")},
    }
    return json.dumps(values)


def plan_from_json(text: str) -> ServerPlan:
    """Read what `plan_to_json` wrote."""
    values = json.loads(text)
    values["buckets"] = {name: contents_from_json(contents) for name, contents in values["buckets"].items()}
    values["settings"] = settings_from_json(values["settings"])
    return ServerPlan(**values)
