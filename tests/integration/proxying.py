"""A router with one route to scripted servers: the stand for tests of the data path.

`proxy(server, ..., option=value)` starts weir with everything under `/` going to the servers (round robin) and gives an
object with .port, .connect(), .descriptors(). Options: see OPTIONS.
"""
import pytest

from conftest import wait_until
from processes import descriptors
from rawhttp import Server, connect, get

WEB = "--entryPoints.web."
OPTIONS = {
    "read_timeout": WEB + "transport.respondingTimeouts.readTimeout",
    "grace": WEB + "transport.lifeCycle.graceTimeOut",
    "idle_timeout": WEB + "transport.respondingTimeouts.idleTimeout",
    "write_timeout": WEB + "transport.respondingTimeouts.writeTimeout",
    "streams": WEB + "http2.maxConcurrentStreams",
    "decoder_table": WEB + "http2.maxDecoderHeaderTableSize",
    "max_requests": WEB + "transport.keepAliveMaxRequests",
    "max_header_bytes": WEB + "http.maxHeaderBytes",
    "insecure": WEB + "forwardedHeaders.insecure",
    "trusted": WEB + "forwardedHeaders.trustedIPs",
    "underscores": WEB + "http.underscoreHeadersStrategy",
    "encode_semicolons": WEB + "http.encodeQuerySemicolons",
    "not_append": WEB + "forwardedHeaders.notAppendXForwardedFor",
    "header_timeout": "--serversTransport.forwardingTimeouts.responseHeaderTimeout",
    "send_timeout": "--serversTransport.forwardingTimeouts.sendTimeout",
    "server_idle": "--serversTransport.forwardingTimeouts.idleConnTimeout",
    "max_idle": "--serversTransport.maxIdleConnsPerHost",
    "memory": "--limits.memory",
    "dial_timeout": "--serversTransport.forwardingTimeouts.dialTimeout",
}


def flags_of(options):
    return [f"{OPTIONS[name]}={str(value).lower() if isinstance(value, bool) else value}"
            for name, value in options.items()]


def port_of(server):
    return server.port if isinstance(server, Server) else int(server)


class Proxy:
    def __init__(self, router, workers=1):
        router.accepting(workers)  # descriptors are counted
        self.router, self.port, self.pids = router, router.ports["web"], router.workers(workers)

    def connect(self):
        return connect(self.port)

    def descriptors(self):
        """Sockets that the workers hold."""
        return sum(target.startswith("socket:") for pid in self.pids for target in descriptors(pid).values())

    def settled(self, count):
        wait_until(f"{count} sockets in the workers", lambda: self.descriptors() == count)

    def resident_kib(self):
        total = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/status") as status:
                total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        return total


def ask(proxied, *args, **kw):
    """One request, as get() makes it, on a connection of its own."""
    client = proxied.connect()
    client.send(get(*args, **kw))
    answer = client.response(kw.get("method"))
    client.close()
    return answer


@pytest.fixture
def server():
    made = []

    def start(handler=None, **kw):
        made.append(Server(handler, **kw))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def proxy(weir, tmp_path):
    def start(*servers, workers=1, pass_host=True, scheme="http", **options):
        urls = "".join(f"          - url: {scheme}://127.0.0.1:{port_of(s)}\n" for s in servers)
        dynamic = tmp_path / "dynamic.yml"
        dynamic.write_text("http:\n"
                           "  routers:\n"
                           "    all:\n"
                           "      rule: PathPrefix(`/`) && !PathPrefix(`/nope`)\n"
                           "      service: all\n"
                           "  services:\n"
                           "    all:\n"
                           "      loadBalancer:\n"
                           f"        passHostHeader: {str(pass_host).lower()}\n"
                           f"        servers:{' []' if not servers else ''}\n" + urls)
        router = weir(f"--providers.file.filename={dynamic}", *flags_of(options), workers=workers)
        return Proxy(router, workers)

    return start
