"""What came by hand, through the browser: a bundle from a USB drive, or the code on a machine's screen."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pe_agent import carried
from pe_agent.errors import PeError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from pe_collector import importer, output
from pe_collector.limits import Limits
from pe_collector.ops.guard import form_of
from pe_collector.ops.route import note, state_of
from pe_collector.ops.shell import MOST_UPLOAD_OCTETS
from pe_collector.ops.state import OpsState
from pe_collector.web.view import page

_MOST_CODE = 20_000


def upload_page(request: Request) -> Response:
    """The two forms."""
    return page(request, "upload.html", "Upload", most_mib=MOST_UPLOAD_OCTETS // 2**20, answer="", report_id="")


async def upload_file(request: Request) -> Response:
    """The file is the body; what is wrong with it is said, what is whole of it is kept."""
    with tempfile.TemporaryDirectory(prefix="pe-upload-") as folder:
        path = Path(folder) / "upload"
        try:
            with path.open("wb") as file:
                async for part in request.stream():
                    await run_in_threadpool(file.write, part)
        except ClientDisconnect:
            return JSONResponse({"said": [f"a file has at most {MOST_UPLOAD_OCTETS} octets"], "reports": []}, 413)
        state = state_of(request)
        try:
            done = await run_in_threadpool(_imported, state, path)
        except PeError as exc:
            return JSONResponse({"said": [output.clean(str(exc))], "reports": []}, 400)
    note(request, "file", f"{len(done)} parts")
    reports = [one.report_id for one in done if one.report_id]
    return JSONResponse({"said": [said_of(one) for one in done], "reports": reports})


def _imported(state: OpsState, path: Path) -> list[importer.Imported]:
    return list(importer.import_files(state.folder, [path], state.now_s(), Limits()))


def said_of(done: importer.Imported) -> str:
    """What became of one report or log, without the name that the file had here."""
    if done.server_events is not None:
        return f"{done.server_events} new events of a server"
    state = "complete" if done.complete else "incomplete"
    name = f"report {done.report_id}: {done.frames} records, {state}" if done.report_id else "not imported"
    return output.clean("; ".join([name, *done.problems]))


async def upload_code(request: Request) -> Response:
    """The code, from the form."""
    return await run_in_threadpool(_code, request, await form_of(request))


def _code(request: Request, fields: Mapping[str, str]) -> Response:
    state = state_of(request)
    try:
        report = carried.decode_report("".join(fields.get("code", "")[:_MOST_CODE].split()))
        done = importer.import_report(state.folder, report, state.now_s())
    except PeError as exc:
        said = {"answer": str(exc), "report_id": ""}
    else:
        note(request, done.report_id, "code")
        said = {"answer": said_of(done), "report_id": done.report_id}
    return page(request, "upload.html", "Upload", most_mib=MOST_UPLOAD_OCTETS // 2**20, **said)
