"""encodedCharacters: each option lets one character pass in its encoded form; the path counts as it stands in the chain."""
import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

CHARACTERS = {"allowEncodedSlash": "%2F", "allowEncodedBackSlash": "%5c", "allowEncodedNullCharacter": "%00", "allowEncodedSemicolon": "%3B",
              "allowEncodedPercent": "%25", "allowEncodedQuestionMark": "%3f", "allowEncodedHash": "%23"}


def test_every_option(server, routed):
    app = server(answer_all())
    config = one_route(app, {"e": {"encodedCharacters": {}}})
    proxied = routed(config)

    def statuses():
        client = proxied.connect()
        found = {}
        for name, text in CHARACTERS.items():
            client.send(get(f"/a{text}b"))
            found[name] = client.response().status
        client.send(get("/a%20b?x=%2F%00"))
        assert client.response().status == 200
        return found

    assert set(statuses().values()) == {400} and len(app.requests) == 1
    for option in CHARACTERS:
        config["middlewares"]["e"]["encodedCharacters"] = {option: True}
        proxied.change(config)
        assert {name for name, status in statuses().items() if status == 200} == {option}


def test_what_those_before_made_of_the_path(server, routed):
    app = server(answer_all())
    config = one_route(app, {"s": {"replacePath": {"path": "/plain"}}, "e": {"encodedCharacters": {}}})
    proxied = routed(config)
    client = proxied.connect()
    client.send(get("/x%2Fy"))
    assert client.response().status == 200
    config["middlewares"]["s"] = {"addPrefix": {"prefix": "/a%2Fb"}}
    proxied.change(config)
    client.send(get("/x"))
    assert client.response().status == 400
