"""answers.py - answers of servers for compare.py that are odd in their bytes: heads, lengths, statuses, bodies that are not as long
as they say, several fields where one is usual; behind each middleware that looks at answers. upstream.py sends them.

Not here: what is malformed and refused (tests/integration/test_proxy_hostile.py says which); usual answers (upstream.py).
"""
import gzip

from cases import request

PLAIN = b"Content-Type: text/plain\r\n"
ZIPPED = gzip.compress(b"0123456789" * 30, mtime=0)


def head(*fields, status="200 OK", version="1.1"):
    return f"HTTP/{version} {status}\r\n".encode() + b"".join(field.encode("latin-1") + b"\r\n" for field in fields) + b"\r\n"


def sized(*fields, body=b"got it\n", **kw):
    return head(f"Content-Length: {len(body)}", *fields, **kw) + body


# Name: the bytes. The connection ends behind each.
ANSWERS = {
    "zipped": sized("Content-Encoding: gzip", "Content-Type: text/plain", body=ZIPPED),
    "zipped-chunks": head("Content-Encoding: gzip", "Transfer-Encoding: chunked", "Vary: Accept-Encoding") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED),
    "zipped-broken": sized("Content-Encoding: gzip", "Content-Type: text/plain", body=b"no gzip"),
    "encoded-empty": sized("Content-Encoding: gzip", body=b""),
    "identity": sized("Content-Encoding: identity", "Content-Type: text/plain"),
    "two-encodings": sized("Content-Encoding: deflate", "Content-Encoding: x", "Content-Type: text/plain"),
    "two-types": sized("Content-Type: text/plain", "Content-Type: text/html"),
    "empty-type": sized("Content-Type:"),
    "odd-type": sized("Content-Type: a;b;c=\"d"),
    "sniffed-html": sized(body=b"  <!DOCTYPE HTML><p>"),
    "sniffed-png": sized(body=b"\x89PNG\r\n\x1a\nxxxxxxxx"),
    "sniffed-utf16": sized(body=b"\xfe\xffa"),
    "sniffed-empty": sized(body=b""),
    "typed-empty": sized("Content-Type: text/plain", body=b""),
    "chunks-empty": head("Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunk-extension": head("Transfer-Encoding: chunked", "Content-Type: text/plain") + b"7;a=b\r\ngot it\n\r\n0;c\r\n\r\n",
    "chunks-many": head("Transfer-Encoding: chunked", "Content-Type: text/plain") + b"1\r\na\r\n" * 50 + b"0\r\n\r\n",
    "chunks-capitals": head("transfer-encoding: Chunked", "Content-Type: text/plain") + b"A\r\n0123456789\r\n00\r\n\r\n",
    "trailer-unnamed": head("Transfer-Encoding: chunked", "Content-Type: text/plain") + b"7\r\ngot it\n\r\n0\r\nX-Trail: 1\r\n\r\n",
    "trailers-two": head("Transfer-Encoding: chunked", "Trailer: X-A, X-B", "Content-Type: text/plain") + b"7\r\ngot it\n\r\n0\r\nX-A: 1\r\nX-A: 3\r\nX-B: 2\r\n\r\n",
    "trailer-missing": head("Transfer-Encoding: chunked", "Trailer: X-A, X-B", "Content-Type: text/plain") + b"7\r\ngot it\n\r\n0\r\nX-B: 2\r\n\r\n",
    "length-twice": head("Content-Length: 7", "Content-Length: 7", "Content-Type: text/plain") + b"got it\n",
    "length-list": head("Content-Length: 7, 7", "Content-Type: text/plain") + b"got it\n",
    "length-blank": head("Content-Length:  7 ", "Content-Type: text/plain") + b"got it\n",
    "length-zeros": head("Content-Length: 007", "Content-Type: text/plain") + b"got it\n",
    "length-and-more": head("Content-Length: 6", "Content-Type: text/plain") + b"got it\n",
    "until-the-end": head("Content-Type: text/plain") + b"got it\n",
    "until-the-end-empty": head(),
    "version-0": sized("Content-Type: text/plain", version="1.0"),
    "version-0-kept": sized("Content-Type: text/plain", "Connection: keep-alive", version="1.0"),
    "version-0-bare": head("Content-Type: text/plain", version="1.0") + b"got it\n",
    "no-phrase": sized("Content-Type: text/plain", status="200"),
    "no-phrase-blank": sized("Content-Type: text/plain", status="200 "),
    "long-phrase": sized("Content-Type: text/plain", status="200 " + "very " * 40 + "fine"),
    "byte-phrase": sized("Content-Type: text/plain", status="200 \xe9t\xe9"),
    "status-204-length": head("Content-Length: 7", status="204 No Content"),
    "status-204-zero": head("Content-Length: 0", status="204 No Content"),
    "status-204-chunked": head("Transfer-Encoding: chunked", status="204 No Content"),
    "status-304-length": head("Content-Length: 7", "ETag: \"x\"", "Content-Type: text/plain", status="304 Not Modified"),
    "status-304-bare": head("Vary: A", status="304 Not Modified"),
    "status-205": sized("Content-Type: text/plain", status="205 Reset Content"),
    "status-206": sized("Content-Range: bytes 0-6/100", "Accept-Ranges: bytes", "Content-Type: text/plain", status="206 Partial Content"),
    "status-299": sized("Content-Type: text/plain", status="299 Fine"),
    "status-300": sized("Content-Type: text/plain", status="300 Choose"),
    "status-407": sized("Proxy-Authenticate: Basic realm=\"x\"", "Content-Type: text/plain", status="407 Proxy"),
    "status-421": sized("Content-Type: text/plain", status="421 Misdirected"),
    "status-426": sized("Upgrade: h2c", "Connection: Upgrade", "Content-Type: text/plain", status="426 Upgrade"),
    "status-451": sized("Content-Type: text/plain", status="451 Law"),
    "status-600": sized("Content-Type: text/plain", status="600 Beyond"),
    "status-999": sized("Content-Type: text/plain", status="999 Denied"),
    "interim-100": head(status="100 Continue") + sized("Content-Type: text/plain"),
    "interim-102": head(status="102 Processing") + sized("Content-Type: text/plain"),
    "interim-199": head("X-Early: 1", status="199 Odd") + sized("Content-Type: text/plain"),
    "interim-three": head("Link: </a>", status="103 Early Hints") + head("Link: </b>", "Link: </c>", status="103 Early Hints") + head(status="102 Processing") + sized("Content-Type: text/plain", "Link: </d>"),
    "switched-unasked": head("Connection: Upgrade", "Upgrade: websocket", status="101 Switching Protocols"),
    "switched": head("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x", "X-A: 1", status="101 Switching Protocols") + b"hello",
    "switched-other": head("Connection: keep-alive, Upgrade", "Upgrade: other", status="101 Switching Protocols") + b"hello",
    "connection-names": sized("Connection: X-A, close", "X-A: 1", "X-B: 2", "Content-Type: text/plain"),
    "connection-end": sized("Connection: Content-Type, Set-Cookie", "Set-Cookie: a=1", "Content-Type: text/plain"),
    "hop-by-hop": sized("Keep-Alive: timeout=5", "Proxy-Authenticate: x", "Proxy-Authorization: y", "Proxy-Connection: z", "TE: a", "Upgrade: u", "Trailers: t", "Trailer: T", "Content-Type: text/plain"),
    "fields-many": sized(*(f"X-F{i}: {i}" for i in range(90)), "Content-Type: text/plain"),
    "fields-same": sized(*("X-Same: " + "v" * i for i in range(20)), "Content-Type: text/plain"),
    "fields-empty": sized("X-Empty:", "X-Blank:   ", "X-Tab:\t1\t", "Content-Type: text/plain"),
    "fields-bytes": sized("X-Bytes: caf\xe9", "X-Quote: \"a, b\"", "Content-Type: text/plain"),
    "fields-case": sized("x-lower: 1", "X-UPPER: 2", "x_under: 3", "X.Dot: 4", "x!odd: 5", "content-TYPE: text/plain"),
    "field-long": sized("X-Long: " + "v" * 20000, "Content-Type: text/plain"),
    "dates": sized("Date: Mon, 01 Jan 2001 00:00:00 GMT", "Server: mine", "Via: 1.1 x", "Age: 5", "Content-Type: text/plain"),
    "cookies": sized("Set-Cookie: a=1; Path=/; HttpOnly", "Set-Cookie: a=2", "Set-Cookie: =x", "Set-Cookie:", "Set-Cookie: b=\"c d\"; SameSite=None; Secure", "Content-Type: text/plain"),
    "location-odd": sized("Location: //x.test/\xe9 a?b#c", "Content-Type: text/plain", status="302 Found"),
    "locations": sized("Location: /a", "Location: /b", status="301 Moved"),
    "forwarded-back": sized("X-Forwarded-For: 1.1.1.1", "X-Real-Ip: 1.1.1.1", "Host: x", "Authorization: y", "Content-Type: text/plain"),
    "strict": sized("Strict-Transport-Security: max-age=1", "X-Frame-Options: a", "X-Content-Type-Options: b", "X-Xss-Protection: c", "Content-Security-Policy: d", "Referrer-Policy: e", "Permissions-Policy: f", "Content-Type: text/plain"),
    "etag": sized("ETag: \"x\"", "Last-Modified: Mon, 01 Jan 2001 00:00:00 GMT", "Accept-Ranges: bytes", "Content-Type: text/plain"),
    "vary-star": sized("Vary: *", "Vary: accept-encoding, Origin", "Content-Type: text/plain"),
    "grpc-status": sized("Grpc-Status: 5", "Grpc-Message: no", "Content-Type: application/grpc", body=b""),
    "events": head("Content-Type: text/event-stream", "Cache-Control: no-cache", "Transfer-Encoding: chunked") + b"9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n",
}
# Not taken by either: what the client gets is the router's own answer.
REFUSED = {
    "nothing": b"",
    "half-a-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no-http": b"SSH-2.0-x\r\n\r\n",
    "version-2": sized(version="2.0"),
    "status-letters": sized(status="2xx OK"),
    "status-short": sized(status="20 OK"),
    "status-long": sized(status="2000 OK"),
    "lengths": head("Content-Length: 7", "Content-Length: 8") + b"got it\n\n",
    "length-letters": head("Content-Length: x") + b"got it\n",
    "length-below": head("Content-Length: -7") + b"got it\n",
    "length-huge": head("Content-Length: 99999999999999999999") + b"got it\n",
    "field-no-colon": head("X-A") + b"got it\n",
    "field-blank": sized("X A: 1"),
    "coding-unknown": head("Transfer-Encoding: gzip") + b"got it\n",
    "interim-only": head(status="100 Continue"),
}
# Asked for with an Upgrade, too: who switches, who does not, who says no.
UPGRADES = ["switched", "switched-other", "status-426", "typed-empty", "chunks-many", "until-the-end", "status-407", "interim-three"]
MIDDLEWARES = {
    "none": [],
    "compress": [{"compress": {"minResponseBodyBytes": 1}}],
    "buffering": [{"buffering": {"memResponseBodyBytes": 3}}],
    "errors": [{"errors": {"status": ["201-299", "300-999"], "service": "upstream", "query": "/{status}"}}],
    "retry": [{"retry": {"attempts": 2, "status": ["600-999", "502"]}}],
    "headers": [{"headers": {"customResponseHeaders": {"X-Set": "1", "Vary": "", "Set-Cookie": "", "X-Same": "one", "Content-Type": ""}, "accessControlAllowOriginList": ["*"], "addVaryHeader": True, "stsSeconds": 9, "forceSTSHeader": True, "frameDeny": True}}],
    "detect": [{"contentType": {}}],
    "auth": [{"forwardAuth": {"address": "http://UPSTREAM_ADDRESS/auth", "authResponseHeaders": ["X-Same", "X-Empty", "X-A", "Content-Type"], "addAuthCookiesToResponse": ["a", "b"]}}],
    "auth-all": [{"forwardAuth": {"address": "http://UPSTREAM_ADDRESS/auth", "authResponseHeadersRegex": "^X|^x", "preserveLocationHeader": True, "maxResponseBodySize": 100}}],
    "grpc": [{"grpcWeb": {"allowOrigins": ["*"]}}],
    "breaker": [{"circuitBreaker": {"expression": "LatencyAtQuantileMS(50.0) > 100000"}}],
    "many": [{"errors": {"status": ["500-999"], "service": "upstream", "query": "/{status}"}}, {"compress": {"minResponseBodyBytes": 1, "encodings": ["br"]}}, {"headers": {"customResponseHeaders": {"X-Set": "1"}}}, {"retry": {"attempts": 2}}],
}
SERVICES = {
    "sticky": {"loadBalancer": {"servers": [{"url": "http://UPSTREAM_ADDRESS"}], "sticky": {"cookie": {"name": "a"}}}},
    "failover": {"failover": {"service": "upstream", "fallback": "upstream", "errors": {"status": ["500-999", "204"]}}},
    "mirror": {"mirroring": {"service": "upstream", "mirrors": [{"name": "empty", "percent": 100}]}},
}


