"""Say what a reader process with its parent tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from dataflux_core import errors
from dataflux_core._plan.prices import Prices
from dataflux_core._plan.retry import RETRIED_STATUSES, RetryPolicy
from dataflux_core._plan.strategy import Optimize, Strategy
from dataflux_core._run.reading.options import OnError, ReadOptions
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import RetryRule
from dataflux_core._run.transport import Endpoint
from dataflux_core._wire.message import Answer

_STATUSES = range(400, 600)


class RuleMessage(msgspec.Struct, frozen=True):
    """A retry rule without its predicate, a function of the parent's: what that says of every failure."""

    policy: RetryPolicy
    statuses: list[int]
    broken_connections: bool
    never: bool


class How(msgspec.Struct, frozen=True):
    """The options of a share."""

    max_composite_bytes: int
    rule: RuleMessage
    strategy: Strategy
    optimize: Optimize
    max_requests: int
    max_held_bytes: int
    on_error: OnError
    decompress: bool
    prices: Prices | None

    def as_options(self) -> ReadOptions:
        return ReadOptions(
            self.max_composite_bytes,
            tabled_rule(self.rule),
            strategy=self.strategy,
            optimize=self.optimize,
            max_requests=self.max_requests,
            max_held_bytes=self.max_held_bytes,
            on_error=self.on_error,
            decompress=self.decompress,
            prices=self.prices,
        )


def how_of(options: ReadOptions, rule: RuleMessage) -> How:
    """Say `options` in a message."""
    return How(
        options.max_composite_bytes,
        rule,
        options.strategy,
        options.optimize,
        options.max_requests,
        options.max_held_bytes or 0,
        options.on_error,
        options.decompress,
        options.prices,
    )


class Share(msgspec.Struct, tag=True, frozen=True):
    """What one process is to read: the first message, from the parent."""

    endpoint: Endpoint
    authorization: str
    bucket: str
    names: list[str]
    sizes: list[int]
    generations: list[int] | None
    checksums: list[str] | None
    encodings: list[str] | None
    how: How


class Token(msgspec.Struct, tag=True, frozen=True):
    """The present value of the Authorization header, asked for by TokenWanted."""

    authorization: str


class TokenWanted(msgspec.Struct, tag=True, frozen=True):
    """Ask the parent, who keeps the credentials, for the header; `stale` is one that was refused."""

    stale: str = ""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """An error of dataflux_core.errors, or the text of another."""

    kind: str
    arguments: list[str | int]

    def as_error(self) -> Exception:
        known = getattr(errors, self.kind, None) if self.kind in errors.__all__ else None
        return known(*self.arguments) if known is not None else RuntimeError(*self.arguments)

    def as_part(self) -> errors.DatafluxError:
        """Return an error that takes the place of its object's bytes; raises one that is none of ours."""
        error = self.as_error()
        if not isinstance(error, errors.DatafluxError):
            raise error
        return error


class GroupsRead(msgspec.Struct, tag=True, frozen=True):
    """Some groups: the bytes of their objects follow this message, back to back."""

    starts: list[int]  # of each group, as a position within the share
    sizes: list[list[int]]  # of each group's objects, in bytes
    errors: dict[int, Failed] = {}  # by position within the share, of objects without bytes


class Finished(msgspec.Struct, tag=True, frozen=True):
    """The last message of a share that was read to its end."""

    stats: DownloadStats


FromReader: TypeAlias = TokenWanted | GroupsRead | Failed | Finished


def failed(error: BaseException) -> Failed:
    if isinstance(error, errors.DatafluxError):
        return Failed(type(error).__name__, list(error.args))
    return Failed("", [f"a reader process failed: {error!r}"])


def rule_message(rule: RetryRule) -> RuleMessage:
    statuses = [status for status in _STATUSES if rule.covers(Answer(status, (), b""))]
    return RuleMessage(rule.policy, statuses, rule.covers(Answer(0, (), b"", "connection broken")), rule.never)


@dataclass(frozen=True, slots=True)
class TabledRule(RetryRule):
    """A rule whose predicate was tabled in another process."""

    statuses: frozenset[int] = RETRIED_STATUSES
    broken_connections: bool = True

    def covers(self, answer: Answer) -> bool:
        return self.broken_connections if answer.failure else answer.status in self.statuses


def tabled_rule(message: RuleMessage) -> TabledRule:
    return TabledRule(
        message.policy,
        never=message.never,
        statuses=frozenset(message.statuses),
        broken_connections=message.broken_connections,
    )
