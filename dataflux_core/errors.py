"""Name what went wrong, with which object, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal

__all__ = [
    "AccessDenied",
    "BadSample",
    "BucketNotFound",
    "CacheUnusable",
    "ChecksumMismatch",
    "ChunkUnavailable",
    "ChunkWrong",
    "ConnectionBroken",
    "CredentialsMissing",
    "DatafluxError",
    "EndpointUnreachable",
    "ExtraMissing",
    "FileNotRead",
    "FileNotWritten",
    "IndexUnusable",
    "InvalidArgument",
    "ListingInexact",
    "NotDecompressed",
    "ObjectChanged",
    "ObjectNotFound",
    "PlaylistInvalid",
    "PlaylistProblem",
    "RecordsUnusable",
    "ResumeFileUnusable",
    "S3CredentialsMissing",
    "ServiceRefused",
    "SigningUnavailable",
    "StageStuck",
    "StateMismatch",
    "TooManyBadSamples",
    "UnsafeName",
    "VersionChanged",
]


class DatafluxError(Exception):
    """The root of every error that this package raises on purpose."""


class InvalidArgument(DatafluxError, ValueError):
    """A caller's argument cannot mean anything."""

    def __init__(self, argument: str, value: str, expected: str) -> None:
        super().__init__(argument, value, expected)
        self.argument, self.value, self.expected = argument, value, expected

    def __str__(self) -> str:
        return f"{self.argument}={self.value}: expected {self.expected}"


class ExtraMissing(DatafluxError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)
        self.feature, self.extra = feature, extra

    def __str__(self) -> str:
        return f"an extra is needed for {self.feature}: pip install 'dataflux_core[{self.extra}]'"


class CredentialsMissing(DatafluxError):
    """No Google credentials were found or they could not be refreshed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"no usable Google credentials ({self.reason}); run `gcloud auth application-default login`, set "
            "GOOGLE_APPLICATION_CREDENTIALS, or give a client made with credentials; for an emulator set "
            "STORAGE_EMULATOR_HOST"
        )


class S3CredentialsMissing(CredentialsMissing):
    """No credentials for S3 were found or the service refused them."""

    def __str__(self) -> str:
        return (
            f"no usable S3 credentials ({self.reason}); set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where they "
            "are temporary, AWS_SESSION_TOKEN; for a public bucket set AWS_SKIP_SIGNATURE=true"
        )


class SigningUnavailable(CredentialsMissing):
    """The credentials cannot sign URLs, or the service that signs for them refuses to."""

    def __str__(self) -> str:
        return (
            f"no credentials that can sign URLs ({self.reason}); set GOOGLE_APPLICATION_CREDENTIALS to the key of a "
            "service account, or run `gcloud auth application-default login --impersonate-service-account=EMAIL` with "
            "the role roles/iam.serviceAccountTokenCreator on that account, in a project with the IAM Credentials API"
        )


_OF_STORAGE = (
    "check the network, the proxy variables and STORAGE_EMULATOR_HOST; where it answers from time to time, give a "
    "retry_config with a longer timeout"
)


class EndpointUnreachable(DatafluxError, ConnectionError):
    """The service cannot be connected to at all."""

    def __init__(self, endpoint: str, reason: str, advice: str = _OF_STORAGE) -> None:
        super().__init__(endpoint, reason, advice)
        self.endpoint, self.reason, self.advice = endpoint, reason, advice

    def __str__(self) -> str:
        return f"{self.endpoint}: cannot connect ({self.reason}); {self.advice}"


class ConnectionBroken(DatafluxError, ConnectionError):
    """A connection failed in the middle of a request."""

    def __init__(self, subject: str, reason: str, advice: str = "") -> None:
        super().__init__(subject, reason, advice)
        self.subject, self.reason, self.advice = subject, reason, advice

    def __str__(self) -> str:
        of_storage = "try again, or give a retry_config with a longer timeout"
        advice = self.advice or (of_storage if self.subject.startswith("gs://") else "try again later")
        return f"{self.subject}: {self.reason}; retries were used up: {advice}"


class ServiceRefused(DatafluxError):
    """The service answered with an error that retrying did not cure."""

    def __init__(self, subject: str, status: int, message: str) -> None:
        super().__init__(subject, status, message)
        self.subject, self.status, self.message = subject, status, message

    def __str__(self) -> str:
        return f"{self.subject}: HTTP {self.status}: {self.message}"


class BucketNotFound(ServiceRefused):
    """There is no such bucket for these credentials."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"gs://{bucket}", 404, "the bucket does not exist; check its name and the project")
        self.args = (bucket,)
        self.bucket = bucket


