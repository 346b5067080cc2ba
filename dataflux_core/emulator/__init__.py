"""Run a Google Cloud Storage server of one's own, for tests, demonstrations, benchmarks."""

from dataflux_core.emulator._config import Directory, Fault, Latency, Memory
from dataflux_core.emulator._counters import Requests
from dataflux_core.emulator._emulator import Emulator
from dataflux_core.emulator._errors import EmulatorError
from dataflux_core.emulator._synthetic import ShapeName, Synthetic

__all__ = [
    "Directory",
    "Emulator",
    "EmulatorError",
    "Fault",
    "Latency",
    "Memory",
    "Requests",
    "ShapeName",
    "Synthetic",
]
