"""UDP servers and clients that tell sessions apart.

Server(name): answers each datagram with `name PORT datagram`, PORT being where it came from: the socket of the session.
Client(port): one socket; ask() sends until an answer to that very datagram comes, told(...) splits it.
"""
import contextlib
import pathlib
import resource
import selectors
import socket
import threading
import time

from ports import free_port
from processes import descriptors
from waiting import DEADLINE, wait_until

RESEND = 1.0
AT_ONCE = 50  # so that no buffer runs over


class Server:
    def __init__(self, name, host="127.0.0.1", port=None):
        self.name, self.host = name, host
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((host, port or free_port()))
        self.port = self.socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.peers = []  # of each datagram
        self.silent = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.socket.recvfrom(65536)
                if data == b"end":
                    return
                self.peers.append(peer)
                if not self.silent:
                    # a large one leaves as it came, so that it still fits
                    self.socket.sendto(data if len(data) > 60000 else f"{self.name} {peer[1]} ".encode() + data, peer)

    def close(self):
        with contextlib.suppress(OSError), socket.socket(self.socket.family, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", self.socket.getsockname()[:2])
        self._thread.join(DEADLINE)
        self.socket.close()


class Client:
    count = 0

    def __init__(self, port, host="127.0.0.1", source=None):
        self.to = (host, port)
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            self.socket.bind((source, 0))

    def ask(self, words="", seconds=DEADLINE):
        """(name of the server, port of the session there). A datagram may be lost, so it is sent again."""
        Client.count += 1
        word = f"{words}#{Client.count}".encode()

        def answered():
            self.socket.sendto(word, self.to)
            self.socket.settimeout(RESEND)
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                while True:
                    data, peer = self.socket.recvfrom(65536)
                    if data.endswith(b" " + word):
                        assert peer[:2] == self.to, f"the answer comes from {peer}, not {self.to}"
                        name, port, _ = data.split(b" ", 2)
                        return name.decode(), int(port)
            return None
        return wait_until(f"an answer from {self.to}", answered, seconds)

    def unanswered(self, seconds=0.3):
        """One datagram that nobody answers."""
        self.socket.sendto(b"?", self.to)
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(65536)
        except TimeoutError:
            return True

    def close(self):
        self.socket.close()


def udp_file(path, routers, services, weighted=()):
    """Writes the udp section of a dynamic file: routers {name: (entry points, service)}, services {name: [addresses]},
    weighted {name: [(service, weight)]}."""
    lines = ["udp:", "  routers:"]
    for name, (points, service) in routers.items():
        lines += [f"    {name}:", f"      entryPoints: [{', '.join(points)}]", f"      service: {service}"]
    lines += ["  services:"]
    for name, addresses in services.items():
        lines += [f"    {name}:", "      loadBalancer:", "        servers:"]
        lines += [f"          - address: \"{address}\"" for address in addresses]
    for name, children in dict(weighted).items():
        lines += [f"    {name}:", "      weighted:", "        services:"]
        lines += [f"          - {{name: {child}, weight: {weight}}}" for child, weight in children]
    part = path.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n")
    part.rename(path)
    return path


class Crowd:
    """Many clients, each with one socket."""

    def __init__(self, port, count, host="127.0.0.1"):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.to, self.turn = (host, port), 0
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for s in self.sockets:
            s.setblocking(False)

    def ask(self, seconds=DEADLINE):
        """What each is told, (name, port), in their order. What is lost is asked again."""
        self.turn += 1
        word, told = f"turn {self.turn}".encode(), {}
        with selectors.DefaultSelector() as selector:
            for number, s in enumerate(self.sockets):
                selector.register(s, selectors.EVENT_READ, number)

            def answered():
                left = [n for n in range(len(self.sockets)) if n not in told]
                for start in range(0, len(left), AT_ONCE):
                    for number in left[start:start + AT_ONCE]:
                        self.sockets[number].sendto(word, self.to)
                    self._hear(selector, word, told, len(told) + min(AT_ONCE, len(left) - start))
                return len(told) == len(self.sockets)
            wait_until(f"answers to {len(self.sockets)} clients", answered, seconds)
        return [told[number] for number in range(len(self.sockets))]

    @staticmethod
    def _hear(selector, word, told, enough):
        while events := selector.select(RESEND / 5):
            for key, _ in events:
                data = key.fileobj.recv(65536)
                if data.endswith(b" " + word):
                    name, port, _ = data.split(b" ", 2)
                    told[key.data] = (name.decode(), int(port))
            if len(told) >= enough:
                return

    def close(self):
        for s in self.sockets:
            s.close()


def ports_of(pid):
    """The local ports of a process's UDP sockets."""
    inodes = {target[8:-1] for target in descriptors(pid).values() if target.startswith("socket:")}
    rows = [line.split() for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]]
    return {int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[9] in inodes}


class Traffic:
    """A few clients that ask again and again meanwhile; each must be told the same for ever.

    Who kills a worker says so by killed(): sessions that none of the others has then may have gone with it."""

    def __init__(self, port, count=8, pause=0.0):
        self.crowd, self.stopping, self.error, self.turns, self._pause = Crowd(port, count), threading.Event(), None, 0, pause
        self._kills, self._changes = [], []  # (when, ports that the others have), (client, told, instead of, since, when)
        self._told, self._since = self.crowd.ask(), [time.monotonic()] * count
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self.stopping.wait(self._pause):
                began, told = time.monotonic(), self.crowd.ask()
                for i in (i for i, one in enumerate(told) if one != self._told[i]):
                    self._changes.append((i, told[i], self._told[i], self._since[i], time.monotonic()))
                    self._told[i], self._since[i] = told[i], began
                self.turns += 1
        except Exception as error:  # told by stop()
            self.error = error

    def killed(self, when, others):
        """A worker was killed then; what these have now is not gone."""
        kept = set()
        for pid in others:
            with contextlib.suppress(FileNotFoundError):  # it ended in order: it had given away what it had
                kept |= ports_of(pid)
        self._kills.append((when, kept))

    def _went(self, port, since, until):
        return any(since <= when <= until and port not in kept for when, kept in self._kills)

    @property
    def lost(self):
        """How many sessions went with a worker that was killed."""
        return sum(self._went(old[1], since, when) for _, _, old, since, when in self._changes)

    @property
    def problems(self):
        return [f"udp: client {i} is told {new}, not {old}" for i, new, old, since, when in self._changes
                if not self._went(old[1], since, when)] + ([f"udp: {self.error}"] if self.error else [])

    def more(self):
        """A whole turn, begun after this."""
        turns = self.turns + 2
        wait_until("more turns", lambda: self.turns >= turns or self.problems)
        assert not self.problems, self.problems

    def stop(self):
        self.stopping.set()
        self._thread.join(DEADLINE * 2)
        self.crowd.close()

    def close(self):
        self.stop()
        assert not self.problems, self.problems
