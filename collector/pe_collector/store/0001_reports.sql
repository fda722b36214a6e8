-- Natural keys throughout; report_id is 32 hexadecimal digits made by the agent.
-- Times named _at are Unix seconds on the collector's clock unless the name says agent.
CREATE TABLE report (
    report_id TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    machine_id TEXT NOT NULL,
    boot_key TEXT NOT NULL,
    received_at REAL NOT NULL,
    last_frame_at REAL NOT NULL,
    peer TEXT NOT NULL,
    token_id TEXT NOT NULL,
    carried INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    agent_version TEXT NOT NULL,
    trigger TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    image_build TEXT NOT NULL,
    image_name TEXT NOT NULL,
    os_version TEXT NOT NULL,
    booted_at REAL NOT NULL,
    agent_wall_ms INTEGER,
    agent_uptime_s REAL,
    utc_offset_min INTEGER,
    clock_skew_s REAL,
    attributes TEXT NOT NULL DEFAULT '{}',
    address TEXT,
    prefix TEXT,
    server TEXT,
    image TEXT,
    outcome TEXT NOT NULL DEFAULT 'incomplete',
    verdict TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '',
    advice TEXT NOT NULL DEFAULT '',
    confidence REAL,
    summary_sequence INTEGER,
    stored_through INTEGER NOT NULL DEFAULT 0,
    stored_octets INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX report_by_time ON report (received_at);
CREATE INDEX report_by_machine ON report (machine_id, booted_at);
CREATE INDEX report_by_code ON report (code);

-- Every frame as it came, so that what this version cannot read waits for one that can. The token is taken out
-- of a hello, and the data out of a log chunk (it is in log_chunk).
CREATE TABLE frame (
    report_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (report_id, sequence)
) WITHOUT ROWID;

CREATE TABLE observation (
    report_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    probe TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at_s REAL,
    elapsed_s REAL,
    facts TEXT NOT NULL,
    PRIMARY KEY (report_id, sequence)
) WITHOUT ROWID;

CREATE TABLE event (
    report_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at_s REAL,
    adapter TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    recovered INTEGER NOT NULL,
    PRIMARY KEY (report_id, sequence)
) WITHOUT ROWID;

CREATE TABLE finding (
    report_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    finding TEXT NOT NULL,
    title TEXT NOT NULL,
    owner TEXT NOT NULL,
    advice TEXT NOT NULL,
    confidence REAL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (report_id, sequence)
) WITHOUT ROWID;

CREATE TABLE log_chunk (
    report_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    path TEXT NOT NULL,
    offset_bytes INTEGER NOT NULL,
    codec TEXT NOT NULL,
    expanded_bytes INTEGER NOT NULL,
    file_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (report_id, sequence)
);

CREATE TABLE machine (
    machine_id TEXT PRIMARY KEY,
    smbios_uuid TEXT NOT NULL,
    serial TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    first_seen REAL NOT NULL,
    last_seen REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE machine_mark (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    machine_id TEXT NOT NULL,
    PRIMARY KEY (kind, value, machine_id)
) WITHOUT ROWID;
CREATE INDEX machine_mark_by_machine ON machine_mark (machine_id);

-- A mark that more than one machine carries: a cloned UUID, a shared USB adapter, a serial nobody filled in.
CREATE TABLE clash (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    machine_id TEXT NOT NULL,
    first_seen REAL NOT NULL,
    PRIMARY KEY (kind, value, machine_id)
) WITHOUT ROWID;

CREATE TABLE token (
    token_id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    revoked REAL,
    last_used REAL,
    last_peer TEXT
) WITHOUT ROWID;

CREATE VIEW reports AS
SELECT report_id, code, machine_id, received_at, address, prefix, server, image, outcome, verdict, title, owner,
       advice, confidence, image_build, image_name, booted_at, boot_key, complete, stored_through, carried,
       trigger, agent_version, clock_skew_s, attributes
FROM report;

-- One attempt of one machine, however many reports it sent; the latest report speaks for it.
CREATE VIEW boots AS
SELECT boot_key, machine_id, min(booted_at) AS booted_at, max(received_at) AS received_at, report_id, address, prefix,
       server, image, outcome, verdict, count(*) AS reports
FROM report
GROUP BY boot_key;
