"""Say what went wrong the way the service says it."""

from __future__ import annotations

import json

REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    408: "requestTimeout",
    409: "conflict",
    411: "required",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "backendError",
    501: "notImplemented",
    503: "backendError",
}


class EmulatorError(RuntimeError):
    """The emulator could not be started or reached."""


class ApiError(Exception):
    """A request that the service answers with an error."""

    def __init__(self, status: int, message: str, reason: str | None = None) -> None:
        super().__init__(status, message, reason)
        self.status = status
        self.message = message
        self.reason = reason or REASONS.get(status, "invalid")

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.message}"


def no_bucket(bucket: str) -> ApiError:
    """Name the bucket that does not exist."""
    return ApiError(404, f"The specified bucket does not exist: {bucket}.")


def no_object(bucket: str, name: str) -> ApiError:
    """Name the object that does not exist."""
    return ApiError(404, f"No such object: {bucket}/{name}")


def error_json(error: ApiError) -> bytes:
    """Write an error as the JSON API does."""
    detail = {"message": error.message, "domain": "global", "reason": error.reason}
    body = {"error": {"code": error.status, "message": error.message, "errors": [detail]}}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
