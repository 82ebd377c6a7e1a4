"""upstream.py - the server behind both routers of compare.py: it notes the bytes that it got and answers as X-Answer asks."""
import asyncio
import ssl
import subprocess

import answers

# Mode: fields beside X-Upstream. Those that need more are in Answer.
FIELDS = {
    "redirect": "Location: /elsewhere\r\n",
    "hop": "Connection: X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\nX-Kept: yes\r\n",
    "encoded": "Content-Encoding: deflate\r\n",
    "vary": "Vary: Origin\r\n",
    "html": "Content-Type: text/html; charset=utf-8\r\n",
    "deny": "Www-Authenticate: Some\r\nX-Id-A: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n",
    "user": "X-User: bob\r\nX-Id-A: 1\r\nX-Id-A: 2\r\nSet-Cookie: a=1\r\n",
    "many": "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Many: 1\r\nX-Many: 2\r\nCache-Control: x\r\nServer: own\r\nVia: x\r\nX-Frame-Options: own\r\nStrict-Transport-Security: own\r\n",
    "cors": "Access-Control-Allow-Origin: own\r\nAccess-Control-Max-Age: 9\r\nAccess-Control-Expose-Headers: X\r\nVary: A\r\nVary: B\r\n",
    "lower": "x-lower: 1\r\nX_under: 2\r\nset-cookie: a=1\r\n",
}
STATUSES = {"redirect": "302 Found", "empty": "204 No Content", "deny": "401 Unauthorized", "error": "500 Internal Server Error"}
BODIES = {"empty": b"", "bare": b"<title>\xe4</title>", "deny": b"who are you\n", "error": b"broken\n", "long": b"0123456789" * 300, "status 304": b"", "status 205": b""}


def answer(mode, head_only):
    """The bytes of an answer, and whether the connection goes on behind it."""
    if mode == "dropped":
        return b"", False
    if mode.startswith("odd "):
        data = (answers.ANSWERS | answers.REFUSED)[mode[4:]]
        return data[:data.rindex(b"\r\n\r\n") + 4] if head_only and b"\r\n\r\n" in data else data, False
    status = STATUSES.get(mode, mode[7:] + " Some Words" if mode.startswith("status ") else "200 OK")
    body = BODIES.get(mode, b"got it\n")
    fields = "X-Upstream: yes\r\n" + FIELDS.get(mode, f"Content-Type: {mode[6:]}\r\n" if mode.startswith("typed ") else "")
    if mode.startswith("crowd "):
        fields += "".join(f"X-Crowd-{i}: {i}\r\n" for i in range(int(mode[6:])))
    if mode == "unended":
        fields += "Connection: close\r\n"
    elif mode == "trailers":
        fields += "Trailer: X-Trail\r\nTransfer-Encoding: chunked\r\n"
        body = b"7\r\n" + body + b"\r\n0\r\nX-Trail: 1\r\n\r\n"
    elif mode == "chunked":
        fields += "Transfer-Encoding: chunked\r\n"
        body = b"7\r\n" + body + b"\r\n0\r\n\r\n"
    elif mode != "empty":
        fields += "" if mode in ("html", "bare") or mode.startswith("typed ") else "Content-Type: text/plain\r\n"
        fields += f"Content-Length: {len(body)}\r\n"
    head = f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()
    if mode == "interim":
        head = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + head
    return head + (b"" if head_only else body), mode != "unended"


async def read_body(reader, low):
    if low.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(low.get("content-length", 0)))
    body = b""
    while (size := int((await reader.readline()).split(b";")[0], 16)) > 0:
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readline()) not in (b"\r\n", b""):
        pass
    return body


class Upstream:
    """Answers every request and remembers it under the X-Case header."""

    def __init__(self):
        self.seen = {}

    async def start(self, directory):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=2**24)
        self.port = self.server.sockets[0].getsockname()[1]
        self.names = {"UPSTREAM_ADDRESS": f"127.0.0.1:{self.port}"}
        for name, sans in (("SECURE", "DNS:a.test,IP:127.0.0.1,URI:spiffe://house/room"), ("OTHER", "DNS:a.test")):
            crt, key = (str(directory / f"{name}.{end}") for end in ("crt", "key"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt,
                            "-subj", f"/CN={name}", "-days", "2", "-addext", f"subjectAltName={sans}"], check=True, capture_output=True)
            self.names |= {f"{name}_CRT": crt, f"{name}_KEY": key}
        for name in ("SECURE", "DEMANDING"):  # the second wants a certificate
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.names["SECURE_CRT"], self.names["SECURE_KEY"])
            if name == "DEMANDING":
                context.load_verify_locations(self.names["OTHER_CRT"])
                context.verify_mode = ssl.CERT_REQUIRED
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
            self.names[f"{name}_ADDRESS"] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def named(self, text):
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    async def serve(self, reader, writer):
        try:
            more = True
            while more:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head[:-4].decode("latin-1").split("\r\n")
                headers = [(k, v.strip(" \t")) for k, v in (line.split(":", 1) for line in lines[1:])]
                low = {k.lower(): v for k, v in headers}
                body = await read_body(reader, low)
                self.seen.setdefault(low.get("x-case", "?"), []).append((lines[0], headers, body))
                data, more = answer(low.get("x-answer", ""), lines[0].startswith("HEAD "))
                writer.write(data)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()
