CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
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
CREATE TABLE server_event (
    source TEXT NOT NULL,
    at_s REAL NOT NULL,
    mac TEXT NOT NULL,
    ip TEXT NOT NULL,
    event TEXT NOT NULL,
    text TEXT NOT NULL,
    level TEXT NOT NULL,
    component TEXT NOT NULL,
    file TEXT NOT NULL,
    line INTEGER NOT NULL,
    PRIMARY KEY (source, at_s, event, mac, ip, text)
) WITHOUT ROWID;
CREATE TABLE redaction (
    report_id TEXT NOT NULL,
    place TEXT NOT NULL,
    rule TEXT NOT NULL,
    removed INTEGER NOT NULL,
    PRIMARY KEY (report_id, place, rule)
) WITHOUT ROWID;
CREATE VIEW reports AS
SELECT report_id, code, machine_id, received_at, address, prefix, server, image, outcome, verdict, title, owner,
       advice, confidence, image_build, image_name, booted_at, boot_key, complete, stored_through, carried,
       trigger, agent_version, clock_skew_s, attributes
FROM report;
CREATE VIEW boots AS
SELECT boot_key, machine_id, min(booted_at) AS booted_at, max(received_at) AS received_at, report_id, address, prefix,
       server, image, outcome, verdict, count(*) AS reports
FROM report
GROUP BY boot_key;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX report_by_time ON report (received_at);
CREATE INDEX report_by_machine ON report (machine_id, booted_at);
CREATE INDEX report_by_code ON report (code);
CREATE INDEX machine_mark_by_machine ON machine_mark (machine_id);
CREATE INDEX server_event_by_time ON server_event (at_s);
CREATE INDEX server_event_by_mac ON server_event (mac, at_s);
CREATE INDEX server_event_by_ip ON server_event (ip, at_s);
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (1, 'pe_collector', '0001_reports', '2026-11-22 23:54:12.097456+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (2, 'pe_collector', '0002_server_events', '2026-11-22 23:54:12.098710+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (3, 'pe_collector', '0003_redaction', '2026-11-22 23:54:12.099317+00:00');
INSERT INTO frame (report_id, sequence, body, octets) VALUES ('0190a0b0c0d07000800000000000ab01', 0, 'hello', X'121408011A100190A0B0C0D07000800000000000AB01');
INSERT INTO report (report_id, code, machine_id, boot_key, received_at, last_frame_at, peer, token_id, carried, protocol, agent_version, trigger, boot_id, image_build, image_name, os_version, booted_at, agent_wall_ms, agent_uptime_s, utc_offset_min, clock_skew_s, attributes, address, prefix, server, image, outcome, verdict, title, owner, advice, confidence, summary_sequence, stored_through, stored_octets, complete) VALUES ('0190a0b0c0d07000800000000000ab01', '7F3K-Q2', 'm1', 'm1-1000', 1000000000.0, 1000000000.0, 'ipv4:10.1.2.3:50000', 't1', 0, 1, '0.1.0', 'report', '', 'b1', 'WinPE-x64', '', 1000000000.0, NULL, NULL, NULL, NULL, '{}', '10.1.2.3', '10.1.2.0/24', NULL, NULL, 'fault', 'wds-rpc-filtered', '', '', '', NULL, NULL, 2, 0, 1);
INSERT INTO machine (machine_id, smbios_uuid, serial, manufacturer, model, first_seen, last_seen) VALUES ('m1', 'u', 'S1', '', 'X1', 1000000000.0, 1000000000.0);
INSERT INTO observation (report_id, sequence, probe, target, outcome, reason, started_at_s, elapsed_s, facts) VALUES ('0190a0b0c0d07000800000000000ab01', 1, 'address', 'eth0', 'ok', 'answered', NULL, NULL, '{"address": "10.1.2.3", "prefix_length": 24, "link_up": true}');
INSERT INTO log_chunk (report_id, sequence, path, offset_bytes, codec, expanded_bytes, file_bytes, sha256, data) VALUES ('0190a0b0c0d07000800000000000ab01', 2, 'setupact.log', 0, '', 6, 6, X'', X'61206C696E65');
INSERT INTO token (token_id, secret_hash, name, created, expires, revoked, last_used, last_peer) VALUES ('t1', 'h', 'first', 1.0, 2000000000.0, NULL, NULL, NULL);
