"""Count what a download did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class DownloadStats:
    """What one or more downloads did: pass one as `stats=`, read it afterwards."""

    requests: dict[str, int] = field(default_factory=dict)  # by kind, repeated attempts not counted
    retries: int = 0
    received_bytes: int = 0
    groups_composed: int = 0
    objects_direct: int = 0
    temporaries_kept: int = 0  # not deleted when the call ended: refused, or left to the guardian
    elapsed_s: float = 0.0

    def asked(self, kind: str) -> None:
        """Count one request."""
        self.requests[kind] = self.requests.get(kind, 0) + 1

    def add(self, other: DownloadStats) -> None:
        """Take in what another download did; time passes for both at once, so it is not added up."""
        for kind, count in other.requests.items():
            self.requests[kind] = self.requests.get(kind, 0) + count
        self.retries += other.retries
        self.received_bytes += other.received_bytes
        self.groups_composed += other.groups_composed
        self.objects_direct += other.objects_direct
        self.temporaries_kept += other.temporaries_kept
        self.elapsed_s = max(self.elapsed_s, other.elapsed_s)

    def __str__(self) -> str:
        requests = " ".join(f"{kind}={count}" for kind, count in sorted(self.requests.items()))
        return (
            f"bytes={self.received_bytes} groups_composed={self.groups_composed} "
            f"objects_direct={self.objects_direct} retries={self.retries} elapsed_s={self.elapsed_s:.3f} {requests}"
        )
