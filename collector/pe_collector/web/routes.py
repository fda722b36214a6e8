"""Which pages are there, and which role does each need?"""

from __future__ import annotations

from pe_collector.ops.route import OpsRoute
from pe_collector.roles import Role
from pe_collector.web.board import board, live
from pe_collector.web.boot_page import boot_page, machine_page
from pe_collector.web.files import static_file
from pe_collector.web.log_page import log_page
from pe_collector.web.pattern_pages import mark, pattern_page, patterns_page
from pe_collector.web.port_map import port_map
from pe_collector.web.silent_page import silent_page
from pe_collector.web.sql import sql
from pe_collector.web.subnet_map import subnet_map
from pe_collector.web.tables import listing, table
from pe_collector.web.uploads import upload_code, upload_file, upload_page
from pe_collector.web.view import shown

_READ = {
    "/": board,
    "/patterns": patterns_page,
    "/pattern/{id}": pattern_page,
    "/map": subnet_map,
    "/ports": port_map,
    "/machine/{name}": machine_page,
    "/boot/{name}": boot_page,
    "/boot/{name}/log": log_page,
    "/silent/{name}": silent_page,
    "/q": listing,
    "/q/{name}": table,
    "/sql": sql,
    "/upload": upload_page,
}
ROUTES: tuple[OpsRoute, ...] = (
    # The sign-in form has the same style; there is nothing in these files to hide.
    OpsRoute("/static/{name}", static_file, None),
    *(OpsRoute(path, shown(endpoint), Role.READER) for path, endpoint in _READ.items()),
    OpsRoute("/live/deploying", live, Role.READER),
    OpsRoute("/pattern/{id}/mark", mark, Role.OPERATOR, ("POST",)),
    OpsRoute("/upload/file", upload_file, Role.OPERATOR, ("POST",)),
    OpsRoute("/upload/code", upload_code, Role.OPERATOR, ("POST",)),
)
