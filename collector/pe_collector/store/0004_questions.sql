-- What questions ask by, kept beside each report so that none of them has to open its facts. address_key is the IP
-- version and the address in hexadecimal digits, so that a prefix is a stretch of keys. speaks is 1 for the newest
-- report of a boot, which speaks for it. phases holds the cells of `pe-collector deploying` as JSON, phase the first
-- that failed; both are empty until the report has its verdict.
ALTER TABLE report ADD COLUMN address_key TEXT;
ALTER TABLE report ADD COLUMN site TEXT;
ALTER TABLE report ADD COLUMN model TEXT;
ALTER TABLE report ADD COLUMN nic TEXT;
ALTER TABLE report ADD COLUMN nic_driver TEXT;
ALTER TABLE report ADD COLUMN switch TEXT;
ALTER TABLE report ADD COLUMN switch_port TEXT;
ALTER TABLE report ADD COLUMN link_to_address_s REAL;
ALTER TABLE report ADD COLUMN phase TEXT NOT NULL DEFAULT '';
ALTER TABLE report ADD COLUMN phases TEXT NOT NULL DEFAULT '';
ALTER TABLE report ADD COLUMN speaks INTEGER NOT NULL DEFAULT 1;
CREATE INDEX report_by_boot ON report (boot_key);
CREATE INDEX report_by_machine_time ON report (machine_id, received_at, report_id);
CREATE INDEX report_by_address ON report (address_key);
CREATE INDEX machine_by_time ON machine (last_seen);

-- Which site is an address at? The longest prefix that holds it decides.
CREATE TABLE site_prefix (
    prefix TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    vlan TEXT NOT NULL,
    owner TEXT NOT NULL,
    length INTEGER NOT NULL,
    first_key TEXT NOT NULL,
    last_key TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX site_prefix_by_key ON site_prefix (first_key, length, last_key, site);

-- Error and Warning lines of logs, for full-text search. search_key is the row of log_search.
CREATE TABLE log_line (
    report_id TEXT NOT NULL,
    path TEXT NOT NULL,
    line INTEGER NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    search_key INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (report_id, path, line)
) WITHOUT ROWID;

-- Reports whose logs are not searchable yet. Made searchable off the way in, some time after the commit.
CREATE TABLE log_waiting (
    report_id TEXT PRIMARY KEY,
    since REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX log_waiting_by_time ON log_waiting (since);
INSERT INTO log_waiting SELECT DISTINCT report_id, 0.0 FROM log_chunk;

CREATE VIRTUAL TABLE log_search USING fts5 (text, content='log_line', content_rowid='search_key');
CREATE TRIGGER log_line_added AFTER INSERT ON log_line BEGIN
    INSERT INTO log_search (rowid, text) VALUES (new.search_key, new.text);
END;
CREATE TRIGGER log_line_gone AFTER DELETE ON log_line BEGIN
    INSERT INTO log_search (log_search, rowid, text) VALUES ('delete', old.search_key, old.text);
END;

-- The views below are the documented interface (docs/sql.md): columns are added at the end, never changed.
DROP VIEW boots;
DROP VIEW reports;
CREATE VIEW reports AS
SELECT report_id, code, machine_id, received_at, address, prefix, server, image, outcome, verdict, title, owner,
       advice, confidence, image_build, image_name, booted_at, boot_key, complete, stored_through, carried,
       trigger, agent_version, clock_skew_s, attributes, site, model, nic, nic_driver, switch, switch_port,
       link_to_address_s, phase, phases, speaks, address_key, last_frame_at, stored_octets, token_id
FROM report;

-- One attempt of one machine, however many reports it sent; the newest report speaks for it.
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
