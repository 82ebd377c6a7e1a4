"""A load checker: clients in one asyncio loop on a thread, each of which notes everything that a user would notice.

Load(port, host)  fresh connections, kept connections and WebSockets (to whoami's /echo), all asking again and again until
stop(). What went wrong is counted by kind: connect (refused or timed out), reset, short (the answer ended early), status,
late (first byte after `late` seconds), websocket (an echo that failed). `problems` are sentences about it.
"""
import asyncio
import base64
import os
import threading
import time

SECONDS = 20


class Load:
    def __init__(self, port, host="one", fresh=4, kept=4, websockets=0, late=None, pause=0.002):
        self.port, self.host, self.late, self.pause = port, host, late, pause
        self.done, self.slowest, self.echoes = 0, 0.0, 0
        self.first_bytes = []
        self.problems = []
        self.counts = {}
        self._stop = threading.Event()
        self._numbers = (fresh, kept, websockets)
        self._open = threading.Barrier(2)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._open.wait(SECONDS)  # every WebSocket is open

    # ---- what went wrong ----
    def _problem(self, kind, words):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.problems) < 50:
            self.problems.append(f"{time.strftime('%H:%M:%S')} {kind}: {words}")

    def _first_byte(self, seconds):
        self.first_bytes.append(seconds)
        self.slowest = max(self.slowest, seconds)
        if self.late is not None and seconds > self.late:
            self._problem("late", f"first byte after {seconds * 1000:.0f} ms")

    def percentile(self, part):
        """The first-byte time that `part` of all answers did not exceed."""
        ordered = sorted(self.first_bytes)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0

    # ---- clients ----
    async def _connect(self):
        return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), SECONDS)

    async def _ask(self, reader, writer, close):
        """One request; False when the server said that this was the last."""
        began = time.monotonic()
        writer.write(f"GET /data?size=2000 HTTP/1.1\r\nHost: {self.host}\r\n"
                     f"{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n".encode())
        first = await asyncio.wait_for(reader.readexactly(1), SECONDS)
        self._first_byte(time.monotonic() - began)
        head = (first + await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)).decode("latin-1").lower()
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
        await asyncio.wait_for(reader.readexactly(length), SECONDS)
        if not head.startswith("http/1.1 200 "):
            self._problem("status", head.split("\r\n")[0])
        self.done += 1
        return "\nconnection: close" not in head

    async def _once(self, kind, asking):
        """Runs one connection; what ends it badly is noted."""
        try:
            reader, writer = await self._connect()
        except (OSError, asyncio.TimeoutError) as error:
            self._problem("connect", f"{kind}: {error!r}")
            return
        try:
            await asking(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self._problem("short", f"{kind}: {error!r}")
        except asyncio.TimeoutError:
            self._problem("late", f"{kind}: nothing for {SECONDS} s")
        except OSError as error:
            self._problem("reset", f"{kind}: {error!r}")
        finally:
            writer.close()

    async def _fresh(self):
        async def asking(reader, writer):
            await self._ask(reader, writer, close=True)
        while not self._stop.is_set():
            await self._once("fresh", asking)
            await asyncio.sleep(self.pause)

    async def _kept(self):
        async def asking(reader, writer):
            while not self._stop.is_set() and await self._ask(reader, writer, close=False):
                await asyncio.sleep(self.pause)
        while not self._stop.is_set():
            await self._once("kept", asking)

    async def _websocket(self, opened):
        async def asking(reader, writer):
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(f"GET /echo HTTP/1.1\r\nHost: {self.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                         f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
            assert head.startswith(b"HTTP/1.1 101 "), head
            opened.release()
            while not self._stop.is_set():
                writer.write(bytes([0x81, 0x85, 0, 0, 0, 0]) + b"hello")
                echo = await asyncio.wait_for(reader.readexactly(7), SECONDS)
                if echo != b"\x81\x05hello":
                    self._problem("websocket", repr(echo))
                self.echoes += 1
                await asyncio.sleep(0.05)
        await self._once("websocket", asking)

    async def _run(self):
        fresh, kept, websockets = self._numbers
        opened = asyncio.Semaphore(0)
        tasks = [asyncio.ensure_future(self._websocket(opened)) for _ in range(websockets)]
        for _ in range(websockets):
            await asyncio.wait_for(opened.acquire(), SECONDS)
        tasks += [asyncio.ensure_future(self._fresh()) for _ in range(fresh)]
        tasks += [asyncio.ensure_future(self._kept()) for _ in range(kept)]
        self._open.wait(SECONDS)
        await asyncio.gather(*tasks)

    # ---- for tests ----
    def more(self, answers=200):
        """Until so many more answers have come."""
        target, end = self.done + answers, time.monotonic() + SECONDS
        while self.done < target:
            assert time.monotonic() < end, (self.done, target, self.problems)
            time.sleep(0.01)

    def stop(self):
        """Ends all clients in order and returns the counts of problems."""
        self._stop.set()
        self._thread.join(SECONDS + 5)
        assert not self._thread.is_alive()
        return self.counts

    def clean(self):
        """stop(), and nothing whatever may have gone wrong."""
        self.stop()
        assert not self.problems, self.problems
        assert self.done > 0
