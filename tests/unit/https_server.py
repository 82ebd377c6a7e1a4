"""The servers that test_http_client talks to: plain and TLS ones with good and bad certificates, made by openssl here.

Prints `NAME VALUE` lines (ports, the folder with the certificates), then `ready`; ends when its standard input does.
"""
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from waiting import pass_time, wait_until  # noqa: E402


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.crt", "-subj", f"/CN={name}", "-days", "2", cwd=folder)


def certificate(folder, name, issuer, names, days=2):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.csr", "-subj", f"/CN={name}", cwd=folder)
    (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-days",
            str(days), "-extfile", f"{name}.ext", "-out", f"{name}.crt", cwd=folder)


def read_request(stream):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = stream.recv(65536)
        if not piece:
            return None, None
        head += piece
        if head[0] == 0x16:  # a TLS greeting to a plain server: what Go says then
            stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")
            return None, None
    head, _, body = head.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        if name.lower() == "content-length":
            while len(body) < int(value):
                body += stream.recv(65536)
    return lines, body


def plain_answer(body, extra=""):
    return f"HTTP/1.1 200 OK\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def unread(stream):
    """How many bytes are under way to the client, or lie in its socket: it is on this machine."""
    ours, theirs = (f"{address[1]:04X}" for address in (stream.getsockname(), stream.getpeername()))
    left = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        ends = local.rpartition(":")[2], remote.rpartition(":")[2]
        sent, received = (int(size, 16) for size in queues.split(":"))
        left += sent if ends == (ours, theirs) else received if ends == (theirs, ours) else 0
    return left


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def answer(stream, number, target, lines, body):
    """False when the connection shall end."""
    if target == "/connection":
        stream.sendall(plain_answer(str(number).encode()))
    elif target == "/echo":
        stream.sendall(plain_answer(("\n".join(lines) + "\n\n").encode() + body))
    elif target == "/continue":
        stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + plain_answer(b"after"))
    elif target == "/chunked":
        stream.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"first ", b"second ", b"third"):
            stream.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        stream.sendall(b"0\r\n\r\n")
    elif target == "/big":
        stream.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(80):
            stream.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        stream.sendall(b"0\r\n\r\n")
    elif target == "/until-close":
        stream.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe rest")
        if isinstance(stream, ssl.SSLSocket):
            stream.unwrap()
        return False
    elif target == "/cut":
        stream.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe re")
        return False
    elif target == "/short":
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        return False
    elif target == "/drop":
        return False
    elif target == "/then-drop":
        stream.sendall(plain_answer(str(number).encode()))
        return False
    elif target == "/hang":
        stream.recv(1)
    elif target == "/trickle":
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 10000:
            stream.sendall(bytes([byte]))
            pass_time("between two bytes", 0.02)
    elif target == "/silent":
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        stream.recv(1)
    elif target == "/reset":
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        wait_until("the client has read that", lambda: unread(stream) == 0)
        reset(stream)
        return False
    elif target == "/garbage":
        stream.sendall(b"SSH-2.0-nothing\r\n\r\n")
        return False
    else:
        stream.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
    return True


class Server:
    def __init__(self, name, context=None, mute=False):
        self.context, self.mute, self.count = context, mute, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        print(name, self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            stream, _ = self.listener.accept()
            self.count += 1
            threading.Thread(target=self.serve, args=(stream, self.count), daemon=True).start()

    def serve(self, stream, number):
        try:
            if self.mute:
                while stream.recv(4096):
                    pass
                return
            if self.context:
                stream = self.context.wrap_socket(stream, server_side=True)
            while True:
                lines, body = read_request(stream)
                if lines is None or not answer(stream, number, lines[0].split()[1], lines, body):
                    break
        except OSError:
            pass
        finally:
            stream.close()


def context(folder, name, client_authority=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    if client_authority:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(folder / f"{client_authority}.crt")
    return made


def main():
    with tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path)
        authority(folder, "ca")
        authority(folder, "other")
        certificate(folder, "good", "ca", "DNS:localhost,IP:127.0.0.1")
        certificate(folder, "misnamed", "ca", "DNS:elsewhere.test,IP:127.0.0.9")
        certificate(folder, "expired", "ca", "DNS:localhost,IP:127.0.0.1", days=-1)
        certificate(folder, "stranger", "other", "DNS:localhost,IP:127.0.0.1")
        certificate(folder, "client", "ca", "DNS:client.test")
        print("folder", folder)
        for name in ("good", "misnamed", "expired", "stranger"):
            Server(name, context(folder, name))
        Server("demanding", context(folder, "good", "ca"))
        Server("plain")
        Server("mute", mute=True)
        print("ready", flush=True)
        sys.stdin.read()


main()
