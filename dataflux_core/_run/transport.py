"""Run many HTTP requests at once over libcurl in the calling thread."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pycurl

from dataflux_core._run.exchange import Exchange, Kind, Pool, kind_of
from dataflux_core._wire.message import Answer, Request

if TYPE_CHECKING:
    from dataflux_core._run.exchange import Listener

_READ, _WRITE = select.POLLIN, select.POLLOUT
_ENDED = select.POLLERR | select.POLLHUP
_POLL_OF_CURL = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}
# Nothing reached the server: the request may be sent again whatever it was.
_UNREACHED = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_UNSUPPORTED_PROTOCOL,
    }
)
_CALLBACK_FAILED = 11  # CURLM_ABORTED_BY_CALLBACK, which pycurl does not name
_SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS, which pycurl does not name
_BUFFER_BYTES = 256 * 1024
_POOL_CONNECTIONS = 64
MAX_CONNECTIONS = 512  # kept for later requests, unless said otherwise: libcurl's own default drops some in each lull


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go, with what every one of them carries; equal endpoints may share connections."""

    base_url: str  # "https://storage.googleapis.com", no trailing slash
    headers: tuple[str, ...] = ()  # "Name: value" lines; never the token
    proxy: str = ""  # "": none, whatever the environment says
    ca_file: str | None = None  # None: libcurl's own
    verify: bool = True
    connect_timeout_s: int = 20
    stall_timeout_s: int = 60  # no byte for so long is a failure
    least_bytes_per_s: int = 1  # less, for as long, is a stall too


@dataclass(slots=True)
class Happened:
    """What one wait brought: answers by tag, watched descriptors that became readable."""

    answers: list[tuple[Any, Answer]] = field(default_factory=list)
    readable: list[int] = field(default_factory=list)


