"""Make a certificate that only the clients of one benchmark trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a server shows, with what its clients are told to trust."""

    certfile: Path
    keyfile: Path
    authority: Path


def make_certificates(directory: Path) -> Certificates:
    """Write them to files of `directory`, for loopback."""
    authority = trustme.CA()
    served = authority.issue_cert("localhost", "127.0.0.1")
    made = Certificates(directory / "cert.pem", directory / "key.pem", directory / "authority.pem")
    made.certfile.write_bytes(b"".join(blob.bytes() for blob in served.cert_chain_pems))
    served.private_key_pem.write_to_path(str(made.keyfile))
    authority.cert_pem.write_to_path(str(made.authority))
    return made
