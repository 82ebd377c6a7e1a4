"""A users file that changes costs the middlewares that name it and nothing else, and what comes of it is what the whole way would publish."""
import os
import re
import signal

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from routing import routed  # noqa: F401 fixtures
from test_middleware_basic_auth import ask, basic, hashed
from test_middleware_digest_auth import curl, line

pytestmark = pytest.mark.usefixtures("server", "routed")
ANEW = "Only files of users or keys changed: "


def many(app, files):
    """m0, m1 and m2 read files[0], a chain has m1; m3 and m4, of another kind, files[1]; m5 no file."""
    middlewares = {f"m{i}": {"basicAuth": {"usersFile": str(files[0]), "users": [hashed(f"own{i}", "x", "-s")]}} for i in range(3)}
    middlewares |= {f"m{i}": {"digestAuth": {"usersFile": str(files[1])}} for i in (3, 4)}
    middlewares |= {"m5": {"addPrefix": {"prefix": "/p"}}, "both": {"chain": {"middlewares": ["m5", "m1"]}}}
    used = ["m0", "both", "m2", "m3", "m4", "m5"]
    return {"routers": {f"r{i}": {"rule": f"Host(`h{i}.test`)", "service": "s", "middlewares": [name]} for i, name in enumerate(used)},
            "middlewares": middlewares,
            "services": {"s": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{app.port}"}]}}}}


def put(path, *lines):
    part = path.with_suffix(".part")
    part.write_text("".join(f"{each}\n" for each in lines))
    os.utime(part, (1, 1))  # long ago: nobody is in the middle of writing it
    os.rename(part, path)


def status(proxied, host, user):
    return ask(proxied, basic(user, "x"), host=host).status


def whole_way_finds_nothing(router):
    mark = router.mark()
    os.kill(router.pid, signal.SIGHUP)
    router.wait_log(r"Nothing changed|Configuration changed", mark)
    assert "Configuration changed" not in "\n".join(router.log().splitlines()[mark:])


def prepared(router, mark):
    """How many middlewares each short job prepared; and all that was said to have changed."""
    text = "\n".join(router.log().splitlines()[mark:])
    return [int(count) for count in re.findall(ANEW + r"(\d+)", text)], re.findall(r"Configuration changed: (.*?) process", text)


@pytest.fixture
def bobs(server, routed, tmp_path):
    """Two files that are bob's, and who serves with them."""
    files = [tmp_path / "basic", tmp_path / "digest"]
    put(files[0], hashed("bob", "x", "-s"))
    put(files[1], line("bob", "x"))
    return files, routed(many(server(), files))


@pytest.mark.long
def test_only_who_names_the_file_is_prepared_anew(bobs):
    files, proxied = bobs
    router = proxied.router
    for round in range(2):
        mark, name = router.mark(), f"eve{round}"
        put(files[0], hashed(name, "x", "-s"))
        router.in_force(mark, workers=1)
        assert prepared(router, mark) == ([3], ["middlewares: 3 changed (m0@file, m1@file, m2@file)"])
        for host in ("h0.test", "h1.test", "h2.test"):
            assert [status(proxied, host, user) for user in (name, "own" + host[1], "bob")] == [200, 200, 401], host
        mark = router.mark()
        put(files[1], line(name, "x"))
        router.in_force(mark, workers=1)
        assert prepared(router, mark) == ([2], ["middlewares: 2 changed (m3@file, m4@file)"])
        whole_way_finds_nothing(router)


@pytest.mark.long
def test_both_files_at_once_and_one_that_is_refused(bobs):
    files, proxied = bobs
    router = proxied.router
    mark = router.mark()
    put(files[0], "bob:plain")
    router.wait_log(r"m2@file: usersFile .*users that it held before stay", mark)  # that can be said by the whole way alone
    assert prepared(router, mark)[0] == [] and status(proxied, "h0.test", "bob") == 200
    mark = router.mark()
    put(files[0], hashed("eve", "x", "-s"))
    put(files[1], line("eve", "x"))
    router.in_force(mark, "m0@file", workers=1)
    wait_until("the other file, maybe later", lambda: curl(proxied, "eve:x", "-H", "Host: h3.test") == 200)
    assert [status(proxied, "h0.test", user) for user in ("eve", "bob")] == [200, 401]
    whole_way_finds_nothing(router)
    mark = router.mark()
    files[0].unlink()
    router.wait_log(r"m2@file: usersFile .*users that it held before stay", mark)
    assert status(proxied, "h0.test", "eve") == 200
