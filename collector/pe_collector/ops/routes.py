"""Every route of the ops listener, with the role it needs: what is not in this table does not exist."""

from __future__ import annotations

from pe_collector.metrics import page as metrics
from pe_collector.ops import access_pages
from pe_collector.ops.route import OpsRoute
from pe_collector.questions import http as questions
from pe_collector.roles import Role
from pe_collector.web import routes as web

ROUTES: tuple[OpsRoute, ...] = (
    OpsRoute("/healthz", access_pages.healthz, None),
    OpsRoute("/metrics", metrics.endpoint, Role.READER),
    OpsRoute("/sign-in", access_pages.sign_in_page, None),
    OpsRoute("/sign-in", access_pages.sign_in, None, ("POST",)),
    OpsRoute("/sign-out", access_pages.sign_out, Role.READER, ("POST",)),
    OpsRoute("/api/who", access_pages.who, Role.READER),
    OpsRoute("/api/audit", access_pages.audit_log, Role.ADMIN),
    OpsRoute("/api/tokens", access_pages.tokens_list, Role.ADMIN),
    OpsRoute("/api/tokens", access_pages.token_new, Role.ADMIN, ("POST",)),
    OpsRoute("/api/tokens/{token_id}/revoke", access_pages.token_revoke, Role.ADMIN, ("POST",)),
    OpsRoute("/api/refusals", access_pages.refusals, Role.READER),
    *questions.ROUTES,
    *web.ROUTES,
)
