"""Delete the temporaries of a process that ended without doing so itself.

Run as `python -I -S guardian.py`, with lines on its standard input; never imported. It outlives its host, whatever
kills that: the end of the host is the end of the pipe. It may use the standard library only, and what deleting
needs is imported when there is something to delete: most guardians have nothing to do.

Lines, with fields between tabs:
    @ key base_url proxy ca_file verify header…    an endpoint
    ~ key authorization                            its present token
    + key bucket name                              a temporary that is about to be made
    = name generation                              it was made
    - name                                         it is gone
    ! name                                         the host gives up: delete it now
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself imports enum, a third of this program's start
import os
import time

TYPE_CHECKING = False  # as typing's, which takes as long to import as Python takes to start
if TYPE_CHECKING:
    from typing import Any

_LATE_S = 15.0  # a compose that was on its way when its sender died may land this late
_PATIENCE_S = 60.0  # for a service that answers with errors
_PAUSE_S = 1.0
_THREADS = 16
_FORGIVEN = (401, 408, 429)  # of the 4xx: try again, with the token that comes meanwhile, if any


class Ward:
    """One temporary to look after."""

    def __init__(self, key: str, bucket: str, name: str) -> None:
        self.key, self.bucket, self.name = key, bucket, name
        self.generation = ""  # not known to be made


class Watch:
    """What the lines said so far."""

    def __init__(self) -> None:
        self.endpoints: dict[str, list[str]] = {}
        self.authorizations: dict[str, str] = {}
        self.wards: dict[str, Ward] = {}
        self.given_up: list[Ward] = []

    def hear(self, line: str) -> None:
        """Take in one line."""
        verb, *fields = line.split("\t")
        if verb == "+":
            self.wards[fields[2]] = Ward(*fields)
        elif verb == "=" and fields[0] in self.wards:
            self.wards[fields[0]].generation = fields[1]
        elif verb == "-":
            self.wards.pop(fields[0], None)
        elif verb == "!" and fields[0] in self.wards:
            self.given_up.append(self.wards.pop(fields[0]))
        elif verb == "@":
            self.endpoints[fields[0]] = fields[1:]
        elif verb == "~":
            self.authorizations[fields[0]] = fields[1]


def listen(watch: Watch) -> None:
    """Take in lines until the host is gone; what it gives up meanwhile is deleted by a process of its own."""
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            watch.hear(line.decode())
        if watch.given_up:
            wards, watch.given_up = watch.given_up, []
            if os.fork() == 0:
                os.close(0)
                Sweep(watch).delete(wards)
                os._exit(0)


class Sweep:
    """Delete temporaries, over the standard library's HTTP."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._openers: dict[str, Any] = {}
        self._began_s = time.monotonic()

    def delete(self, wards: list[Ward]) -> None:
        """Delete `wards`; those that may not have been made yet are waited for."""
        while wards and time.monotonic() - self._began_s < _PATIENCE_S:
            wards = self._round(wards)
            if wards:
                time.sleep(_PAUSE_S)  # nobody else lives in this process

    def _round(self, wards: list[Ward]) -> list[Ward]:
        """Try each once, many at a time; return those to try again."""
        import threading  # noqa: PLC0415 - see the module's docstring

        queue, again = list(wards), []

        def work() -> None:
            while True:
                try:
                    ward = queue.pop()
                except IndexError:
                    return
                if not self._is_settled(ward):
                    again.append(ward)

        for ward in wards:
            self._opener(ward.key)
        threads = [threading.Thread(target=work) for _ in range(min(_THREADS, len(wards)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return again

    def _is_settled(self, ward: Ward) -> bool:
        """Send one delete; tell whether that was the last word on it."""
        import http.client  # noqa: PLC0415 - see the module's docstring
        import urllib.error  # noqa: PLC0415

        try:
            self._opener(ward.key).open(self._request(ward), timeout=20).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.NOT_FOUND:
                return bool(ward.generation) or time.monotonic() - self._began_s > _LATE_S
            return error.code < http.client.INTERNAL_SERVER_ERROR and error.code not in _FORGIVEN
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _request(self, ward: Ward) -> Any:  # noqa: ANN401 - urllib is imported late
        import urllib.parse  # noqa: PLC0415 - see the module's docstring
        import urllib.request  # noqa: PLC0415

        base_url, _, _, _, *headers = self._watch.endpoints[ward.key]
        bucket, name = urllib.parse.quote(ward.bucket, safe=""), urllib.parse.quote(ward.name, safe="")
        pin = f"?generation={ward.generation}" if ward.generation else ""
        fields = dict(header.split(": ", 1) for header in headers if ": " in header)
        authorization = self._watch.authorizations.get(ward.key)
        if authorization:
            fields["Authorization"] = authorization
        url = f"{base_url}/storage/v1/b/{bucket}/o/{name}{pin}"
        return urllib.request.Request(url, headers=fields, method="DELETE")  # noqa: S310 - the host's own endpoint

    def _opener(self, key: str) -> Any:  # noqa: ANN401 - urllib is imported late
        if key not in self._openers:
            import ssl  # noqa: PLC0415 - see the module's docstring
            import urllib.request  # noqa: PLC0415

            _, proxy, ca_file, verify, *_ = self._watch.endpoints[key]
            context = ssl.create_default_context(cafile=ca_file or None)
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            proxies = {"http": proxy, "https": proxy} if proxy else {}
            self._openers[key] = urllib.request.build_opener(
                urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler(proxies)
            )
        return self._openers[key]


def main() -> None:
    # Twice removed from the host: nothing that ends the host's children ends this, nor does it leave a zombie there.
    if os.fork():
        os._exit(0)
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGCHLD):
        _signal.signal(number, _signal.SIG_IGN)
    os.closerange(3, 65536)  # descriptors of the host's libraries that were not meant to be inherited
    watch = Watch()
    listen(watch)
    Sweep(watch).delete(list(watch.wards.values()))


if __name__ == "__main__":
    main()