def answers_configuration():
    middlewares = {f"{name}-{i}": middleware for name, row in MIDDLEWARES.items() for i, middleware in enumerate(row)}
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": "upstream", "middlewares": [f"{name}-{i}" for i in range(len(row))]} for name, row in MIDDLEWARES.items()}
    routers |= {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in SERVICES}
    return {"http": {"routers": routers, "middlewares": middlewares, "services": {**SERVICES, "empty": {"loadBalancer": {"servers": []}}}}}


def answers_requests():
    for host in [*MIDDLEWARES, *SERVICES]:
        for name in [*ANSWERS, *REFUSED]:
            if name.startswith("switched") and host.startswith("auth"):
                continue  # Traefik waits for what comes behind it
            more = [("X-Answer", f"odd {name}"), ("User-Agent", "me"), ("Accept-Encoding", "br" if host in ("compress", "many") else "gzip")]
            if host == "grpc":
                more += [("Origin", "https://a.test"), ("Content-Type", "application/grpc-web")]
            yield "web", request("/a", host=f"{host}.test", headers=more, **({"method": "POST", "body": b"x"} if host == "grpc" else {}))
            if name in UPGRADES:
                for protocol in ("websocket", "WebSocket", "other"):
                    yield "web", request("/a", host=f"{host}.test", headers=[*more, ("Connection", "keep-alive, Upgrade"), ("Upgrade", protocol), ("Sec-WebSocket-Key", "k"), ("Sec-WebSocket-Version", "13")])
            if host in ("none", "buffering", "headers", "auth"):
                yield "web", request("/a", host=f"{host}.test", method="HEAD", headers=more)
                yield "web", request("/a", host=f"{host}.test", headers=more, version="1.0")


