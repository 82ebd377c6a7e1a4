"""Malformed and ambiguous HTTP from both sides (I11): each message has its outcome, whole and byte by byte.

Refused requests get a bare answer and the connection ends; nothing of them reaches the server, and nothing that was sent
behind them is taken for a request.
"""
import contextlib

import pytest

from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import connect, get, ok

HOST = b"Host: a.test\r\n"
BEHIND = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"


def request(*lines, start=b"GET / HTTP/1.1", host=HOST, body=b""):
    return start + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def post(*lines, body=b""):
    return request(*lines, start=b"POST / HTTP/1.1", body=body)


TE = b"Transfer-Encoding: chunked"
# name: (bytes, status); 200 means served
REQUESTS = {
    # start line
    "bare_lf_everywhere": (b"GET / HTTP/1.1\nHost: a.test\n\n", 400),
    "bare_lf_start_line": (b"GET / HTTP/1.1\nHost: a.test\r\n\r\n", 400),
    "bare_lf_header": (b"GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", 400),
    "bare_lf_at_end": (b"GET / HTTP/1.1\r\nHost: a.test\r\n\n", 400),
    "bare_cr_in_start_line": (b"GET /\r HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "bare_cr_in_value": (request(b"X: a\rb"), 400),
    "bare_cr_ends_line": (b"GET / HTTP/1.1\rHost: a.test\r\r", 400),
    "one_empty_line_before": (b"\r\n" + request(), 200),
    "lf_before": (b"\n" + request(), 400),
    "blank_before_method": (b" " + request(), 400),
    "no_target": (b"GET HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "empty_target": (b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two_blanks": (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "tab_for_blank": (b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "blank_behind_version": (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    "http_09": (b"GET /\r\n\r\n", 400),
    "version_lower_case": (b"GET / http/1.1\r\n" + HOST + b"\r\n", 400),
    "version_20": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "version_12": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 505),
    "version_09": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    "version_11_digits": (b"GET / HTTP/1.10\r\n" + HOST + b"\r\n", 400),
    "version_01_1": (b"GET / HTTP/01.1\r\n" + HOST + b"\r\n", 400),
    "rtsp": (b"GET / RTSP/1.0\r\n" + HOST + b"\r\n", 400),
    "ice": (b"SOURCE / ICE/1.0\r\n" + HOST + b"\r\n", 400),
    "method_unknown": (request(start=b"FROBNICATE / HTTP/1.1"), 200),
    "method_lower_case": (request(start=b"get / HTTP/1.1"), 200),
    "method_with_colon": (request(start=b"GE:T / HTTP/1.1"), 400),
    "method_with_nul": (request(start=b"G\0T / HTTP/1.1"), 400),
    "method_empty": (request(start=b" / HTTP/1.1"), 400),
    "target_with_nul": (request(start=b"GET /\0 HTTP/1.1"), 400),
    "target_with_tab": (request(start=b"GET /\t HTTP/1.1"), 400),
    "target_with_blank": (request(start=b"GET /a b HTTP/1.1"), 400),
    "target_with_delete": (request(start=b"GET /\x7f HTTP/1.1"), 400),
    "target_relative": (request(start=b"GET a HTTP/1.1"), 400),
    "target_bad_escape": (request(start=b"GET /%zz HTTP/1.1"), 400),
    "target_cut_escape": (request(start=b"GET /% HTTP/1.1"), 400),
    "target_with_fragment": (request(start=b"GET /a#b HTTP/1.1"), 400),
    "target_above_root": (request(start=b"GET /../../etc HTTP/1.1"), 200),
    "no_http2_preface": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505),
    # host
    "no_host": (request(host=b""), 400),
    "no_host_10": (request(start=b"GET / HTTP/1.0", host=b""), 200),
    "two_hosts": (request(b"Host: b.test"), 400),
    "two_equal_hosts": (request(b"Host: a.test"), 400),
    "host_with_blank": (request(host=b"Host: a test\r\n"), 400),
    "host_with_slash": (request(host=b"Host: a/test\r\n"), 400),
    "host_with_nul": (request(host=b"Host: a\0test\r\n"), 400),
    "host_in_other_case": (request(host=b"hOsT: a.test\r\n"), 200),
    # names and values
    "name_empty": (request(b": x"), 400),
    "name_with_blank_behind": (request(b"X : y"), 400),
    "name_with_tab_behind": (request(b"X\t: y"), 400),
    "name_with_blank_inside": (request(b"X Y: z"), 400),
    "name_with_nul": (request(b"X\0: y"), 400),
    "name_with_parenthesis": (request(b"X(: y"), 400),
    "name_with_umlaut": (request(b"X\xe4: y"), 400),
    "no_colon": (request(b"Xy"), 400),
    "folded": (request(b"X: a", b" b"), 400),
    "folded_by_tab": (request(b"X: a", b"\tb"), 400),
    "folded_first": (b"GET / HTTP/1.1\r\n " + HOST + b"\r\n", 400),
    "folded_length": (post(b"Content-Length:", b" 3", body=b"abc"), 400),
    "value_with_nul": (request(b"X: a\0b"), 400),
    "value_with_bell": (request(b"X: a\x07b"), 400),
    "value_with_delete": (request(b"X: a\x7fb"), 400),
    "value_with_tab": (request(b"X: a\tb"), 200),
    "value_empty": (request(b"X:"), 200),
    "value_latin": (request(b"X: \xe4"), 200),
    # lengths
    "length_twice_different": (post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"), 400),
    "length_twice_same": (post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), 200),
    "length_list": (post(b"Content-Length: 3, 3", body=b"abc"), 400),
    "length_plus": (post(b"Content-Length: +3", body=b"abc"), 400),
    "length_minus": (post(b"Content-Length: -1"), 400),
    "length_hex": (post(b"Content-Length: 0x3", body=b"abc"), 400),
    "length_blank_inside": (post(b"Content-Length: 1 2", body=b"a"), 400),
    "length_point": (post(b"Content-Length: 3.0", body=b"abc"), 400),
    "length_empty": (post(b"Content-Length:"), 400),
    "length_word": (post(b"Content-Length: three"), 400),
    "length_huge": (post(b"Content-Length: 99999999999999999999"), 400),
    "length_over_63_bits": (post(b"Content-Length: 9223372036854775808"), 400),
    "length_under_another_name": (post(b"Content_Length: 5", b"Content-Length: 3", body=b"abc"), 200),
    # encodings
    "length_and_chunked": (post(b"Content-Length: 5", TE, body=b"0\r\n\r\n"), 400),
    "chunked_and_length": (post(TE, b"Content-Length: 5", body=b"0\r\n\r\n"), 400),
    "chunked_twice": (post(TE, TE, body=b"0\r\n\r\n"), 501),
    "chunked_not_last": (post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 501),
    "gzip_chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    "identity": (post(b"Transfer-Encoding: identity"), 501),
    "encoding_unknown": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 501),
    "encoding_empty": (post(b"Transfer-Encoding:"), 501),
    "encoding_quoted": (post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), 501),
    "encoding_with_vertical_tab": (post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    "encoding_in_other_case": (post(b"tRANSFER-eNCODING: CHUNKED", body=b"0\r\n\r\n"), 200),
    "trailer_names_length": (post(TE, b"Trailer: X-A, content-length", body=b"0\r\n\r\n"), 400),
    "trailer_names_encoding": (post(TE, b"Trailer: Transfer-Encoding", body=b"0\r\n\r\n"), 400),
    "trailer_names_length_of_a_body_with_one": (post(b"Content-Length: 3", b"Trailer: Content-Length", body=b"abc"), 200),
    "chunked_in_10": (request(TE, start=b"POST / HTTP/1.0", body=b"0\r\n\r\n"), 400),
    # chunks
    "chunk_size_missing": (post(TE, body=b"\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_word": (post(TE, body=b"xyz\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_0x": (post(TE, body=b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_minus": (post(TE, body=b"-3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_plus": (post(TE, body=b"+3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_blank_before": (post(TE, body=b" 3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_blank_behind": (post(TE, body=b"3 \r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_overflow": (post(TE, body=b"10000000000000003\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_size_bare_lf": (post(TE, body=b"3\nabc\r\n0\r\n\r\n"), 400),
    "chunk_bare_lf_behind": (post(TE, body=b"3\r\nabc\n0\r\n\r\n"), 400),
    "chunk_too_long": (post(TE, body=b"3\r\nabcd\r\n0\r\n\r\n"), 400),
    "chunk_extension": (post(TE, body=b"3;a=b\r\nabc\r\n0\r\n\r\n"), 200),
    "chunk_extension_huge": (post(TE, body=b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk_extension_bare_lf": (post(TE, body=b"3;a\nabc\r\n0\r\n\r\n"), 400),
    "trailer_malformed": (post(TE, body=b"0\r\nX y: z\r\n\r\n"), 400),
    "trailer_folded": (post(TE, body=b"0\r\nX: a\r\n b\r\n\r\n"), 400),
    "trailers_huge": (post(TE, body=b"0\r\nX: " + b"a" * 20000 + b"\r\n\r\n"), 400),
    # others
    "expect_other": (post(b"Content-Length: 1", b"Expect: tea", body=b"x"), 417),
    "head_huge": (request(b"X: " + b"a" * 1_100_000), 431),
    "target_huge": (request(start=b"GET /" + b"a" * 1_100_000 + b" HTTP/1.1"), 414),
    "fields_many": (request(*[b"X: y"] * 3000), 431),
}


def outcome(client):
    with contextlib.suppress(EOFError, ConnectionError):
        return client.response()
    return None


@pytest.fixture
def routed(proxy, server):
    up = server()
    return proxy(up), up


def check(router, up, name, slowly):
    message, status = REQUESTS[name]
    if slowly and len(message) > 10_000:
        return
    del up.requests[:]
    client = connect(router.port)
    with contextlib.suppress(ConnectionError):
        (client.send_slowly if slowly else client.send)(message + (BEHIND if status != 200 else b""))
    answer = outcome(client)
    assert answer is not None, f"{name}: no answer"
    assert answer.status == status, f"{name}: {answer.line}"
    if name == "no_host_10":
        assert client.at_end(), name
    elif status == 200:
        client.send(get())
        assert client.response().status == 200, name
    elif name not in ("target_with_fragment",):
        assert answer.get("connection") == "close", name
        assert client.rest() == b"", name
        assert "/smuggled" not in "".join(r.line for r in up.requests), name
    client.close()


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "byte_by_byte"])
def test_hostile_requests(routed, slowly):
    router, up = routed
    assert len(REQUESTS) >= 80
    idle = router.descriptors()
    wrong = []
    for name in REQUESTS:
        try:
            check(router, up, name, slowly)
        except (AssertionError, OSError, EOFError) as error:
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)
    up.close()
    router.settled(idle)


def response(*lines, start=b"HTTP/1.1 200 OK", body=b"abc"):
    return start + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


L3 = b"Content-Length: 3"
# name: (bytes, status, whole); status 502: refused; else what the client gets; whole False: the transfer breaks off
RESPONSES = {
    "good": (response(L3), 200, True),
    "no_phrase": (response(L3, start=b"HTTP/1.1 200"), 200, True),
    "no_phrase_blank": (response(L3, start=b"HTTP/1.1 200 "), 200, True),
    "status_unknown": (response(L3, start=b"HTTP/1.1 599 Odd"), 599, True),
    "empty": (b"", 502, True),
    "garbage": (b"\x00\x01\x02garbage\r\n\r\n", 502, True),
    "request_for_response": (b"GET / HTTP/1.1\r\n\r\n", 502, True),
    "http_09": (b"<html>", 502, True),
    "version_2": (response(L3, start=b"HTTP/2.0 200 OK"), 502, True),
    "version_lower_case": (response(L3, start=b"http/1.1 200 OK"), 502, True),
    "status_short": (response(L3, start=b"HTTP/1.1 20 OK"), 502, True),
    "status_long": (response(L3, start=b"HTTP/1.1 2000 OK"), 502, True),
    "status_word": (response(L3, start=b"HTTP/1.1 abc OK"), 502, True),
    "status_below_100": (response(L3, start=b"HTTP/1.1 099 OK"), 502, True),
    "bare_lf": (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", 502, True),
    "folded": (response(L3, b"X: a", b" b"), 502, True),
    "name_empty": (response(L3, b": x"), 502, True),
    "name_with_blank": (response(L3, b"X : y"), 502, True),
    "value_with_nul": (response(L3, b"X: a\0b"), 502, True),
    "no_colon": (response(L3, b"nonsense"), 502, True),
    "length_twice_different": (response(L3, b"Content-Length: 4"), 502, True),
    "length_list": (response(b"Content-Length: 3, 3"), 502, True),
    "length_word": (response(b"Content-Length: many"), 502, True),
    "length_minus": (response(b"Content-Length: -3"), 502, True),
    "length_huge": (response(b"Content-Length: 99999999999999999999"), 502, True),
    "length_and_chunked": (response(L3, TE, body=b"0\r\n\r\n"), 502, True),
    "chunked_twice": (response(TE, TE, body=b"0\r\n\r\n"), 502, True),
    "encoding_unknown": (response(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 502, True),
    "trailer_names_length": (response(TE, b"Trailer: Content-Length", body=b"0\r\n\r\n"), 502, True),
    "head_huge": (response(L3, b"X: " + b"a" * 1_200_000), 502, True),
    "head_cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", 502, True),
    "interim_for_ever": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, 502, True),
    "length_cut": (response(b"Content-Length: 10"), 200, False),
    "chunk_cut": (response(TE, body=b"5\r\nab"), 200, False),
    "chunk_end_missing": (response(TE, body=b"3\r\nabc\r\n"), 200, False),
    "chunk_size_word": (response(TE, body=b"xyz\r\nabc\r\n0\r\n\r\n"), 200, False),
    "chunk_size_overflow": (response(TE, body=b"fffffffffffffffff\r\nabc"), 200, False),
    "chunk_bare_lf": (response(TE, body=b"3\nabc\n0\n\n"), 200, False),
    "chunk_too_long": (response(TE, body=b"3\r\nabcdef\r\n0\r\n\r\n"), 200, False),
    "chunk_extension_huge": (response(TE, body=b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n"), 200, False),
    "trailer_malformed": (response(TE, body=b"3\r\nabc\r\n0\r\nX y\r\n\r\n"), 200, False),
}


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "byte_by_byte"])
def test_hostile_responses(proxy, server, slowly):
    def handler(peer, _):
        name = peer.request().line.split()[1][1:]
        message = RESPONSES[name][0]
        with contextlib.suppress(ConnectionError):
            (peer.send_slowly if slowly and len(message) < 10_000 else peer.send)(message)
    router = proxy(server(handler))
    idle = router.descriptors()
    wrong = []
    for name, (_, status, whole) in RESPONSES.items():
        client = connect(router.port)
        client.send(get("/" + name))
        answer = complete = None
        try:
            answer = client.response()
            complete = True
        except (EOFError, ConnectionError):
            complete = False
        if whole:
            if not complete or answer.status != status:
                wrong.append(f"{name}: {answer and answer.line}")
        elif complete and (answer.status != 502):
            wrong.append(f"{name}: the client took a broken transfer for a whole one")
        client.close()
    assert not wrong, "\n".join(wrong)
    router.settled(idle)


def test_good_request_after_hostile_ones(routed):
    router, up = routed
    for _ in range(50):
        client = connect(router.port)
        client.send(b"\xff" * 100 + b"\r\n\r\n")
        client.close()
    client = router.connect()
    client.send(get())
    assert client.response().body == b"ok"
    assert [r.line for r in up.requests] == ["GET / HTTP/1.1"]


def test_refusal_reaches_a_client_that_still_sends(proxy, server):
    """The answer is not lost to a reset although bytes come behind the refused head."""
    client = proxy(server()).connect()
    with contextlib.suppress(ConnectionError):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nbad line\r\n\r\n" + bytes(200_000))
    answer = client.response()
    assert answer.status == 400 and answer.body.startswith(b"400 Bad Request")


@pytest.mark.parametrize("name,line,body", [
    ("no_host", "400 Bad Request: missing required Host header", None),
    ("host_with_blank", "400 Bad Request: malformed Host header", None),
    ("name_with_blank_inside", "400 Bad Request: invalid header name", None),
    ("length_word", "400 Bad Request", None),
    ("version_20", "505 HTTP Version Not Supported: unsupported protocol version", None),
    ("head_huge", "431 Request Header Fields Too Large", None),
    ("gzip_chunked", "501 Not Implemented", "Unsupported transfer encoding"),
    ("expect_other", "417 Expectation Failed", ""),
])
def test_refusals_are_worded_as_go_does(routed, name, line, body):
    client = connect(routed[0].port)
    with contextlib.suppress(ConnectionError):
        client.send(REQUESTS[name][0])
    answer = client.response()
    assert answer.line == "HTTP/1.1 " + line
    assert answer.body.decode() == (line if body is None else body)


def test_server_that_is_hostile_only_sometimes(proxy, server):
    """Answers stay with their requests."""
    def handler(peer, srv):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                path = peer.request().line.split()[1]
                srv.requests.append(path)
                peer.send(b"nonsense\r\n\r\n" if path == "/bad" else ok(path.encode()))
    client = proxy(server(handler)).connect()
    for i in range(20):
        path = "/bad" if i % 5 == 4 else f"/{i}"
        client.send(get(path))
        answer = client.response()
        assert (answer.status == 502) if path == "/bad" else (answer.body == path.encode())
