"""Servers of https for tests: rawhttp's Server behind TLS, which notes what each handshake brought.

`secure(pair, handler, ...)` starts one: .handshakes holds a Met for each connection whose handshake was done, .refused the words of
those that failed. `https(server, host)` is its URL; `Fields` of a transport are written as in Traefik's files.
"""
import contextlib
import socket
import ssl
import threading

import pytest

from rawhttp import Server


class Met:
    """What a handshake brought."""

    def __init__(self, sock, name):
        self.name, self.version, self.cipher = name, sock.version(), sock.cipher()[0]
        self.reused, self.protocol = sock.session_reused, sock.selected_alpn_protocol()
        self.client = sock.getpeercert(binary_form=True)


class SecureServer(Server):
    def __init__(self, pair, handler=None, version=None, ciphers=None, alpn=("http/1.1",), clients=None, demand=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.crt, pair.key)
        if version:
            self.context.minimum_version = self.context.maximum_version = getattr(ssl.TLSVersion, version)
        if ciphers:
            self.context.set_ciphers(ciphers)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))
        if clients:
            self.context.load_verify_locations(clients.crt)
            self.context.verify_mode = ssl.CERT_REQUIRED if demand else ssl.CERT_OPTIONAL
        self.context.sni_callback = self._named
        self.names, self.handshakes, self.refused = {}, [], []
        self.gate = threading.Event()  # cleared: handshakes wait
        self.gate.set()
        super().__init__(handler)

    def _named(self, sock, name, _):
        self.names[sock] = name

    def show(self, pair):
        """From now on to new connections."""
        self.context.load_cert_chain(pair.crt, pair.key)

    def _serve(self, peer):
        self.gate.wait()
        try:
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False)
        except (OSError, ssl.SSLError) as error:
            self.refused.append(str(error).upper().replace("_", " "))
            peer.close()
            return
        self.handshakes.append(Met(peer.sock, self.names.pop(peer.sock, None)))
        try:
            self.handler(peer, self)
        except (EOFError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass
        except Exception as error:  # shown by the test that looks
            if not self.closing:
                self.errors.append(error)
        finally:
            with contextlib.suppress(OSError, ValueError):
                if not self.closing and isinstance(peer.sock, ssl.SSLSocket):
                    peer.sock = peer.sock.unwrap()
                peer.close()

    def close(self):
        self.gate.set()
        super().close()
        for peer in self.peers:  # also those in the middle of a handshake
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)


def https(server, host="127.0.0.1"):
    return f"https://{host}:{server.port}"


def routes(transports, urls, **options):
    """`/NAME` goes by the transport NAME (none of "default") to its URL, or to the only one."""
    names = [*transports]
    services = {}
    for name in names:
        found = urls[name] if isinstance(urls, dict) else urls
        services[name] = {"loadBalancer": {"servers": [{"url": url} for url in ([found] if isinstance(found, str) else found)], **options,
                                           **({"serversTransport": name} if transports[name] is not None else {})}}
    return {"routers": {name: {"rule": f"PathPrefix(`/{name}`)", "service": name} for name in names}, "services": services,
            "serversTransports": {name: fields for name, fields in transports.items() if fields is not None} or {"unused": {}}}


@pytest.fixture
def secure():
    made = []

    def start(pair, handler=None, **options):
        made.append(SecureServer(pair, handler, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()
