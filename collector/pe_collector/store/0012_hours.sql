-- More of what the ops screen asks is counted once for hours that are over, and an hour of a day that still goes on is counted
-- apart, so that a report that comes late makes its hour be counted anew and not its day. Everything is made anew.
DELETE FROM rate_site_hour;
DROP TABLE rate_subnet_day;
DROP TABLE rate_port_day;
UPDATE rate_hour SET folded=0, times=times+1;

-- 1: in the cells by day this hour stands apart; else with the others of its day.
ALTER TABLE rate_hour ADD COLUMN apart INTEGER NOT NULL DEFAULT 0;

-- part: the hour of the day, 0 to 23, of hours that stand apart; 24 of those that were put together.
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

-- Answers of probes that asked a port.
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

-- Boots by the prefix tree of the heat map. head is the beginning of an address_key; level says which of the tree's levels
-- it is, 0 being the uppermost. The last level has none: there are as many subnets as that.
CREATE TABLE rate_prefix_hour (
    level INTEGER NOT NULL,
    hour_at INTEGER NOT NULL,
    head TEXT NOT NULL,
    boots INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (level, hour_at, head)
) WITHOUT ROWID;

-- What `pe-collector delivery` says of an hour, but for refusals.
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

-- With it a period is read from the index alone: the reports themselves lie by their ids.
DROP INDEX report_by_time;
CREATE INDEX report_by_time ON report (received_at, speaks, site, prefix, outcome, link_to_address_s, address_key, machine_id);
