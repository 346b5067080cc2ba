"""Bring an index file here from a web server."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from dataflux_core._data.index.scratch import written
from dataflux_core._run.access import USER_AGENT
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import ConnectionBroken, DatafluxError, EndpointUnreachable, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from http.client import HTTPMessage
    from pathlib import Path

_STALL_S = 30.0  # without a byte
_TOTAL_S = 1800.0
_MAX_BYTES = 32 * 1024**3
_BLOCK_BYTES = 1024**2
_OK = 200
_TRIES = 3
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PAUSE_S = 0.5


def fetch(url: str, shown: str, path: Path, *, max_bytes: int = _MAX_BYTES, total_s: float = _TOTAL_S) -> None:
    """Write what a URL, one that can be sent, gives to a file; `shown` names it in errors. Raises DatafluxError."""
    deadline_s = time.monotonic() + total_s
    for left in reversed(range(_TRIES)):
        try:
            with written(path) as aside, aside.open("wb") as file, closing(_blocks(url, shown, deadline_s)) as blocks:
                _write(blocks, shown, file, max_bytes)
        except (ServiceRefused, ConnectionBroken) as error:
            is_final = isinstance(error, ServiceRefused) and error.status not in _RETRIED
            if is_final or not left or time.monotonic() >= deadline_s:
                raise
        else:
            return
        time.sleep(_PAUSE_S * 2 ** (_TRIES - left))


def _write(blocks: Iterable[bytes], shown: str, file: IO[bytes], max_bytes: int) -> None:
    received = 0
    for block in blocks:
        received += file.write(block)
        if received > max_bytes:
            raise ServiceRefused(shown, _OK, f"an index of more than {max_bytes:,} bytes; split it")


def _blocks(url: str, shown: str, deadline_s: float) -> Generator[bytes, None, None]:
    """Yield what comes; raises ServiceRefused, ConnectionBroken, EndpointUnreachable."""
    received = 0
    with _blaming(shown), _opener().open(_request(url), timeout=_STALL_S) as answer:
        promised = int(answer.headers.get("Content-Length") or -1)
        while block := answer.read1(_BLOCK_BYTES):
            received += len(block)
            if time.monotonic() > deadline_s:
                raise ConnectionBroken(shown, f"{received:,} bytes came until the time limit")
            yield block
    if promised not in {-1, received}:
        raise ConnectionBroken(shown, f"{received:,} of {promised:,} bytes came")


def _request(url: str) -> urllib.request.Request:
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    return urllib.request.Request(url, headers=headers)  # noqa: S310 - the opener knows http and https alone


@contextmanager
def _blaming(shown: str) -> Iterator[None]:
    """Turn urllib's errors into ours."""
    try:
        yield
    except DatafluxError:
        raise  # some are an OSError too
    except urllib.error.HTTPError as error:
        with error:
            raise ServiceRefused(shown, error.code, _reason(error.code)) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, (ssl.SSLError, ConnectionRefusedError)) or not isinstance(error.reason, OSError):
            raise EndpointUnreachable(shown, str(error.reason)) from error
        raise ConnectionBroken(shown, str(error.reason)) from error
    except OSError as error:
        raise ConnectionBroken(shown, error.strerror or type(error).__name__) from error
    except (http.client.HTTPException, ValueError) as error:
        raise ConnectionBroken(shown, type(error).__name__) from None  # its text may repeat a URL with its signature


def _reason(status: int) -> str:
    """Say why in words of our own: a server's, or urllib's, may repeat a URL with its signature."""
    if status in _REDIRECTS:
        return "it leads round in circles, or where nobody is led; give the URL that it stands for"
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no reason given"
    return f"{phrase}; correct the URL, or renew its signature"


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # build_opener would add files and FTP
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, none from https to anything else."""

    max_redirections = 5

    def redirect_request(  # noqa: PLR0913, PLR0917 - urllib's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in {"http", "https"} or (req.type == "https" and scheme != "https"):
            raise ServiceRefused(shown_url(req.full_url), code, f"it leads to {scheme}://, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
