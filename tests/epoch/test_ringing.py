"""Whoever waits is woken by each ring, or by the end of his time."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from dataflux_core._data.epoch.ringing import Ringing


def test_it_is_heard_once_however_often_it_rang() -> None:
    ringing = Ringing()
    assert not ringing.wait(0)
    for _ in range(3):
        ringing.ring()
    assert ringing.wait()
    assert not ringing.wait(0.001)
    assert not ringing.wait(-1.0)  # what is left of a time may be less than nothing


def test_it_wakes_another_thread_each_time() -> None:
    calls, answers = Ringing(), Ringing()

    def answer() -> None:
        for _ in range(1000):
            assert calls.wait(60)
            answers.ring()

    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer)
        for _ in range(1000):
            calls.ring()
            assert answers.wait(60)
        answering.result()


def test_a_signal_whose_handler_takes_longer_than_the_wait_does_not_make_it_endless() -> None:
    ringing, ends_s = Ringing(), time.monotonic() + 0.5

    def save(number: int, frame: object) -> None:
        del number, frame
        while time.monotonic() < ends_s:
            pass

    main = threading.get_ident()
    heard = signal.signal(signal.SIGUSR1, save)
    rescue = threading.Timer(60, ringing.ring)
    try:
        rescue.start()
        interrupting = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGUSR1))
        interrupting.start()
        assert not ringing.wait(0.3)
        interrupting.join()
    finally:
        rescue.cancel()
        rescue.join()
        signal.signal(signal.SIGUSR1, heard)
