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
, address_key TEXT, site TEXT, model TEXT, nic TEXT, nic_driver TEXT, switch TEXT, switch_port TEXT, link_to_address_s REAL, phase TEXT NOT NULL DEFAULT '', phases TEXT NOT NULL DEFAULT '', speaks INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
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
    data BLOB NOT NULL, blob TEXT,
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
, role TEXT NOT NULL DEFAULT 'ingest') WITHOUT ROWID;
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
CREATE TABLE site_prefix (
    prefix TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    vlan TEXT NOT NULL,
    owner TEXT NOT NULL,
    length INTEGER NOT NULL,
    first_key TEXT NOT NULL,
    last_key TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE log_line (
    report_id TEXT NOT NULL,
    path TEXT NOT NULL,
    line INTEGER NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    search_key INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (report_id, path, line)
) WITHOUT ROWID;
CREATE TABLE log_waiting (
    report_id TEXT PRIMARY KEY,
    since REAL NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE log_search USING fts5 (text, content='log_line', content_rowid='search_key');
CREATE TABLE pattern (
    pattern_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    opened_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    announced_machines INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE pattern_event (
    pattern_id TEXT NOT NULL,
    at_s REAL NOT NULL,
    state TEXT NOT NULL,
    sentence TEXT NOT NULL,
    PRIMARY KEY (pattern_id, at_s, state)
) WITHOUT ROWID;
CREATE TABLE pattern_mark (
    pattern_id TEXT NOT NULL,
    mark TEXT NOT NULL,
    at_s REAL NOT NULL,
    until_s REAL,
    value TEXT NOT NULL,
    note TEXT NOT NULL,
    who TEXT NOT NULL,
    PRIMARY KEY (pattern_id, mark)
) WITHOUT ROWID;
CREATE TABLE pattern_look (
    look TEXT PRIMARY KEY,
    at_s REAL NOT NULL,
    seen TEXT NOT NULL,
    boots INTEGER NOT NULL,
    served INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE change (
    at_s REAL NOT NULL,
    text TEXT NOT NULL,
    subnet TEXT NOT NULL,
    server TEXT NOT NULL,
    who TEXT NOT NULL,
    noted_at REAL NOT NULL,
    PRIMARY KEY (at_s, text, subnet, server)
) WITHOUT ROWID;
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
CREATE TABLE refusal (
    hour_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (hour_at, reason)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    token_id TEXT NOT NULL,
    at REAL NOT NULL,
    since REAL NOT NULL,
    lifted REAL,
    PRIMARY KEY (token_id, at)
) WITHOUT ROWID;
CREATE TABLE hidden_report (
    report_id TEXT PRIMARY KEY,
    token_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE alert_channel (
    channel TEXT PRIMARY KEY,
    since REAL NOT NULL
) WITHOUT ROWID;
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
CREATE TABLE log_blob (
    address TEXT PRIMARY KEY,
    octets BLOB NOT NULL
);
CREATE TABLE forward (
    report_id TEXT PRIMARY KEY,
    through INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE forward_loss (
    what TEXT PRIMARY KEY,
    times INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    last_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE forwarded (
    report_id TEXT PRIMARY KEY,
    token_id TEXT NOT NULL,
    peer TEXT NOT NULL,
    arrived_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE forward_waiting (
    report_id TEXT PRIMARY KEY,
    received_at REAL NOT NULL,
    octets INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE forward_on (
    outbox TEXT PRIMARY KEY,
    filled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE rate_hour (
    hour_at INTEGER PRIMARY KEY,
    times INTEGER NOT NULL,
    folded INTEGER NOT NULL
, apart INTEGER NOT NULL DEFAULT 0);
CREATE TABLE rate_site_hour (
    hour_at INTEGER NOT NULL,
    site TEXT NOT NULL,
    boots INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    slow INTEGER NOT NULL,
    PRIMARY KEY (hour_at, site)
) WITHOUT ROWID;
CREATE TABLE rate_subnet_day (
    day_at INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    site TEXT NOT NULL,
    part INTEGER NOT NULL,
    boots INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    slow INTEGER NOT NULL,
    PRIMARY KEY (day_at, prefix, site, part)
) WITHOUT ROWID;
CREATE TABLE rate_port_day (
    day_at INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    site TEXT NOT NULL,
    probe TEXT NOT NULL,
    port INTEGER NOT NULL,
    part INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (day_at, prefix, site, probe, port, part)
) WITHOUT ROWID;
CREATE TABLE rate_prefix_hour (
    level INTEGER NOT NULL,
    hour_at INTEGER NOT NULL,
    head TEXT NOT NULL,
    boots INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (level, hour_at, head)
) WITHOUT ROWID;
CREATE TABLE rate_delivery_hour (
    hour_at INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,
    carried INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    mean_s REAL,
    most_s REAL,
    skew_s REAL,
    most_skew_s REAL
);
CREATE VIEW reports AS
SELECT report_id, code, machine_id, received_at, address, prefix, server, image, outcome, verdict, title, owner,
       advice, confidence, image_build, image_name, booted_at, boot_key, complete, stored_through, carried,
       trigger, agent_version, clock_skew_s, attributes, site, model, nic, nic_driver, switch, switch_port,
       link_to_address_s, phase, phases, speaks, address_key, last_frame_at, stored_octets, token_id
FROM report;
CREATE VIEW boots AS
SELECT boot_key, machine_id,
       (SELECT min(r.booted_at) FROM report r WHERE r.boot_key=reports.boot_key) AS booted_at,
       received_at, report_id, address, prefix, server, image, outcome, verdict,
       (SELECT count(*) FROM report r WHERE r.boot_key=reports.boot_key) AS reports,
       title, code, site, model, nic, nic_driver, switch, switch_port, link_to_address_s, phase, phases, complete,
       address_key, last_frame_at, image_build, image_name, owner, advice, carried
FROM reports
WHERE speaks=1;
CREATE VIEW machines AS
SELECT machine_id, smbios_uuid, serial, manufacturer, model, first_seen, last_seen
FROM machine
WHERE EXISTS (SELECT 1 FROM reports WHERE reports.machine_id=machine.machine_id);
CREATE VIEW observations AS
SELECT o.report_id, o.sequence, o.probe, o.target, o.outcome, o.reason, o.started_at_s, o.elapsed_s, o.facts,
       r.machine_id, r.received_at, r.prefix, r.site, r.server
FROM observation o JOIN reports r ON r.report_id=o.report_id;
CREATE VIEW findings AS
SELECT f.report_id, f.sequence, f.finding, f.title, f.owner, f.advice, f.confidence, f.evidence,
       r.machine_id, r.received_at, r.prefix, r.site, r.server
FROM finding f JOIN reports r ON r.report_id=f.report_id;
CREATE VIEW timeline AS
SELECT e.report_id, e.sequence, e.at_s, e.adapter, e.kind, e.detail, e.recovered, r.machine_id, r.booted_at, r.received_at
FROM event e JOIN reports r ON r.report_id=e.report_id;
CREATE VIEW log_lines AS
SELECT l.report_id, l.path, l.line, l.level, l.text, r.machine_id, r.received_at, r.prefix, r.site, r.server
FROM log_line l JOIN reports r ON r.report_id=l.report_id;
CREATE VIEW server_events AS
SELECT source, at_s, mac, ip, event, text, level, component, file, line
FROM server_event;
CREATE VIEW sites AS
SELECT prefix, site, vlan, owner
FROM site_prefix;
CREATE VIEW subnets_hourly AS
SELECT CAST(received_at/3600 AS INTEGER)*3600 AS hour_at, prefix, site, count(*) AS boots,
       sum(CASE WHEN outcome='fault' THEN 1 ELSE 0 END) AS failed,
       sum(CASE WHEN link_to_address_s>=25 THEN 1 ELSE 0 END) AS slow
FROM boots
GROUP BY 1, 2, 3;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX report_by_machine ON report (machine_id, booted_at);
CREATE INDEX report_by_code ON report (code);
CREATE INDEX machine_mark_by_machine ON machine_mark (machine_id);
CREATE INDEX server_event_by_time ON server_event (at_s);
CREATE INDEX server_event_by_mac ON server_event (mac, at_s);
CREATE INDEX server_event_by_ip ON server_event (ip, at_s);
CREATE INDEX report_by_boot ON report (boot_key);
CREATE INDEX report_by_machine_time ON report (machine_id, received_at, report_id);
CREATE INDEX report_by_address ON report (address_key);
CREATE INDEX machine_by_time ON machine (last_seen);
CREATE INDEX site_prefix_by_key ON site_prefix (first_key, length, last_key, site);
CREATE INDEX log_waiting_by_time ON log_waiting (since);
CREATE INDEX pattern_by_state ON pattern (state, changed_at);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX hidden_report_by_token ON hidden_report (token_id);
CREATE INDEX report_by_token ON report (token_id, received_at);
CREATE INDEX alert_waiting ON alert (next_at) WHERE settled_at IS NULL;
CREATE INDEX log_chunk_by_blob ON log_chunk (blob) WHERE blob IS NOT NULL;
CREATE INDEX forwarded_by_time ON forwarded (arrived_at);
CREATE INDEX forward_waiting_by_time ON forward_waiting (received_at, report_id);
CREATE INDEX report_by_time ON report (received_at, speaks, site, prefix, outcome, link_to_address_s, address_key, machine_id);
CREATE TRIGGER log_line_added AFTER INSERT ON log_line BEGIN
    INSERT INTO log_search (rowid, text) VALUES (new.search_key, new.text);
END;
CREATE TRIGGER log_line_gone AFTER DELETE ON log_line BEGIN
    INSERT INTO log_search (log_search, rowid, text) VALUES ('delete', old.search_key, old.text);
END;
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (1, 'pe_collector', '0001_reports', '2026-11-27 18:24:41.676687+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (2, 'pe_collector', '0002_server_events', '2026-11-27 18:24:41.678056+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (3, 'pe_collector', '0003_redaction', '2026-11-27 18:24:41.678788+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (4, 'pe_collector', '0004_questions', '2026-11-27 18:24:41.688300+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (5, 'pe_collector', '0005_patterns', '2026-11-27 18:24:41.689955+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (6, 'pe_collector', '0006_access', '2026-11-27 18:24:41.692747+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (7, 'pe_collector', '0007_alerts', '2026-11-27 18:24:41.693946+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (8, 'pe_collector', '0008_log_blobs', '2026-11-27 18:24:41.707970+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (9, 'pe_collector', '0009_forwarding', '2026-11-27 18:24:41.716827+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (10, 'pe_collector', '0010_outbox', '2026-11-27 18:24:41.718058+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (11, 'pe_collector', '0011_rates', '2026-11-27 18:24:41.732076+00:00');
INSERT INTO _sqlite_migrations (id, migration_set, name, applied_at) VALUES (12, 'pe_collector', '0012_hours', '2026-11-27 18:24:41.743947+00:00');
INSERT INTO frame (report_id, sequence, body, octets) VALUES ('0190a0b0c0d07000800000000000ab01', 0, 'hello', X'121408011A100190A0B0C0D07000800000000000AB01');
INSERT INTO report (report_id, code, machine_id, boot_key, received_at, last_frame_at, peer, token_id, carried, protocol, agent_version, trigger, boot_id, image_build, image_name, os_version, booted_at, agent_wall_ms, agent_uptime_s, utc_offset_min, clock_skew_s, attributes, address, prefix, server, image, outcome, verdict, title, owner, advice, confidence, summary_sequence, stored_through, stored_octets, complete, address_key, site, model, nic, nic_driver, switch, switch_port, link_to_address_s, phase, phases, speaks) VALUES ('0190a0b0c0d07000800000000000ab01', '7F3K-Q2', 'm1', 'm1-1000', 1000000000.0, 1000000000.0, 'ipv4:10.1.2.3:50000', 't1', 0, 1, '0.1.0', 'report', '', 'b1', 'WinPE-x64', '', 1000000000.0, NULL, NULL, NULL, NULL, '{}', '10.1.2.3', '10.1.2.0/24', NULL, NULL, 'fault', 'wds-rpc-filtered', '', '', '', NULL, NULL, 2, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', '', 1);
INSERT INTO machine (machine_id, smbios_uuid, serial, manufacturer, model, first_seen, last_seen) VALUES ('m1', 'u', 'S1', '', 'X1', 1000000000.0, 1000000000.0);
INSERT INTO observation (report_id, sequence, probe, target, outcome, reason, started_at_s, elapsed_s, facts) VALUES ('0190a0b0c0d07000800000000000ab01', 1, 'address', 'eth0', 'ok', 'answered', NULL, NULL, '{"address": "10.1.2.3", "prefix_length": 24, "link_up": true}');
INSERT INTO log_chunk (report_id, sequence, path, offset_bytes, codec, expanded_bytes, file_bytes, sha256, data, blob) VALUES ('0190a0b0c0d07000800000000000ab01', 2, 'setupact.log', 0, '', 6, 6, X'', X'61206C696E65', NULL);
INSERT INTO token (token_id, secret_hash, name, created, expires, revoked, last_used, last_peer, role) VALUES ('t1', 'h', 'first', 1.0, 2000000000.0, NULL, NULL, NULL, 'ingest');
