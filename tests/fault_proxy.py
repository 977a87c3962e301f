"""A TCP proxy that misbehaves on command; stands between a client and an MQTT server.

Runs in a thread of its own. Commands act at once and may come from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

CHUNK_BYTES = 16_384


class FaultProxy:
    """Listens on `port` (loopback, 0: any) and forwards to `target`, until told otherwise."""

    def __init__(self, target: tuple[str, int], port: int = 0) -> None:
        self.port = port
        self._target = target
        self.passed_bytes = 0
        self.passed_pieces = 0
        """Of both directions together; a piece is what one read gave."""
        self._latency_s = 0.0
        self._bytes_left: int | None = None
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._ended = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def start(self) -> None:
        """Begin to listen; `port` is known afterwards."""
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """Break everything and end."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def delay(self, latency_ms: int) -> None:
        """Hold every piece of data this long, each way."""
        self._latency_s = latency_ms / 1000

    def cut(self) -> None:
        """Break all connections; new ones are accepted."""
        self._call(self._cut)

    def cut_after(self, count_bytes: int) -> None:
        """Break all connections once, after this many more bytes (both directions together)."""
        self._call(lambda: setattr(self, "_bytes_left", count_bytes))

    def refuse(self, refusing: bool) -> None:
        """Whether new connections are closed at once."""
        self._call(lambda: setattr(self, "_refusing", refusing))

    def pause(self) -> None:
        """Black hole: connections stay open, nothing passes, nobody is told."""
        self._call(self._flowing.clear)

    def resume(self) -> None:
        """Let what was held pass."""
        self._call(self._flowing.set)

    def _call(self, command: Callable[[], object]) -> None:
        """Run `command` in the proxy's thread and wait until it is done."""
        done = threading.Event()

        def run() -> None:
            command()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._ended.wait()
        server.close()
        self._cut()
        forwarding = asyncio.all_tasks() - {asyncio.current_task()}
        for task in forwarding:
            task.cancel()
        await asyncio.gather(*forwarding, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._forward(reader, far_writer), self._forward(far_reader, writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                self.passed_bytes += len(data)
                self.passed_pieces += 1
                await asyncio.sleep(self._latency_s)
                await self._flowing.wait()
                if self._bytes_left is not None:
                    self._bytes_left -= len(data)
                    if self._bytes_left < 0:
                        self._bytes_left = None
                        self._cut()
                        return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
