"""A small local page with the labelled picture of each source, for a look in a browser of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket

from recognition.errors import OutputError
from recognition.outputs.live_folder import SourceStats

_HOST = "127.0.0.1"
_MOST_VISITORS = 8
_TIMEOUT_S = 5.0
_PAGE = """<!doctype html><meta charset="utf-8"><title>Shelf</title>
<style>body{{background:#121418;color:#f5f6f8;font:15px sans-serif;margin:1em}}img{{max-width:100%}}</style>
{figures}
<script>setInterval(() => document.querySelectorAll("img").forEach(
  i => {{ if (i.complete) i.src = i.dataset.of + "?" + Date.now() }}), 500)</script>"""
_FIGURE = '<figure><figcaption>{name}</figcaption><img data-of="/{number}.jpg" src="/{number}.jpg" alt=""></figure>'


class LivePage:
    """Serves `/`, `/N.jpg` (N from 0, in the order of the sources) and `/stats.json` on 127.0.0.1 until `close`."""

    def __init__(self, port: int, sources: Sequence[str]) -> None:
        """port: 0 takes a free one, see `port`.

        Raises:
            OutputError: the port is taken or not allowed.
        """
        self._sources = list(sources)
        self._pictures: dict[int, bytes] = {}
        self._stats = b"[]"
        self._lock = threading.Lock()
        try:
            self._server = _Server((_HOST, port), _handler(self))
        except OSError as error:
            raise OutputError(f"cannot serve the page on port {port}: {error.strerror}", "name another port") from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="page", daemon=True)
        self._thread.start()

    def show(self, number: int, jpeg: bytes) -> None:
        """Puts the picture of a source on the page in place of its former one."""
        with self._lock:
            self._pictures[number] = jpeg

    def tell(self, stats: Sequence[SourceStats]) -> None:
        """Puts the figures on the page in place of the former ones."""
        content = json.dumps([asdict(one) for one in stats]).encode("ascii")
        with self._lock:
            self._stats = content

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Type and content of what stands at a path, or None."""
        path = path.partition("?")[0]
        with self._lock:
            if path == "/stats.json":
                return "application/json", self._stats
            for number, picture in self._pictures.items():
                if path == f"/{number}.jpg":
                    return "image/jpeg", picture
        if path != "/":
            return None
        figures = [_FIGURE.format(name=escape(name), number=number) for number, name in enumerate(self._sources)]
        return "text/html; charset=utf-8", _PAGE.format(figures="\n".join(figures)).encode("utf-8")


class _Server(ThreadingHTTPServer):
    """Serves few visitors at a time; one more is turned away."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(_MOST_VISITORS)
        super().__init__(address, handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor who leaves early is no event."""


def _handler(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S

        def do_GET(self) -> None:
            """Answers only those who call this machine by its own name: other sites' pages must not read ours."""
            named = (self.headers.get("Host") or "").rpartition(":")[0]
            found = page.answer(self.path) if named in (_HOST, "localhost") else None
            if found is None:
                self.send_error(404)
                return
            kind, content = found
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler
