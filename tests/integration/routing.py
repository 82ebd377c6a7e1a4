"""A router with a whole dynamic configuration of the test's own: the stand for tests of middlewares and services.

`routed(http)` starts weir with {"http": http} of the file provider and gives a Proxy (proxying.py) that also has .change(http).
Values may hold servers (rawhttp.Server) or whoamis in place of URLs: `url(server)` makes one.
"""
import json

import pytest

from proxying import Proxy, flags_of, port_of


def url(server):
    return f"http://127.0.0.1:{port_of(server)}"


def balancer(*servers, **options):
    return {"loadBalancer": {"servers": [{"url": url(s)} for s in servers], **options}}


def one_route(server, middlewares, **services):
    """Everything through these middlewares, in their order, to that server."""
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": list(middlewares)}},
            "middlewares": middlewares, "services": {"all": balancer(server), **services}}


class Routed(Proxy):
    def __init__(self, router, path):
        super().__init__(router)
        self.path = path

    def change(self, http, workers=1):
        """Returns when all workers serve it."""
        mark = self.router.mark()
        write(self.path, http)
        at, match = self.router.wait_log(r"Configuration changed.*generation=(\d+)", mark)
        for _ in range(workers):
            at, _ = self.router.wait_log(rf"generation {match.group(1)} in force", mark if _ == 0 else at + 1)


def write(path, http):
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"http": http}))
    part.rename(path)


@pytest.fixture
def routed(weir, tmp_path):
    def start(http, *args, workers=1, **options):
        path = tmp_path / "dynamic.json"
        write(path, http)
        return Routed(weir(f"--providers.file.filename={path}", *args, *flags_of(options), workers=workers), path)

    return start
