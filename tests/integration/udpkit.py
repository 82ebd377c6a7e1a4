"""UDP servers and clients that tell sessions apart.

Server(name): answers each datagram with `name PORT datagram`, PORT being where it came from: the socket of the session.
Client(port): one socket; ask() sends until an answer to that very datagram comes, told(...) splits it.
"""
import contextlib
import socket
import threading

from ports import free_port
from waiting import DEADLINE, wait_until

RESEND = 1.0


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
