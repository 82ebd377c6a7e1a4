"""basicAuth: who passes with hashes of every kind that htpasswd writes, what the server gets, users files, and hashes that take long."""
import base64
import os
import subprocess
import time

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def hashed(user, password, *how):
    return subprocess.run(["htpasswd", "-nb", *how, user, password], capture_output=True, text=True, check=True).stdout.strip()


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def through(app, **options):
    return one_route(app, {"a": {"basicAuth": options}})


def ask(proxied, *fields, client=None, **kw):
    client = client or proxied.connect()
    client.send(get("/x", *fields, **kw))
    return client.response(kw.get("method"))


def test_every_kind_of_hash(server, routed):
    app = server()
    kinds = {"bcrypt": ["-B", "-C", "4"], "md5": ["-m"], "sha1": ["-s"], "sha256": ["-2"], "sha512": ["-5"]}
    proxied = routed(through(app, users=[hashed(name, f"of {name}", *how) for name, how in kinds.items()]))
    client = proxied.connect()
    for name in kinds:
        for _ in range(2):  # the second time it is known
            assert ask(proxied, basic(name, f"of {name}"), client=client).status == 200, name
            for wrong in ("", f"of {name}\0", f"of {name} ", "of md5x"):
                assert ask(proxied, basic(name, wrong), client=client).status == 401, (name, wrong)
    assert ask(proxied, basic("nobody", "of md5"), client=client).status == 401


def test_what_is_no_login(server, routed):
    app = server()
    proxied = routed(through(app, users=[hashed("bob", "secret", "-s")]))
    good = base64.b64encode(b"bob:secret").decode()
    for line in (None, "", "Basic", "Basic ", "Basic !", f"Bearer {good}", f"Basic {good}=", f"Basic  {good}", good,
                 "Basic " + base64.b64encode(b"bob").decode(), f"Basic {good[:-1]}"):
        answer = ask(proxied, *([f"Authorization: {line}"] if line is not None else []))
        assert answer.status == 401, line
        assert answer.get("www-authenticate") == 'Basic realm="traefik"' and answer.get("content-type") == "text/plain"
        assert answer.body == b"401 Unauthorized\n"
    assert not app.requests
    assert ask(proxied, f"authorization: bAsIc {good}").status == 200
    assert ask(proxied, f"Authorization: Basic {good}", "Authorization: Basic x").status == 200  # the first one counts
    assert app.requests[-1].all("authorization") == [f"Basic {good}"]  # and is all that the server sees


def test_what_the_server_gets(server, routed):
    app = server()
    config = through(app, users=[hashed("bob", "secret", "-s")])
    proxied = routed(config)
    assert ask(proxied, basic("bob", "secret"), "X-User: eve").status == 200
    assert (app.requests[-1].get("authorization"), app.requests[-1].all("x-user")) == (basic("bob", "secret")[15:], ["eve"])
    config["middlewares"]["a"]["basicAuth"].update(headerField="X-User", removeHeader=True, realm="the office")
    proxied.change(config)
    assert ask(proxied, basic("bob", "secret"), "x-user: eve", "X_User: mallory").status == 200
    got = app.requests[-1]
    assert (got.get("authorization"), got.all("x-user"), got.get("x_user")) == (None, ["bob"], None)
    assert ask(proxied).get("www-authenticate") == 'Basic realm="the office"'


def test_users_file(server, routed, tmp_path):
    app, path = server(), tmp_path / "users"
    subprocess.run(["htpasswd", "-cbB", "-C", "4", path, "bob", "from file"], check=True, capture_output=True)
    subprocess.run(["htpasswd", "-bs", path, "both", "from file"], check=True, capture_output=True)
    path.write_text("# people\n\n  " + path.read_text())
    proxied = routed(through(app, usersFile=str(path), users=[hashed("both", "inline", "-s")]))

    def put(text):
        part = tmp_path / "part"
        part.write_text(text)
        os.rename(part, path)

    def status(user, password):
        return ask(proxied, basic(user, password)).status

    assert [status("bob", "from file"), status("both", "inline"), status("both", "from file")] == [200, 200, 401]
    subprocess.run(["htpasswd", "-bB", "-C", "4", path, "bob", "changed"], check=True, capture_output=True)
    wait_until("the new password of bob", lambda: status("bob", "changed") == 200)
    assert status("bob", "from file") == 401  # though it was known
    mark = proxied.router.mark()
    put("bob:plain text\n")
    proxied.router.wait_log(r'usersFile .*line 1: user "bob": the hash is none of .*users that it held before stay', start=mark)
    assert [status("bob", "changed"), status("bob", "plain text")] == [200, 401]
    put(hashed("eve", "new", "-s") + "\n")
    wait_until("the new user", lambda: status("eve", "new") == 200)