def answers_accepted():
    """(pattern over a request and the lines of its difference, reason): what docs/differences.md says of these."""
    def odd(names, what, host="[a-z-]+"):
        return rf"(?s)Host: {host}\.test\r.*X-Answer: odd ({names})\r.*\n{what}"
    unread = "|".join([*(name for name in REFUSED if name != "nothing"), "length-list", "switched.*"])
    return [
        (odd(unread, "status: traefik '[a-z0-9]+' weir '(500|502)'"), "an answer that cannot be read is 502, or 500 of who decides"),
        (odd("field-blank", "body: traefik 'Internal Server Error' weir ''", "auth-all"), "an answer that cannot be read is 500 of who decides"),
        (odd("trailer.*", "headers: ", "buffering"), "a trailer is no field of the head"),
        (odd(unread, "upstream line: traefik 'GET /500 HTTP/1.1' weir 'GET /502 HTTP/1.1'"), "an answer that cannot be read is 502"),
        (odd(unread, "upstream: .*weir asked 2", "failover"), "an answer that cannot be read is 502"),
        (odd("connection-(names|end)", "(upstream )?headers: "), "fields that Connection names are not passed on"),
        (odd("until-the-end-empty", "headers: ", "(compress|many)"), "the head of an answer is not held until there is a byte"),
        (odd("status-206|etag", "headers: ", "(compress|many)"), "a weak validator, no ranges"),
        (odd("interim-.*", "headers: ", "(errors|grpc|compress|many|sticky)"), "fields of an interim answer are its own"),
        (odd("switched|switched-other", "headers: ", "(compress|headers|many)"), "a switch of protocols has the headers of any answer"),
        (odd(".*", r"upstream headers: traefik \[\['Connection', 'Upgrade'\], \['Upgrade', '[A-Za-z]*'\]\] weir \[\]", "errors"), "a page for errors is asked for without hop-by-hop fields"),
        (odd("cookies", "headers: ", "auth"), "cookies pass as they came"),
    ]
