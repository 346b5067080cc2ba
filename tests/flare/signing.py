"""Make credentials that can sign, as those of a service account."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from dataflux_core.emulator import Emulator


def signing_client(gcs: Emulator) -> Any:
    """Make a client with a key of its own and a token that never expires."""
    from google.cloud import storage  # noqa: PLC0415 - slow import
    from google.oauth2 import service_account  # noqa: PLC0415

    said = {"client_email": "me@p.iam.gserviceaccount.com", "private_key": _key(), "token_uri": "http://127.0.0.1:9/"}
    credentials = service_account.Credentials.from_service_account_info(said)
    client = storage.Client("p", credentials, client_options={"api_endpoint": gcs.endpoint})
    scoped = client._credentials  # a copy, which has no token yet
    scoped.token, scoped.expiry = "token", datetime.max  # noqa: DTZ901 - google-auth's times have no zone
    return client


@cache
def _key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, protection = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, protection).decode()
