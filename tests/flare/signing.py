"""Make credentials that can sign, as those of a service account, with its key or without."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from dataflux_core.emulator import Emulator

EMAIL = "me@p.iam.gserviceaccount.com"


def signing_client(gcs: Emulator) -> Any:
    """Make a client with a key of its own and a token that never expires."""
    from google.oauth2 import service_account  # noqa: PLC0415 - slow import

    said = {"client_email": EMAIL, "private_key": _pem(), "token_uri": "http://127.0.0.1:9/"}
    return client_with(gcs, service_account.Credentials.from_service_account_info(said))


def client_with(gcs: Emulator, credentials: Any) -> Any:
    """Make a client of credentials, with a token that never expires."""
    from google.cloud import storage  # noqa: PLC0415 - slow import

    client = storage.Client("p", credentials, client_options={"api_endpoint": gcs.endpoint})
    scoped = client._credentials  # a copy, which has no token yet
    scoped.token, scoped.expiry = "token", datetime.max  # noqa: DTZ901 - google-auth's times have no zone
    return client


@dataclass
class Iam:
    """Google's services beside storage: what signs for an account, what tells a machine which account it has."""

    asked: list[tuple[str, str]] = field(default_factory=list)  # the account and the token of who asks
    status: int = 200
    breaks: int = 0  # so many connections are closed without an answer


@contextmanager
def iam_on_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    """Run those services here, where google-auth then looks for them."""
    iam = Iam()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            account = self.path.rpartition("/")[2].partition(":")[0]
            iam.asked.append((account, self.headers["Authorization"]))
            if iam.breaks:
                iam.breaks -= 1
                return
            if iam.status != 200:
                self._reply(iam.status, {"error": {"message": "Permission 'iam.serviceAccounts.signBlob' denied"}})
                return
            blob = base64.b64decode(json.loads(asked)["payload"])
            self._reply(200, {"keyId": "1", "signedBlob": base64.b64encode(signature(blob)).decode()})

        def do_GET(self) -> None:
            if "/token" in self.path:
                self._reply(200, {"access_token": "of-the-machine", "expires_in": 3600, "token_type": "Bearer"})
            elif "universe" in self.path:
                self._reply(404, {})
            else:
                self._reply(200, {"email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]})

        def _reply(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", "Metadata-Flavor": "Google"}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
            del format, args

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # connections at once

    with Server(("127.0.0.1", 0), Handler) as server:
        place = f"127.0.0.1:{server.server_port}"
        # google-auth has no other way to name these two, once it is imported.
        monkeypatch.setattr(
            "google.auth.iam._IAM_SIGN_ENDPOINT", f"http://{place}/v1/projects/-/serviceAccounts/{{}}:signBlob"
        )
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", place)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield iam
        finally:
            server.shutdown()
            thread.join()


def signature(blob: bytes) -> bytes:
    """Sign as Google does; the same bytes give the same signature."""
    return key().sign(blob, padding.PKCS1v15(), hashes.SHA256())


@cache
def key() -> rsa.RSAPrivateKey:
    """Make the account's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _pem() -> str:
    form, protection = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key().private_bytes(serialization.Encoding.PEM, form, protection).decode()