class AccessDenied(ServiceRefused):
    """The credentials lack a permission."""

    def __init__(self, subject: str, status: int, message: str) -> None:
        super().__init__(subject, status, message)

    def __str__(self) -> str:
        return f"{super().__str__()}; ask for the permission, or use other credentials"


class ObjectNotFound(DatafluxError):
    """An object that was to be read does not exist."""

    def __init__(self, bucket: str, name: str) -> None:
        super().__init__(bucket, name)
        self.bucket, self.name = bucket, name

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.name}: no such object; if it was listed it has been deleted, so list again"


class ObjectChanged(DatafluxError):
    """An object's bytes disagree with its listing: in their number, their crc32c, or the generation they are of."""

    def __init__(self, name: str, listed: int, read: int, quantity: str = "size") -> None:
        super().__init__(name, listed, read, quantity)
        self.name, self.listed, self.read, self.quantity = name, listed, read, quantity

    def __str__(self) -> str:
        listed, read = f"{self.listed} bytes", f"{self.read} bytes"
        if self.quantity == "crc32c":
            listed, read = f"crc32c {self.listed:08x}", f"crc32c {self.read:08x}"
        elif self.quantity == "generation":
            listed, read = f"generation {self.listed}", f"generation {self.read}"
        return f"{self.name}: listed {listed}, found {read}; it changed, so list again"


class ChecksumMismatch(DatafluxError):
    """The bytes received do not have the checksum that the service gives."""

    def __init__(self, name: str, expected: str, received: str) -> None:
        super().__init__(name, expected, received)
        self.name, self.expected, self.received = name, expected, received

    def __str__(self) -> str:
        return (
            f"{self.name}: crc32c {self.received} received, {self.expected} expected, on every try; check the network"
        )


class NotDecompressed(DatafluxError):
    """An object that says it is stored as gzip holds something else."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name}: not decompressed: {self.reason}; read it without decompress=True to get its stored bytes"


class VersionChanged(DatafluxError):
    """What a URL names is no longer what it was when its first range was read."""

    def __init__(self, subject: str, expected: str, found: str) -> None:
        super().__init__(subject, expected, found)
        self.subject, self.expected, self.found = subject, expected, found

    def __str__(self) -> str:
        return (
            f"{self.subject}: was version {self.expected}, is {self.found or 'another'} now; read all its ranges again"
        )


class FileNotRead(DatafluxError):
    """A local file that was to be read cannot be."""

    def __init__(
        self, path: str, reason: str, advice: str = "correct the path in the index or the file's permissions"
    ) -> None:
        super().__init__(path, reason, advice)
        self.path, self.reason, self.advice = path, reason, advice

    def __str__(self) -> str:
        return f"{self.path}: cannot be read: {self.reason}; {self.advice}"


class ListingInexact(DatafluxError):
    """A listing cannot be shown to be complete."""

    def __init__(self, bucket: str, reason: str) -> None:
        super().__init__(bucket, reason)
        self.bucket, self.reason = bucket, reason

    def __str__(self) -> str:
        return f"gs://{self.bucket}: the listing would not be exact: {self.reason}; nothing is returned, list again"


class ResumeFileUnusable(DatafluxError):
    """A listing cannot go on from the file that it was given."""

    def __init__(self, path: str, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path, self.problem, self.advice = path, problem, advice

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.advice}"


class UnsafeName(DatafluxError):
    """An object name cannot become a path of its own below the target directory."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name!r}: {self.reason}"


class FileNotWritten(DatafluxError):
    """An object's bytes cannot be put where its name says."""

    def __init__(self, name: str, path: str, reason: str, advice: str = "the files that are there are whole") -> None:
        super().__init__(name, path, reason, advice)
        self.name, self.path, self.reason, self.advice = name, path, reason, advice

    def __str__(self) -> str:
        return f"{self.name}: cannot write {self.path}: {self.reason}; {self.advice}"


class IndexUnusable(DatafluxError):
    """No samples can be had from an index: names the source, the row and the column where there is one."""

    def __init__(self, source: str, problem: str, advice: str) -> None:
        super().__init__(source, problem, advice)
        self.source, self.problem, self.advice = source, problem, advice

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}; {self.advice}"


class BadSample(DatafluxError):
    """One sample cannot be made of what its row names; the error behind it is its cause."""

    def __init__(self, row: int, sample_id: str, column: str, reason: str) -> None:
        super().__init__(row, sample_id, column, reason)
        self.row, self.sample_id, self.column, self.reason = row, sample_id, column, reason

    def __str__(self) -> str:
        where = f"row {self.row} (id {self.sample_id!r})" + (f", column {self.column!r}" if self.column else "")
        return f"{where}: {self.reason}; mend it; on_bad_sample= says what becomes of such rows in a loop"


