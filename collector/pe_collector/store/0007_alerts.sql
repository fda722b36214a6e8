-- Where alerts go to, and since when: what happened before is not told.
CREATE TABLE alert_channel (
    channel TEXT PRIMARY KEY,
    since REAL NOT NULL
) WITHOUT ROWID;

-- One row for each event of a pattern and each channel: told once, also after a restart.
CREATE TABLE alert (
    pattern_id TEXT NOT NULL,
    at_s REAL NOT NULL,
    state TEXT NOT NULL,
    channel TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL,
    settled_at REAL,
    outcome TEXT NOT NULL DEFAULT 'waiting',
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (pattern_id, at_s, state, channel)
) WITHOUT ROWID;
CREATE INDEX alert_waiting ON alert (next_at) WHERE settled_at IS NULL;
