"""Sign with the key that Google keeps of a service account, by requests to its IAM service."""

from __future__ import annotations

import threading
from typing import Any

from google.auth import iam
from google.auth.credentials import Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.impersonated_credentials import Credentials as Impersonated
from google.auth.transport.requests import Request

from dataflux_core.errors import SigningUnavailable

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]  # that of a storage client does not let it sign
_UNKNOWN = "default"  # what google-auth calls the account of a machine before it has asked


class IamSigning(Signing):
    """What credentials with a service account, but without its key, have IAM sign; for any number of threads."""

    def __init__(self, credentials: Any, email: str) -> None:  # noqa: ANN401 - google ships no types
        self._credentials = credentials
        self._email = email
        self._of_thread = threading.local()  # a session is one thread's

    def sign_bytes(self, message: bytes) -> bytes:
        """Ask for the signature of a message; raises GoogleAuthError."""
        signed: bytes = self.signer.sign(message)
        return signed

    @property
    def signer_email(self) -> str:
        """The account that signs."""
        return self._email

    @property
    def signer(self) -> Any:  # noqa: ANN401 - as above
        """What asks."""
        if not hasattr(self._of_thread, "signer"):
            self._of_thread.signer = iam.Signer(Request(), self._credentials, self._email)
        return self._of_thread.signer


def signing_of(credentials: Any) -> tuple[Any, bool]:  # noqa: ANN401 - as above
    """Return credentials that can sign, and whether they ask IAM for it; raises SigningUnavailable."""
    if isinstance(credentials, Signing):
        return credentials, isinstance(credentials, Impersonated)
    email = getattr(credentials, "service_account_email", None)
    if not email:
        raise SigningUnavailable("they have neither the private key of a service account nor such an account")
    scoped = credentials.with_scopes(_SCOPES) if hasattr(credentials, "with_scopes") else credentials
    if email == _UNKNOWN:
        try:
            scoped.refresh(Request())
        except GoogleAuthError as error:
            raise SigningUnavailable(f"who they are is not known: {error}") from error
        email = scoped.service_account_email
    return IamSigning(scoped, email), True