class Transport:
    """Own the connections of one thread to one endpoint; never used in another process than its maker's."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.heard = 0  # how often a server has sent something
        self.most_in_flight = 0  # so many connections may be open, each answer's kept for the next request
        self.process_id = os.getpid()
        self._pools: list[Pool] = []
        self._max_connections = MAX_CONNECTIONS
        self._poller = select.epoll() if hasattr(select, "epoll") else select.poll()
        self._timeout_unit = 1.0 if hasattr(select, "epoll") else 1000.0
        self._sockets: dict[int, Pool] = {}  # by descriptor
        self._watched: set[int] = set()
        self._running: dict[pycurl.Curl, Exchange] = {}
        # By kind: the options of another method cling to a handle.
        self._spare: dict[Kind, list[Exchange]] = {"small": [], "large": [], "sent": []}
        self._interruption: BaseException | None = None
        self._is_aborted = False  # something was raised in the middle of libcurl's work

    @property
    def in_flight(self) -> int:
        return len(self._running)

    def keep_connections(self, count: int) -> None:
        """Keep up to `count` connections for later requests."""
        self._max_connections = count
        for pool in self._pools:
            self._limit(pool)

    def start(
        self,
        request: Request,
        tag: Any,  # noqa: ANN401 - handed back as is
        *,
        authorization: str = "",
        listener: Listener | None = None,
    ) -> None:
        """Send `request`; `wait` will hand back `tag` with its answer, of which a listener hears each piece before."""
        kind = kind_of(request)
        spare = self._spare[kind]
        exchange = spare.pop() if spare else Exchange(self._new_handle(), kind)
        exchange.allow(request.max_bytes, request.expected_bytes)
        exchange.demand(request.least_bytes_per_s or self.endpoint.least_bytes_per_s)
        exchange.tag = tag
        exchange.keeps_beginning = request.keeps_beginning
        if listener is not None:
            exchange.overhear(listener)
        curl = exchange.curl
        curl.setopt(pycurl.URL, self.endpoint.base_url + request.target)
        if kind == "sent":
            curl.setopt(pycurl.POSTFIELDS, request.body)
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)
        self._set_headers(exchange, request, authorization)
        exchange.pool = pool = self._pool()
        self._running[curl] = exchange
        self.most_in_flight = max(self.most_in_flight, len(self._running))
        pool.in_flight += 1
        try:
            pool.multi.add_handle(curl)
        except pycurl.error as error:
            raise self._cause(error) from error
        except BaseException:
            self._is_aborted = True
            raise

    def _set_headers(self, exchange: Exchange, request: Request, authorization: str) -> None:
        """Set the header lines, unless they are those of the handle's last request, as they nearly always are."""
        made_of = (request.headers, authorization)
        if made_of == exchange.headers:
            return
        exchange.headers = made_of
        lines = [*self.endpoint.headers, *request.headers]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        if exchange.kind == "sent":
            lines.append("Expect:")  # no round trip spent on asking whether the body is welcome
        exchange.curl.setopt(pycurl.HTTPHEADER, lines)

    def cancel(self, tag: Any) -> None:  # noqa: ANN401 - as given to `start`
        """Drop the request of `tag` with its connection, unless its answer has come."""
        found = [curl for curl, exchange in self._running.items() if exchange.tag is tag]
        for curl in found:
            exchange = self._running.pop(curl)
            if exchange.pool is not None:
                exchange.pool.multi.remove_handle(curl)
                exchange.pool.in_flight -= 1
            exchange.forget()
            self._spare[exchange.kind].append(exchange)

    def watch(self, descriptor: int) -> None:
        """Let `wait` tell when `descriptor` becomes readable or its other end closes."""
        self._watched.add(descriptor)
        self._poller.register(descriptor, _READ)

    def unwatch(self, descriptor: int) -> None:
        """Watch no more; in a fork nothing happens, since the parent's poller would forget it too."""
        if descriptor in self._watched and os.getpid() == self.process_id:
            self._watched.remove(descriptor)
            self._poller.unregister(descriptor)

    def wait(self, timeout_s: float | None = None) -> Happened:
        """Wait until something happens, at most `timeout_s`; return it."""
        happened = Happened()
        ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            try:
                self._turn(ends_s, happened)
            except pycurl.error as error:
                raise self._cause(error) from error
            except BaseException:
                self._is_aborted = True
                raise
            if happened.answers or happened.readable or (ends_s is not None and time.monotonic() >= ends_s):
                return happened

    def rest(self) -> None:
        """Give back the memory of large answers, and connections beyond what is kept between calls."""
        for exchange in self._spare["large"]:
            exchange.curl.close()
        self._spare["large"].clear()
        most = MAX_CONNECTIONS // _POOL_CONNECTIONS
        for pool in self._pools[most:]:
            pool.multi.close()
        del self._pools[most:]
        self.most_in_flight = min(self.most_in_flight, MAX_CONNECTIONS)

    def close(self) -> None:
        """Drop every connection; requests in flight are abandoned."""
        for curl, exchange in self._running.items():
            with suppress(pycurl.error):  # a Ctrl-C came before it was added: that must not be masked here
                if exchange.pool is not None:
                    exchange.pool.multi.remove_handle(curl)
            self._spare[exchange.kind].append(exchange)
        self._running.clear()
        for spare in self._spare.values():
            for exchange in spare:
                exchange.curl.close()
            spare.clear()
        for pool in self._pools:
            pool.multi.close()
        if hasattr(self._poller, "close"):
            self._poller.close()

    def _pool(self) -> Pool:
        """Return the first pool that is not full: the connections used last are in it."""
        for pool in self._pools:
            if pool.in_flight < _POOL_CONNECTIONS:
                return pool
        pool = Pool()
        pool.multi.setopt(pycurl.M_SOCKETFUNCTION, partial(self._on_socket, pool))
        self._limit(pool)
        self._pools.append(pool)
        return pool

    def _limit(self, pool: Pool) -> None:
        pool.multi.setopt(pycurl.M_MAXCONNECTS, max(1, min(self._max_connections, _POOL_CONNECTIONS)))

    def _turn(self, ends_s: float | None, happened: Happened) -> None:
        """Let libcurl work on the sockets that are ready, or on its timers."""
        now_s = time.monotonic()
        timers_s = [pool.timer_s(now_s) for pool in self._pools]
        limits_s = [limit_s - now_s for limit_s in (ends_s, *timers_s) if limit_s is not None]
        wait_s = max(0.0, min(limits_s)) if limits_s else -1.0
        events = self._poller.poll(wait_s * self._timeout_unit if wait_s > 0 else wait_s)
        touched: set[Pool] = set()
        for descriptor, mask in events:
            if descriptor in self._watched:
                happened.readable.append(descriptor)
                continue
            pool = self._sockets.get(descriptor)
            if pool is None:
                continue  # another event of this turn has ended it
            self.heard += mask & _READ
            action = (pycurl.CSELECT_IN if mask & _READ else 0) | (pycurl.CSELECT_OUT if mask & _WRITE else 0)
            pool.multi.socket_action(descriptor, action | (pycurl.CSELECT_ERR if mask & _ENDED else 0))
            touched.add(pool)
        now_s = time.monotonic()
        for pool in self._pools:
            if pool.deadline_s is not None and now_s >= pool.deadline_s:
                pool.deadline_s = None
                pool.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
                touched.add(pool)
        if self._interruption is not None:
            interruption, self._interruption = self._interruption, None
            raise interruption
        for pool in touched:
            self._collect(pool, happened)

    def _collect(self, pool: Pool, happened: Happened) -> None:
        """Take the finished requests out of libcurl."""
        left = 1
        while left:
            left, succeeded, failed = pool.multi.info_read()
            for curl in succeeded:
                happened.answers.append(self._finish(pool, curl, 0, ""))
            for curl, code, message in failed:
                happened.answers.append(self._finish(pool, curl, code, message))

    def _finish(self, pool: Pool, curl: pycurl.Curl, code: int, message: str) -> tuple[Any, Answer]:
        exchange = self._running.pop(curl)
        pool.multi.remove_handle(curl)
        pool.in_flight -= 1
        if code == pycurl.E_FILESIZE_EXCEEDED:
            refused = Answer(curl.getinfo(pycurl.RESPONSE_CODE), tuple(exchange.answer_head()), b"")
            answer = Answer(refused.status, refused.head, b"", announced_bytes=max(1, refused.said_bytes))
            exchange.forget()
        elif code and exchange.keeps_beginning and exchange.head:
            begun, why = curl.getinfo(pycurl.RESPONSE_CODE), message or f"curl error {code}"
            answer = Answer(0, tuple(exchange.answer_head()), exchange.take(), why, begun_status=begun)
        elif code:
            why, took_s = message or f"curl error {code}", _connect_s(curl, failed=True)
            answer = Answer(0, (), b"", why, refused=code in _UNREACHED, connect_s=took_s)
            exchange.forget()
        else:
            head = tuple(exchange.answer_head())
            answer = Answer(curl.getinfo(pycurl.RESPONSE_CODE), head, exchange.take(), connect_s=_connect_s(curl))
        self._spare[exchange.kind].append(exchange)
        return exchange.tag, answer

    def _new_handle(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PATH_AS_IS, 1)  # objects may be named "." or ".."
        curl.setopt(pycurl.BUFFERSIZE, _BUFFER_BYTES)
        curl.setopt(pycurl.CONNECTTIMEOUT, self.endpoint.connect_timeout_s)
        curl.setopt(pycurl.LOW_SPEED_TIME, self.endpoint.stall_timeout_s)
        curl.setopt(pycurl.USERAGENT, "")  # the endpoint's headers name the client
        curl.setopt(pycurl.PROXY, self.endpoint.proxy)
        curl.setopt(_SUPPRESS_CONNECT_HEADERS, 1)  # what a proxy says of its tunnel is no answer to what is sent in it
        if self.endpoint.ca_file is not None:
            # requests takes a directory of certificates as well as a file.
            is_directory = os.path.isdir(self.endpoint.ca_file)  # noqa: PTH112 - a str all along
            curl.setopt(pycurl.CAPATH if is_directory else pycurl.CAINFO, self.endpoint.ca_file)
        if not self.endpoint.verify:
            curl.setopt(pycurl.SSL_VERIFYPEER, 0)
            curl.setopt(pycurl.SSL_VERIFYHOST, 0)
        return curl

    def _on_socket(self, pool: Pool, event: int, descriptor: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        # libcurl prints and drops what a callback raises: a Ctrl-C that lands here is kept for `_turn` to raise.
        try:
            if event == pycurl.POLL_REMOVE:
                self._sockets.pop(descriptor, None)
                self._poller.unregister(descriptor)
            elif descriptor in self._sockets:
                self._poller.modify(descriptor, _POLL_OF_CURL[event])
            else:
                self._sockets[descriptor] = pool
                self._poller.register(descriptor, _POLL_OF_CURL[event])
        except OSError:
            self._sockets.pop(descriptor, None)  # closed under us: libcurl will ask again for a new one
        except BaseException as interruption:  # noqa: BLE001 - raised again by _turn
            self._interruption = interruption

    def _cause(self, error: pycurl.error) -> BaseException:
        """Return what made libcurl fail: it may drop a Ctrl-C raised in a callback, then say the callback failed.

        It says so again of every later call: by then the interruption has been raised.
        """
        if error.args[0] == _CALLBACK_FAILED and not self._is_aborted:
            self._is_aborted = True
            return KeyboardInterrupt()
        return RuntimeError(f"libcurl: {error}")


def _connect_s(curl: pycurl.Curl, *, failed: bool = False) -> float:
    """Return how long the server took to accept a connection: all the time, where that never came about."""
    connected_s = curl.getinfo(pycurl.CONNECT_TIME)
    if failed and not connected_s:
        connected_s = curl.getinfo(pycurl.TOTAL_TIME)
    return max(0.0, float(connected_s - curl.getinfo(pycurl.NAMELOOKUP_TIME)))
