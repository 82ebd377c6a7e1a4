"""talks.py - several requests over one connection, for compare.py: all sent at once, the last asks for the end. Compared is every
answer and how many there are: what ends a connection, which bodies are read to their end, whether an answer is another request's.

Not here: what one request is answered (cases.py and its like).
"""
import asyncio

from cases import coded, request

POST = b"POST /a HTTP/1.1\r\nHost: all.test\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
# One each; they stand between two plain ones.
STEPS = {
    "get": request("/a"), "head": request("/a", method="HEAD"), "options": request("/a", method="OPTIONS"), "post": request("/a", method="POST", body=b"hello"),
    "chunked": POST + CHUNKED, "trailers": POST + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", "long": request("/a", method="POST", body=b"b" * 100000), "expect": request("/a", method="POST", headers=[("Expect", "100-continue")], body=b"hello"),
    "expect-nobody": request("/a", host="nobody.test", method="POST", headers=[("Expect", "100-continue")], body=b"hello"), "expect-odd": request("/a", method="POST", headers=[("Expect", "x")], body=b"hello"),
    "nobody": request("/a", host="nobody.test"), "nobody-post": request("/a", host="nobody.test", method="POST", body=b"hello"), "nobody-long": request("/a", host="nobody.test", method="POST", body=b"b" * 200000), "nobody-very-long": request("/a", host="nobody.test", method="POST", body=b"b" * 400000),
    "nobody-chunked": request("/a", host="nobody.test", method="POST") [:-2] + CHUNKED, "dead": request("/a", host="dead.test"), "dead-post": request("/a", host="dead.test", method="POST", body=b"hello"), "empty": request("/a", host="empty.test", method="POST", body=b"hello"),
    "get-body": request("/a", body=b"hello"), "head-body": request("/a", method="HEAD", body=b"hello"), "delete-body": request("/a", method="DELETE", body=b"hello"), "zero": request("/a", method="POST", headers=[("Content-Length", "0")]),
    "no-content": request("/a", headers=[("X-Answer", "empty")]), "not-modified": request("/a", headers=[("X-Answer", "status 304")]), "answer-chunked": request("/a", headers=[("X-Answer", "chunked")]), "answer-trailers": request("/a", headers=[("X-Answer", "trailers")]),
    "answer-unended": request("/a", headers=[("X-Answer", "unended")]), "answer-error": request("/a", headers=[("X-Answer", "error")]), "answer-interim": request("/a", headers=[("X-Answer", "interim")]), "head-chunked": request("/a", method="HEAD", headers=[("X-Answer", "chunked")]),
    "close": request("/a", headers=[("Connection", "close")]), "close-more": request("/a", headers=[("Connection", "X-A, close")]), "close-capitals": request("/a", headers=[("Connection", "CLOSE")]), "kept": request("/a", headers=[("Connection", "keep-alive")]), "kept-and-close": request("/a", headers=[("Connection", "keep-alive, close")]),
    "old": request("/a", version="1.0"), "old-kept": request("/a", version="1.0", headers=[("Connection", "keep-alive")]), "old-kept-post": request("/a", version="1.0", method="POST", headers=[("Connection", "Keep-Alive")], body=b"hello"), "old-kept-chunked": request("/a", version="1.0", headers=[("Connection", "keep-alive"), ("X-Answer", "chunked")]),
    "no-host": request("/a", host=None), "two-hosts": request("/a", headers=[("Host", "other.test")]), "bad-host": request("/a", host="a b"), "bad-path": request("/a%zz"), "bad-name": b"GET /a HTTP/1.1\r\nHost: all.test\r\nX A: 1\r\n\r\n", "bad-method": b"G@T /a HTTP/1.1\r\nHost: all.test\r\n\r\n", "bad-line": b"GET\r\n\r\n",
    "bad-length": request("/a", headers=[("Content-Length", "x")]), "bad-coding": request("/a", headers=[("Transfer-Encoding", "gzip")]), "bad-version": b"GET /a HTTP/3.0\r\nHost: all.test\r\n\r\n", "bad-chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "star": request("*", method="OPTIONS"), "connect": b"CONNECT all.test:80 HTTP/1.1\r\nHost: all.test\r\n\r\n",
    "upgrade": request("/a", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket")]), "upgrade-h2c": request("/a", headers=[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]), "absolute": request("http://all.test/a", host="nobody.test"),
    "too-long": request("/a", headers=[("X-Long", "v" * 1100000)]),
    "redirected": request("/a", host="scheme.test", method="POST", body=b"hello"), "refused": request("/a", host="basic.test", method="POST", body=b"hello"), "let-in": request("/a", host="basic.test", method="POST", headers=[("Authorization", "Basic " + coded("sha:pass word"))], body=b"hello"), "forbidden": request("/a", host="allow-not.test", method="POST", body=b"b" * 100000),
    "too-large": request("/a", host="buffer.test", method="POST", body=b"b" * 20), "too-large-long": request("/a", host="buffer.test", method="POST", body=b"b" * 100000), "too-large-chunked": request("/a", host="buffer.test", method="POST")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n14\r\n" + b"b" * 20 + b"\r\n0\r\n\r\n",
    "decided": request("/a", host="auth.test", method="POST", headers=[("X-Answer", "deny")], body=b"hello"), "paged": request("/a", host="errors.test", method="POST", headers=[("X-Answer", "error")], body=b"hello"), "packed": request("/a", host="compress-short.test", headers=[("Accept-Encoding", "gzip")]), "packed-old": request("/a", host="compress-short.test", version="1.0", headers=[("Accept-Encoding", "br"), ("Connection", "keep-alive")]),
    "blank": b"\r\n" + request("/a"),
}
# (pattern over the title, reason), as docs/differences.md has it.
ACCEPTED = [
    (r"\bbad-chunk", "a malformed chunk is the client's fault"),
    (r"\bblank", "one empty line is passed over"),
    (r"\bpacked-old", "what is encoded has no length that could be told before, and HTTP/1.0 no chunks"),
]
PLAIN = request("/plain", headers=[("X-Answer", "html")])
END = request("/end", headers=[("Connection", "close")])


def talks():
    """(title, requests)"""
    names = list(STEPS)
    for i, name in enumerate(names):
        yield name, [PLAIN, STEPS[name], END]
        yield f"{name}, {names[i - 7]}", [STEPS[name], STEPS[names[i - 7]], PLAIN, END]


async def talk(port, requests):
    """What came until the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b""
    try:
        writer.write(b"".join(requests))
        while piece := await asyncio.wait_for(reader.read(65536), 20):
            data += piece
    except ConnectionError:
        data += b"<reset>"
    except asyncio.TimeoutError:
        data += b"<silence>"
    finally:
        writer.close()
    return data


def answers_in(data, requests):
    """[(status, body)], one after the other; what cannot be read as an answer is told as it is."""
    out, methods = [], [one.lstrip().split(b" ")[0] for one in requests]
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end or not head.startswith(b"HTTP/1."):
            return [*out, data[:60]]
        lines = head.split(b"\r\n")
        low = {key.lower(): value.strip() for key, _, value in (line.partition(b":") for line in lines[1:])}
        status = int(lines[0][9:12])
        if 100 <= status < 200 and status != 101:
            out.append((status, b""))
            data = rest
            continue
        method = methods.pop(0) if methods else b"?"
        if method == b"HEAD" or status in (101, 204, 304):
            body = b""
        elif low.get(b"transfer-encoding") == b"chunked":
            body = b""
            while (size := int(rest.partition(b"\r\n")[0] or b"0", 16)) > 0:
                at = rest.index(b"\r\n") + 2
                body, rest = body + rest[at:at + size], rest[at + size + 2:]
            rest = rest.partition(b"\r\n\r\n")[2]
        else:
            length = int(low.get(b"content-length", len(rest)))
            body, rest = rest[:length], rest[length:]
        out.append((status, body if low.get(b"content-encoding") is None else b"<packed>"))
        data = rest
    return out
