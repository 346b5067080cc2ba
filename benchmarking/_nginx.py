"""Run nginx as a process of its own, which a test may kill."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors warn;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access; sendfile on; tcp_nodelay on;
  default_type application/octet-stream; keepalive_requests 100000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {root}; {more} }}
}}
"""


@dataclass
class Nginx:
    """Serves a directory on a port of its own."""

    root: Path
    folder: Path  # for its own files
    more: str = ""  # lines of its configuration
    port: int = 0  # 0: one that is free

    def __enter__(self) -> Self:
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if program is None:
            raise RuntimeError("nginx is needed: install it (apt-get install nginx-light)")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        config = self.folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port, root=self.root, more=self.more))
        subprocess.run([program, "-t", "-q", "-p", self.folder, "-c", config], check=True, capture_output=True)
        self._process = subprocess.Popen([program, "-p", self.folder, "-c", config], stderr=subprocess.DEVNULL)
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[str]:
        """The lines of its log."""
        return (self.folder / "access").read_text().splitlines()

    def kill(self) -> None:
        """End it as a machine that loses power does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _wait(self) -> None:
        """Connect until it listens, as the kernel says at once."""
        while not self._listens():
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "errors").read_text())

    def _listens(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0
