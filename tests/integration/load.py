"""A load checker: clients in one asyncio loop on a thread, each of which notes everything that a user would notice.

Load(port, host)  fresh connections, kept connections, WebSockets (to whoami's /echo), slow downloads and slow uploads
(each checked byte for byte), all asking again and again until stop(). What went wrong is counted by kind: connect (refused
or timed out), reset, short (the answer ended early), status, late (first byte after `late` seconds), websocket (an echo
that failed), bytes (a transfer came out wrong). `problems` are sentences about it. reopen: a WebSocket that broke is followed
by another one. tls: an SSLContext, everything goes over it; preface: bytes before all others (a PROXY header).

Who kills a worker on purpose asks held_by() for the clients of the connections it had accepted and says so by excuse():
what goes wrong on those is counted apart, in `excused` (ledger.py).
"""
import asyncio
import base64
import collections
import os
import re
import socket
import subprocess
import threading
import time

from ledger import Connection, Ledger
from processes import descriptors

SECONDS = 20
LETTERS = b"-ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # what whoami's /data repeats
TRANSFER = 256 * 1024
PIECE = 8 * 1024
IDLE_MOST = 0.8  # s: a router that stops closes the connection of who asks nothing for a second: whom the machine kept opens another


def data(size):
    """The body of /data?size=N."""
    return b"|" + (LETTERS * (size // len(LETTERS) + 1))[1:size - 1] + b"|"


def dechunk(text):
    body, at = [], 0
    while True:
        end = text.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(text[at:end], 16)
        if size == 0:
            return b"".join(body)
        body.append(text[end + 2:end + 2 + size])
        at = end + 4 + size


def held_by(pid, port, end="sport"):
    """Clients (their ports) of the connections to `port` that a process has accepted. Stop it first."""
    inodes = {target[8:-1] for target in descriptors(pid).values()}
    rows = subprocess.run(["ss", "-Htne", f"{end} = :{port}"], capture_output=True, text=True, check=True).stdout
    return {int(row.split()[4].rsplit(":", 1)[1]) for row in rows.splitlines()
            if re.search(r"ino:(\d+)", row).group(1) in inodes}


class Load:
    def __init__(self, port, host="one", fresh=4, kept=4, websockets=0, downloads=0, uploads=0, late=None, pause=0.002,
                 reopen=False, echo_pause=0.05, address="127.0.0.1", tls=None, preface=b"", ledger=None):
        self.address, self._tls, self._preface = address, tls, preface
        self.ledger = ledger or Ledger()
        self.port, self.host, self.late, self.pause = port, host, late, pause
        self.done, self.echoes, self.transfers = 0, 0, 0
        self.first_bytes = collections.defaultdict(list)  # seconds, by the kind of client
        self.lateness = [0.0]  # seconds, of its own loop
        self._target, self._enough = 0, threading.Event()
        self._reopen, self._echo_pause = reopen, echo_pause
        self._stop = threading.Event()
        self._numbers = (fresh, kept, websockets, downloads, uploads)
        self._open = threading.Barrier(2)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._open.wait(SECONDS + websockets / 50)  # every WebSocket is open

    # ---- what went wrong ----
    def _problem(self, kind, words, connection=None):
        self.ledger.problem(kind, words, connection)

    def excuse(self, ports, until=None):
        """See Ledger."""
        self.ledger.excuse(ports, until)

    @property
    def all_problems(self):
        return self.ledger.all_problems

    @property
    def problems(self):
        return self.ledger.problems

    @property
    def counts(self):
        return self.ledger.counts

    @property
    def excused(self):
        return self.ledger.excused

    def _first_byte(self, seconds, connection):
        if self.ledger.is_excused(connection.port, connection.opened, time.monotonic()):
            return
        self.first_bytes[connection.kind].append(seconds)
        if self.late is not None and seconds > self.late:
            self._problem("late", f"first byte after {seconds * 1000:.0f} ms", connection)

    def first_bytes_mark(self):
        """Where the lists end now."""
        return {kind: len(seconds) for kind, seconds in list(self.first_bytes.items())}

    def percentile(self, part, kind=None, since=None):
        """The first-byte time that `part` of the answers (to one kind of client, since a mark) did not exceed."""
        ordered = sorted(s for k, seconds in list(self.first_bytes.items()) if kind in (None, k)
                         for s in seconds[(since or {}).get(k, 0):])
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0

    def late_itself(self):
        """Seconds, as percentile(0.999)."""
        ordered = sorted(self.lateness)
        return ordered[int(len(ordered) * 0.999)]

    # ---- clients ----
    async def _dial(self, small):
        s = socket.socket()
        s.setblocking(False)
        try:
            if small:  # so that a slow reader is felt by the other side
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(s, (self.address, self.port)), SECONDS)
        except BaseException:
            s.close()
            raise
        return s

    async def _speak(self, s):
        """StreamReader and StreamWriter, behind what comes before the first request."""
        if self._preface:
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(s, self._preface), SECONDS)
        more = {"ssl": self._tls, "server_hostname": self.host} if self._tls else {}
        return await asyncio.wait_for(asyncio.open_connection(sock=s, limit=64 * 1024, **more), SECONDS)

    def _head(self, line, *fields, host=None):
        return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host or self.host}", *fields, "", ""]).encode()

    async def _answer(self, connection, began, status=200):
        """The head of an answer in lower case, and how long its body is (None: chunked)."""
        reader = connection.reader
        first = await asyncio.wait_for(reader.readexactly(1), SECONDS)
        self._first_byte(time.monotonic() - began, connection)
        head = (first + await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)).decode("latin-1").lower()
        if not head.startswith(f"http/1.1 {status} "):
            self._problem("status", f"{time.strftime('%H:%M:%S')} {head[:300]!r}", connection)
        length = re.search(r"\r\ncontent-length: *(\d+)", head)
        return head, int(length.group(1)) if length else None

    async def _ask(self, connection, close):
        """One request; False when the server said that this was the last."""
        began = time.monotonic()
        connection.writer.write(self._head("GET /data?size=2000", *(["Connection: close"] if close else [])))
        head, length = await self._answer(connection, began)
        await asyncio.wait_for(connection.reader.readexactly(length), SECONDS)
        self.done += 1
        if self.done >= self._target:
            self._enough.set()
        return "\nconnection: close" not in head

    async def _once(self, kind, asking, small=False):
        """Runs one connection; what ends it badly is noted."""
        opened = time.monotonic()
        try:
            s = await self._dial(small)
        except (OSError, asyncio.TimeoutError) as error:
            self._problem("connect", f"{kind}: {error!r}")
            return
        connection = Connection(None, None, s.getsockname()[1], opened, kind)
        try:
            reader, writer = await self._speak(s)
            connection = connection._replace(reader=reader, writer=writer)
            await asking(connection)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self._problem("short", f"{kind}: {error!r}", connection)
        except asyncio.TimeoutError:
            self._problem("late", f"{kind}: nothing for {SECONDS} s", connection)
        except OSError as error:
            self._problem("reset", f"{kind}: {error!r}", connection)
        finally:
            (connection.writer or s).close()

    async def _fresh(self):
        async def asking(connection):
            await self._ask(connection, close=True)
        while not self._stop.is_set():
            await self._once("fresh", asking)
            await asyncio.sleep(self.pause)

    async def _kept(self):
        async def asking(connection):
            began, more = time.monotonic(), True
            while more and not self._stop.is_set() and time.monotonic() - began < IDLE_MOST:
                began = time.monotonic()
                more = await self._ask(connection, close=False)
                await asyncio.sleep(self.pause)
        while not self._stop.is_set():
            await self._once("kept", asking)

    async def _slowly(self):
        if not self._stop.is_set():
            await asyncio.sleep(0.02)

    async def _download(self):
        async def asking(connection):
            connection.writer.write(self._head(f"GET /data?size={TRANSFER}", "Connection: close"))
            _, length = await self._answer(connection, time.monotonic())
            got = b""
            while len(got) < length:
                piece = await asyncio.wait_for(connection.reader.readexactly(min(PIECE, length - len(got))), SECONDS)
                got += piece
                await self._slowly()
            if got != data(TRANSFER):
                self._problem("bytes", f"download of {len(got)} bytes", connection)
            self.transfers += 1
        while not self._stop.is_set():
            await self._once("download", asking, small=True)

    async def _upload(self, chunked):
        """whoami sends the body back as it comes, behind the request as it saw it."""
        async def send(connection, body):
            for at in range(0, len(body), PIECE):
                piece = body[at:at + PIECE]
                connection.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                await asyncio.wait_for(connection.writer.drain(), SECONDS)
                await self._slowly()
            if chunked:
                connection.writer.write(b"0\r\n\r\n")

        async def asking(connection):
            body = os.urandom(TRANSFER)
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
            connection.writer.write(self._head("POST /", framing, "Connection: close"))
            sending = asyncio.ensure_future(send(connection, body))
            try:
                head, length = await self._answer(connection, time.monotonic())
                got = await self._body(connection.reader, length)
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)  # what went wrong shows in the answer
            _, _, seen = got.partition(b"\r\n\r\n")  # printed with its framing
            if (dechunk(seen) if chunked else seen) != body:
                self._problem("bytes", f"upload: {len(got)} bytes came back", connection)
            self.transfers += 1
        while not self._stop.is_set():
            await self._once("upload", asking)

    @staticmethod
    async def _body(reader, length):
        if length is not None:
            return await asyncio.wait_for(reader.readexactly(length), SECONDS)
        got = []
        while True:
            size = int(await asyncio.wait_for(reader.readuntil(b"\r\n"), SECONDS), 16)
            got.append(await asyncio.wait_for(reader.readexactly(size + 2), SECONDS))
            if size == 0:
                return b"".join(piece[:-2] for piece in got)

    async def _websocket(self, opened):
        async def asking(connection):
            reader, writer = connection.reader, connection.writer
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(self._head("GET /echo", "Connection: Upgrade", "Upgrade: websocket",
                                    "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
            assert head.startswith(b"HTTP/1.1 101 "), head
            opened.release()
            while not self._stop.is_set():
                writer.write(bytes([0x81, 0x85, 0, 0, 0, 0]) + b"hello")
                echo = await asyncio.wait_for(reader.readexactly(7), SECONDS)
                if echo != b"\x81\x05hello":
                    self._problem("websocket", repr(echo), connection)
                self.echoes += 1
                await asyncio.sleep(self._echo_pause)
        await self._once("websocket", asking)
        while self._reopen and not self._stop.is_set():
            await self._once("websocket", asking)

    async def _pulse(self):
        """How late the clients' own loop is: what they wait for one another."""
        while not self._stop.is_set():
            slept = time.monotonic()
            await asyncio.sleep(0.02)
            self.lateness.append(time.monotonic() - slept - 0.02)

    def _more(self):
        """Other clients, of those who extend this class."""
        return []

    async def _run(self):
        fresh, kept, websockets, downloads, uploads = self._numbers
        opened = asyncio.Semaphore(0)
        tasks = [asyncio.ensure_future(self._websocket(opened)) for _ in range(websockets)]
        for _ in range(websockets):
            await asyncio.wait_for(opened.acquire(), SECONDS)
        tasks += [asyncio.ensure_future(self._fresh()) for _ in range(fresh)]
        tasks += [asyncio.ensure_future(self._kept()) for _ in range(kept)]
        tasks += [asyncio.ensure_future(self._download()) for _ in range(downloads)]
        tasks += [asyncio.ensure_future(self._upload(i % 2 == 1)) for i in range(uploads)]
        tasks += [asyncio.ensure_future(client) for client in (*self._more(), self._pulse())]
        self._open.wait(SECONDS)
        await asyncio.gather(*tasks)

    # ---- for tests ----
    def more(self, answers=200):
        """Until so many more answers have come."""
        self._target = self.done + answers
        while self.done < self._target:
            self._enough.clear()
            if self.done < self._target:
                assert self._enough.wait(SECONDS), (self.done, self._target, self.problems)

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
        assert not self._numbers[3] + self._numbers[4] or self.transfers > 0
