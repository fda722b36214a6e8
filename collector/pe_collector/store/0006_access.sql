-- Who may ask beside who may send: the role of a token. Tokens from before this were all made for sending.
ALTER TABLE token ADD COLUMN role TEXT NOT NULL DEFAULT 'ingest';

-- What people did, newest last. `how` they were known: cli, token, cookie, proxy, local; `peer` where from.
CREATE TABLE audit (
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    how TEXT NOT NULL,
    peer TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);

-- How often something was refused in the hour that begins at hour_at (Unix seconds), by reason.
CREATE TABLE refusal (
    hour_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (hour_at, reason)
) WITHOUT ROWID;

-- Tokens whose reports are hidden. While `lifted` is empty nothing more is taken with that token. The rows themselves
-- stand in tables named quarantined_..., made when the first report goes there.
CREATE TABLE quarantine (
    token_id TEXT NOT NULL,
    at REAL NOT NULL,
    since REAL NOT NULL,
    lifted REAL,
    PRIMARY KEY (token_id, at)
) WITHOUT ROWID;

-- The reports that are hidden: they cannot be begun again meanwhile.
CREATE TABLE hidden_report (
    report_id TEXT PRIMARY KEY,
    token_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX hidden_report_by_token ON hidden_report (token_id);
CREATE INDEX report_by_token ON report (token_id, received_at);
