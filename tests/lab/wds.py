"""A stand-in for the RPC side of Windows Deployment Services: binds, and refuses every call like the RPC runtime.

Run as a program: `python wds.py PORT`. Each client has its own thread.
"""

from __future__ import annotations

import logging
import socket
import struct
import sys
import threading
from typing import Any

from impacket.dcerpc.v5.rpcrt import (  # type: ignore[import-untyped]  # impacket ships no types
    MSRPC_FAULT,
    MSRPC_REQUEST,
    DCERPCServer,
    MSRPCHeader,
    MSRPCRequestHeader,
)

# [MS-WDSC] 1.9 and 3.1.4: the interface and its version.
WDS_INTERFACE = ("1A927394-352E-4553-AE3F-7CF4AAFCA620", "1.0")
# nca_s_op_rng_error: what an RPC runtime answers to an operation number the interface does not have.
NO_SUCH_OPERATION = 0x1C010002


class Conversation(DCERPCServer):  # type: ignore[misc]  # impacket ships no types
    """One connection. Operation 0 (WdsRpcMessage) exists but is not served: nothing here calls it."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__(client_socket=client)
        self._client = client
        self.addCallbacks(WDS_INTERFACE, "5040", {})

    def processRequest(self, data: bytes) -> Any:  # noqa: N802 - the base class names it so
        """Answer a call with the runtime's own fault, everything else as the base class does."""
        answer = super().processRequest(data)
        if answer is not None and answer["type"] == MSRPC_FAULT and MSRPCHeader(data)["type"] == MSRPC_REQUEST:
            call = MSRPCRequestHeader(data)
            # [C706] 12.6.4.7: alloc_hint, context id, cancel count, reserved, then status and four octets of padding.
            return _Raw(call["call_id"], struct.pack("<LHBBLL", 0, call["ctx_id"], 0, 0, NO_SUCH_OPERATION, 0))
        return answer

    def hold(self) -> None:
        """Answer until the client hangs up."""
        with self._client:
            while (data := self.recv()) is not None:
                answer = self.processRequest(data)
                if isinstance(answer, _Raw):
                    self._client.sendall(answer.octets)
                elif answer is not None:
                    self.send(answer)


class _Raw:
    """A whole fault PDU."""

    def __init__(self, call_id: int, body: bytes) -> None:
        head = struct.pack("<BBBB4sHHL", 5, 0, 3, 0x23, b"\x10\0\0\0", 16 + len(body), 0, call_id)
        self.octets = head + body


def serve(port: int) -> None:
    """Accept clients for ever."""
    with socket.create_server(("", port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            client.settimeout(30)
            threading.Thread(target=_converse, args=(client,), daemon=True).start()


def _converse(client: socket.socket) -> None:
    try:
        Conversation(client).hold()
    except (OSError, struct.error):
        logging.getLogger(__name__).info("a client went away", exc_info=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
