"""Make certificates that nobody else trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


def certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate for loopback, with its authority's, and its key; return both paths."""
    authority = trustme.CA()
    served = authority.issue_cert("localhost", "127.0.0.1")
    certfile, keyfile = directory / "cert.pem", directory / "key.pem"
    chain = [*served.cert_chain_pems, authority.cert_pem]
    certfile.write_bytes(b"".join(blob.bytes() for blob in chain))
    served.private_key_pem.write_to_path(str(keyfile))
    return certfile, keyfile
