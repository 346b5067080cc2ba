"""List generations of objects, a name more than once where it has several."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._json_list import line_of, list_plan, page_reply, read_query, read_token, write_token
from dataflux_core.emulator._listing import Query, bounds, glob_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core.emulator._bucket import Bucket
    from dataflux_core.emulator._http import Reply, Request
    from dataflux_core.emulator._objects import StoredObject


@dataclass(slots=True)
class _Page:
    """The generations of a page; `resume` is the name and the generation at which the next one starts."""

    found: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    resume: tuple[str, int] | None = None

    def __len__(self) -> int:
        return len(self.found) + len(self.prefixes)


def list_generations(bucket: Bucket, request: Request, max_page: int) -> Reply:
    """Answer objects.list with versions=true or softDeleted=true."""
    if request.flag("versions") and request.flag("softDeleted"):
        raise ApiError(400, "softDeleted and versions cannot both be true.", "invalidParameter")
    plan = list_plan(request.query.get("fields", ""))
    name, _, generation = _read_resume(request)
    query = replace(read_query(request, max_page), start=max(request.query.get("startOffset", ""), name))
    page = _page(bucket, query, int(generation or 0), soft=request.flag("softDeleted"))
    token = b"" if page.resume is None else write_token("{}\n{}".format(*page.resume))
    lines = [line_of(bucket.name, plan, stored, request.origin) for stored in page.found]
    return page_reply(plan, token, page.prefixes, (b",".join(lines), len(lines)))


def _read_resume(request: Request) -> tuple[str, str, str]:
    token = request.query.get("pageToken")
    if not token:
        return "", "", ""
    name, separator, generation = read_token(token).partition("\n")  # no name holds one
    if not generation.isdecimal():
        raise ApiError(400, f"Invalid page token {token}", "invalidParameter")
    return name, separator, generation


def _page(bucket: Bucket, query: Query, first_generation: int, *, soft: bool) -> _Page:
    """Choose the next page; its first name is listed from a generation on."""
    page = _Page()
    matches = glob_pattern(query.glob).fullmatch if query.glob else None
    for name in _names(bucket, query, soft=soft):
        if matches is not None and not matches(name):
            continue
        folder = _folder(name, query)
        if folder:
            if folder in page.prefixes[-1:]:
                continue
            if len(page) >= query.limit:
                page.resume = (folder, 0)
                return page
            page.prefixes.append(folder)
            continue
        for stored in bucket.generations(name, soft=soft):
            if name == query.start and stored.generation < first_generation:
                continue
            if len(page) >= query.limit:
                page.resume = (name, stored.generation)
                return page
            page.found.append(stored)
    return page


def _names(bucket: Bucket, query: Query, *, soft: bool) -> Iterator[str]:
    at, end = bounds(query)
    while end is None or at < end:
        names = bucket.take_generations(at, end, query.limit + 1, soft=soft)
        yield from names
        if len(names) <= query.limit:
            return
        at = names[-1] + "\0"


def _folder(name: str, query: Query) -> str:
    """Give what a name is folded into, "" where it stands for itself."""
    cut = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
    return name[: cut + len(query.delimiter)] if cut >= 0 else ""
