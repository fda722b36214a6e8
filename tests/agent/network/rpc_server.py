"""An independent RPC server made of impacket: run as `rpc_server.py ROLE=ADDRESS:PORT ...`.

Prints `ROLE PORT` for each listener once it listens. Roles: `wds` serves the WDS interface; `other` serves a
foreign one; `mapper` names port 5040 for every interface, `mapper-named` port 6000, `mapper-empty` none.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading

from impacket.dcerpc.v5 import epm
from impacket.dcerpc.v5.rpcrt import DCERPCServer
from impacket.uuid import uuidtup_to_bin

WDS = ("1A927394-352E-4553-AE3F-7CF4AAFCA620", "1.0")
FOREIGN = ("4B324FC8-1670-01D3-1278-5A47BF6EE188", "3.0")
MAPPER = ("E1AF8308-5D1F-11C9-91A4-08002B14A0FA", "3.0")
NOT_REGISTERED = 0x16C9A0D6
NAMED_PORTS = {"mapper": 5040, "mapper-named": 6000, "mapper-empty": None}


def tower(port: int) -> bytes:
    interface = epm.EPMRPCInterface()
    interface["InterfaceUUID"] = uuidtup_to_bin(WDS)[:16]
    interface["MajorVersion"], interface["MinorVersion"] = 1, 0
    syntax = epm.EPMRPCDataRepresentation()
    syntax["DataRepUuid"] = uuidtup_to_bin(("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0"))[:16]
    syntax["MajorVersion"], syntax["MinorVersion"] = 2, 0
    protocol = epm.EPMProtocolIdentifier()
    protocol["ProtIdentifier"] = epm.FLOOR_RPCV5_IDENTIFIER
    where, host = epm.EPMPortAddr(), epm.EPMHostAddr()
    where["IpPort"] = port
    host["Ip4addr"] = socket.inet_aton("10.10.9.20")
    built = epm.EPMTower()
    built["NumberOfFloors"] = 5
    built["Floors"] = b"".join(floor.getData() for floor in (interface, syntax, protocol, where, host))
    return built.getData()


def map_answer(request: bytes, port: int | None) -> bytes:
    asked = epm.ept_map(request)
    wanted = b"".join(asked["map_tower"]["tower_octet_string"])
    assert epm.EPMTower(wanted)["Floors"][0]["InterfaceUUID"] == uuidtup_to_bin(WDS)[:16]
    answer = epm.ept_mapResponse()
    answer["entry_handle"]["context_handle_uuid"] = bytes(16)
    answer["status"] = NOT_REGISTERED if port is None else 0
    answer["num_towers"] = 0 if port is None else 1
    if port is not None:
        found = epm.twr_p_t()
        found["tower_length"] = len(tower(port))
        found["tower_octet_string"] = tower(port)
        answer["ITowers"].append(found)
    return answer.getData()


def serve(role: str, accepted: socket.socket) -> None:
    server = DCERPCServer(accepted)
    if role in NAMED_PORTS:
        server.addCallbacks(MAPPER, "135", {3: lambda stub: map_answer(stub, NAMED_PORTS[role])})
    else:
        server.addCallbacks(WDS if role == "wds" else FOREIGN, "5040", {})
    with accepted:
        while (request := server.recv()) is not None:
            answer = server.processRequest(request)
            if answer is not None:
                server.send(answer)


def accept(role: str, listening: socket.socket) -> None:
    while True:
        accepted, _ = listening.accept()
        threading.Thread(target=serve, args=(role, accepted), daemon=True).start()


def main() -> None:
    logging.disable()
    for argument in sys.argv[1:]:
        role, _, where = argument.partition("=")
        address, _, port = where.rpartition(":")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, int(port)), family=family)
        threading.Thread(target=accept, args=(role, listening), daemon=True).start()
        print(role, listening.getsockname()[1], flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    threading.excepthook = lambda _: None
    main()