class TooManyBadSamples(DatafluxError):
    """More samples were bad than `on_bad_sample` may pass over; the last one is the cause."""

    def __init__(self, bad: int, limit: int, kind: str) -> None:
        super().__init__(bad, limit, kind)
        self.bad, self.limit, self.kind = bad, limit, kind

    def __str__(self) -> str:
        return f"{self.bad} bad samples {self.kind}, {self.limit} are allowed; mend the data or raise the limit"


class StateMismatch(DatafluxError):
    """A state cannot be gone on from with this dataset."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem, advice)
        self.problem, self.advice = problem, advice

    def __str__(self) -> str:
        return f"the state does not fit: {self.problem}; {self.advice}"


class CacheUnusable(DatafluxError):
    """A directory cannot serve as the cache of this version; nothing in it was touched."""

    def __init__(self, path: str, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path, self.problem, self.advice = path, problem, advice

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.advice}"


class StageStuck(DatafluxError, TimeoutError):
    """A stage of a dataset has given nothing for longer than it may take."""

    def __init__(self, stage: str, waited_s: float, advice: str) -> None:
        super().__init__(stage, waited_s, advice)
        self.stage, self.waited_s, self.advice = stage, waited_s, advice

    def __str__(self) -> str:
        return f"{self.stage} has given nothing for {self.waited_s:.0f} s; {self.advice}"


@dataclass(frozen=True, slots=True)
class PlaylistProblem:
    """One thing that is wrong with a playlist: an error breaks a MUST of the format, a warning a SHOULD."""

    severity: Literal["error", "warning"]
    line: int  # from 1; 0 where the playlist was not read from a text
    column: int  # from 1, in characters; 0 likewise
    path: str  # such as images.content[3]; "": the whole
    message: str
    advice: str

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: " if self.line else ""
        what = f"{self.path}: " if self.path else ""
        return f"{where}{self.severity}: {what}{self.message}; {self.advice}"


class PlaylistInvalid(DatafluxError):
    """A playlist breaks a MUST of its format; `problems` has all that was found, warnings included."""

    def __init__(self, source: str, problems: tuple[PlaylistProblem, ...]) -> None:
        super().__init__(source, problems)
        self.source, self.problems = source, problems

    def __str__(self) -> str:
        errors = [problem for problem in self.problems if problem.severity == "error"]
        more = f" (and {len(errors) - 1} more, see problems)" if len(errors) > 1 else ""
        return f"{self.source}: {errors[0]}{more}" if errors else f"{self.source}: no valid playlist"


class ChunkWrong(DatafluxError):
    """A host sends another chunk than the playlist describes."""

    def __init__(self, subject: str, quantity: str, said: str, found: str) -> None:
        super().__init__(subject, quantity, said, found)
        self.subject, self.quantity, self.said, self.found = subject, quantity, said, found

    def __str__(self) -> str:
        said = f"{self.quantity} {self.found}, the playlist says {self.said}"
        return f"{self.subject}: {said}; the chunk or the playlist is out of date"


class ChunkUnavailable(DatafluxError):
    """No host gives a chunk of a playlist; `errors` has what each of them answered."""

    def __init__(self, chunk: str, errors: tuple[DatafluxError, ...], advice: str) -> None:
        super().__init__(chunk, errors, advice)
        self.chunk, self.errors, self.advice = chunk, errors, advice

    @property
    def statuses(self) -> frozenset[int]:
        """The HTTP statuses among the answers."""
        return frozenset(error.status for error in self.errors if isinstance(error, ServiceRefused))

    def __str__(self) -> str:
        answers = f": {'; '.join(map(_answer_of, self.errors))}" if self.errors else ""  # none where no host was asked
        return f"{self.chunk} cannot be had{answers}; {self.advice}"


def _answer_of(error: DatafluxError) -> str:
    """Say what one of several hosts answered: the advice is one for all of them."""
    if isinstance(error, EndpointUnreachable):
        return f"{error.endpoint}: cannot connect ({error.reason})"
    if isinstance(error, ConnectionBroken):
        return f"{error.subject}: {error.reason}"
    return ServiceRefused.__str__(error) if isinstance(error, ServiceRefused) else str(error)


class RecordsUnusable(DatafluxError):
    """A chunk's bytes, or what the playlist says of them, do not give records."""

    def __init__(self, chunk: str, problem: str, advice: str) -> None:
        super().__init__(chunk, problem, advice)
        self.chunk, self.problem, self.advice = chunk, problem, advice

    def __str__(self) -> str:
        return f"{self.chunk}: {self.problem}; {self.advice}"
