"""gRPC for tests, with no generated code: messages are bytes. `Echo(server options)` is a server with a method of each kind,
`channel(port, ...)` a client's channel; `CALLS` makes its methods.

  /echo.Echo/Unary   the message back        /echo.Echo/Down   a number: so many messages
  /echo.Echo/Up      all messages joined     /echo.Echo/Both   each message back as it comes
  /echo.Echo/Fail    ends with the code and text of the message ("5 text"), without any message
  /echo.Echo/Late    two messages, then ends with that code
  /echo.Echo/Hang    never answers; .hanging counts those under way, .cancelled those that were taken back
"""
import threading
from concurrent import futures

import grpc

from ports import free_port

OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.so_reuseport", 0))
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Echo(grpc.GenericRpcHandler):
    def __init__(self, options=(), credentials=None):
        self.hanging, self.cancelled, self.metadata, self.deadlines = 0, threading.Semaphore(0), [], []
        self.server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[self], options=[*OPTIONS, *options])
        self.port = (self.server.add_secure_port(f"127.0.0.1:{free_port()}", credentials) if credentials
                     else self.server.add_insecure_port(f"127.0.0.1:{free_port()}"))
        self.server.start()

    def close(self):
        self.server.stop(0).wait()

    def service(self, call):
        kinds = {"Unary": grpc.unary_unary_rpc_method_handler, "Fail": grpc.unary_unary_rpc_method_handler,
                 "Hang": grpc.unary_unary_rpc_method_handler, "Down": grpc.unary_stream_rpc_method_handler,
                 "Late": grpc.unary_stream_rpc_method_handler, "Up": grpc.stream_unary_rpc_method_handler,
                 "Both": grpc.stream_stream_rpc_method_handler}
        name = call.method.rpartition("/")[2]
        if not call.method.startswith("/echo.Echo/") or name not in kinds:
            return None
        self.metadata.append(dict(call.invocation_metadata))
        return kinds[name](getattr(self, name.lower()))

    def unary(self, message, context):
        context.send_initial_metadata((("x-initial", "first"),))
        context.set_trailing_metadata((("x-trailing", "last"), ("x-binary-bin", b"\x00\xff")))
        return message

    def fail(self, message, context):
        code, _, text = message.decode().partition(" ")
        context.abort(CODES[int(code)], text)

    def hang(self, message, context):
        gone = threading.Event()
        context.add_callback(gone.set)
        self.deadlines.append(context.time_remaining())
        self.hanging += 1
        gone.wait(20)
        self.hanging -= 1
        self.cancelled.release()
        return b""

    def down(self, message, context):
        for number in range(int(message)):
            yield b"%d" % number

    def late(self, message, context):
        yield b"one"
        yield b"two"
        self.fail(message, context)

    def up(self, messages, context):
        return b"".join(messages)

    def both(self, messages, context):
        for message in messages:
            yield message


def channel(port, credentials=None, options=()):
    target = f"127.0.0.1:{port}"
    options = [*OPTIONS, *options]
    return grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)


def call(made, name):
    """The method of that name on a channel."""
    kind = {"Down": "unary_stream", "Late": "unary_stream", "Up": "stream_unary", "Both": "stream_stream"}.get(name, "unary_unary")
    return getattr(made, kind)(f"/echo.Echo/{name}")
