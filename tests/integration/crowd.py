"""Thousands of connections in one thread: a crowd of clients that ask and do not behave, a server with long answers.

Crowd(port, count, data)  opens the connections, sends data on each and reads nothing by itself.
Fountain(size)            a server that answers every request with a body of that size, as fast as it is taken.
Deaf()                    a server that switches protocols when that is asked for, and reads nothing more, as of any other client.
Both keep their own kernel buffers small: the memory that counts is to be weir's.
"""
import contextlib
import errno
import resource
import select
import socket
import threading
import time

from ports import free_port

SECONDS = 30
BATCH = 500  # less than a queue of connections holds
BUFFER = 8192


def allow_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def begin(port, number):
    """A connection under way. Addresses of their own, so that ports do not run out."""
    s = socket.socket()
    s.setblocking(False)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    s.bind((f"127.0.0.{2 + number % 8}", 0))
    try:
        s.connect(("127.0.0.1", port))
    except BlockingIOError:
        pass
    return s


class Crowd:
    def __init__(self, port, count, data=b""):
        self.sockets = []
        for start in range(0, count, BATCH):
            batch = [begin(port, i) for i in range(start, min(count, start + BATCH))]
            self.sockets += batch
            self._send(batch, data)

    def _send(self, batch, data):
        """Until every one has connected and sent all, or was closed."""
        poll, left, end = select.epoll(), {}, time.monotonic() + SECONDS
        with contextlib.closing(poll):
            for s in batch:
                left[s.fileno()] = (s, memoryview(data))
                poll.register(s.fileno(), select.EPOLLOUT)
            while left:
                assert time.monotonic() < end, f"{len(left)} of {len(batch)} clients are stuck"
                for fd, _ in poll.poll(1):
                    s, rest = left[fd]
                    try:
                        rest = rest[s.send(rest):] if rest else rest
                    except BlockingIOError:
                        continue
                    except OSError:
                        rest = b""
                    left[fd] = (s, rest)
                    if not rest:
                        poll.unregister(fd)
                        del left[fd]

    def pump(self, data):
        """Sends what is taken of it right now; how many bytes all of them took."""
        taken = 0
        for s in self.sockets:
            with contextlib.suppress(OSError):
                taken += s.send(data)
        return taken

    def ended(self):
        """(refused with 503, closed without a word, still open), as far as is seen now. Does not read what is there."""
        refused = closed = 0
        for s in self.sockets:
            try:
                begun = s.recv(12, socket.MSG_PEEK)
                refused += begun == b"HTTP/1.1 503"
                closed += begun == b""
            except BlockingIOError:
                pass
            except OSError as error:
                assert error.errno in (errno.ECONNRESET, errno.EPIPE), error
                closed += 1
        return refused, closed, len(self.sockets) - refused - closed

    def answered(self):
        """How many have something to read, or have ended, as far as is seen now."""
        poll = select.poll()
        for s in self.sockets:
            poll.register(s.fileno(), select.POLLIN)
        return len(poll.poll(0))

    def close(self):
        for s in self.sockets:
            s.close()
        self.sockets = []


class Deaf:
    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # inherited
        self.listener.bind(("127.0.0.1", free_port()))
        self.listener.listen(4096)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open, self.lock, self.gone = [], threading.Lock(), False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                with self.lock:
                    self.open.append(s)
                    if self.gone:
                        s.close()
                        continue
                threading.Thread(target=self._switch, args=(s,), daemon=True).start()

    @staticmethod
    def _switch(s):
        head = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in head and len(head) < 4096:
                piece = s.recv(512)
                head += piece
                if not piece:
                    return
            if b"Upgrade: deaf" in head:
                s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: deaf\r\n\r\n")

    def hang_up(self):
        """Whoever is there, and whoever still comes."""
        with self.lock:
            self.gone = True
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)  # who reads it learns of it
                s.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(SECONDS)
        self.hang_up()


class Fountain:
    def __init__(self, size):
        self.answer = memoryview(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * BUFFER)  # inherited
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.listener.bind(("127.0.0.1", free_port()))
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.poll = select.epoll()
        self.poll.register(self.listener.fileno(), select.EPOLLIN)
        self.open = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _accept(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                s, _ = self.listener.accept()
                s.setblocking(False)
                self.open[s.fileno()] = [s, b"", memoryview(b"")]
                self.poll.register(s.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def _serve(self, fd):
        entry = self.open[fd]
        s, asked, rest = entry
        try:
            with contextlib.suppress(BlockingIOError):
                while True:
                    piece = s.recv(65536)
                    if not piece:
                        raise ConnectionResetError
                    asked += piece
            while rest or b"\r\n\r\n" in asked:
                if not rest:
                    asked = asked.partition(b"\r\n\r\n")[2]
                    rest = self.answer
                rest = rest[s.send(rest):]
        except BlockingIOError:
            pass
        except OSError:
            del self.open[fd]
            s.close()
            return
        entry[1:] = asked, rest

    def _run(self):
        while not self.stopping.is_set():
            for fd, _ in self.poll.poll(0.1):
                if fd == self.listener.fileno():
                    self._accept()
                elif fd in self.open:
                    self._serve(fd)

    def close(self):
        self.stopping.set()
        self.thread.join(SECONDS)
        for s, _, _ in self.open.values():
            s.close()
        self.listener.close()
        self.poll.close()
