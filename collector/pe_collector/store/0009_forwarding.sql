-- How far each report is at the hub, on a collector that passes reports on. state: open, refused. `reason` says why the hub
-- does not take it, in the hub's words. A report without a row was not sent yet.
CREATE TABLE forward (
    report_id TEXT PRIMARY KEY,
    through INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

-- What was let go because the hub was away for longer than the budget lasts. what: log, answers, report.
CREATE TABLE forward_loss (
    what TEXT PRIMARY KEY,
    times INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    last_at REAL NOT NULL
) WITHOUT ROWID;

-- Reports that came through another collector: through whose token, from which address, and when that was here. The
-- report's own received_at is when it came there.
CREATE TABLE forwarded (
    report_id TEXT PRIMARY KEY,
    token_id TEXT NOT NULL,
    peer TEXT NOT NULL,
    arrived_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX forwarded_by_time ON forwarded (arrived_at);