def test_a_users_file_in_the_middle_of_being_written(server, routed, tmp_path):
    """Its beginning is a users file too: nobody is locked out by that."""
    app, path = server(), tmp_path / "users"
    lines = [hashed(name, "x", "-s") + "\n" for name in ("eve", "bob")]

    def two_looks():
        """Who asks, after two looks at the beginning; None: we stood still for so long that it passed for the whole."""
        path.write_text("".join(lines))
        proxied = routed(through(app, usersFile=str(path)))
        client = proxied.connect()
        mark, looks, written, stalled = proxied.router.mark(), 0, time.monotonic(), False
        with open(path, "w") as file:
            while looks < 2:  # each is a chance to read what is there
                file.seek(0)
                file.truncate()
                file.write(lines[0])
                file.flush()
                before, written = written, time.monotonic()
                status = ask(proxied, basic("bob", "x"), client=client).status
                stalled = stalled or time.monotonic() - before > 0.2  # after 0.3 s without a change it is whole
                if stalled and status == 401:
                    return None
                assert status == 200
                looks = sum("of users has changed" in line for line in proxied.router.log().split("\n")[mark:])
            file.write(hashed("joe", "x", "-s") + "\n")
        return proxied, client

    proxied, client = wait_until("the file is written without a pause", two_looks)
    wait_until("the whole file", lambda: ask(proxied, basic("joe", "x"), client=client).status == 200)
    assert ask(proxied, basic("bob", "x"), client=client).status == 401


@pytest.mark.parametrize("options, text", [
    ({"users": ["bob:{SHA}AAAA", "eve:x"]}, r'users\[0\]: user "bob": the hash is none of'),
    ({"users": ["nocolon"]}, r"users\[0\]: a user is written name:hash"),
    ({"users": []}, "no users found"),
    ({"usersFile": "/nowhere/users"}, "usersFile /nowhere/users: .*No such file"),
    ({"users": ["bob:$2y$30$" + "a" * 53]}, "cost of 30 takes too long"),
    ({"users": ["bob:{SHA}2oguq15ANCGsJCWKX31fllwpyEk="], "headerField": "X User"}, 'headerField "X User" is no name'),
])
def test_wrong_options_disable_the_router(server, routed, options, text):
    app = server()
    config = through(app, **options)
    config["routers"]["other"] = {"rule": "Path(`/other`)", "service": "all", "priority": 1000}
    proxied = routed(config)
    assert ask(proxied).status == 404
    proxied.router.wait_log(text)
    for secret in ("{SHA}AAAA", "nocolon", "a" * 53):
        assert secret not in proxied.router.log()


def test_a_slow_hash_does_not_stop_the_others(server, routed):
    """While some are computed requests are served by the same worker; of those who leave none is computed any more."""
    app = server()
    config = through(app, users=[hashed("bob", "slow", "-B", "-C", "13")])
    config["routers"]["free"] = {"rule": "Path(`/free`)", "service": "all", "priority": 1000}
    proxied = routed(config)
    guessing = [proxied.connect() for _ in range(40)]  # for half a minute, if they stayed
    for i, client in enumerate(guessing):
        client.send(get("/x", basic("bob", f"guess {i}")))
    free = proxied.connect()
    free.send(get("/free"))
    assert free.response().status == 200
    assert guessing[-1].silent(0.01)
    for client in guessing:
        client.reset()
    same = [proxied.connect() for _ in range(8)]
    for client in same:
        client.send(get("/x", basic("bob", "slow")))
    assert [client.response().status for client in same] == [200] * 8


def test_too_many_are_refused(server, routed):
    app = server()
    proxied = routed(through(app, users=[hashed("bob", "slow", "-B", "-C", "10")]))
    clients = [proxied.connect() for _ in range(100)]
    for i, client in enumerate(clients):
        client.send(get("/x", basic("bob", f"guess {i}")))
    answers = [client.response() for client in clients]
    assert {answer.status for answer in answers} == {401, 503}
    assert all(answer.get("retry-after") == "1" for answer in answers if answer.status == 503)
    assert ask(proxied, basic("bob", "slow")).status == 200


def test_a_change_while_it_is_computed(server, routed):
    app = server()
    config = through(app, users=[hashed("bob", "slow", "-B", "-C", "13")])
    proxied = routed(config)
    client = proxied.connect()
    client.send(get("/x", basic("bob", "slow")))
    config["middlewares"]["a"]["basicAuth"]["users"] = [hashed("eve", "new", "-s")]
    proxied.change(config)
    assert client.response().status == 200  # decided by what was in force when it came
    assert ask(proxied, basic("bob", "slow")).status == 401
    assert ask(proxied, basic("eve", "new")).status == 200
