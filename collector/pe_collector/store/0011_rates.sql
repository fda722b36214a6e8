-- How often boots fail, counted once for hours that are over. Everything here is made from report and observation, and can be
-- made anew (pe-collector rebuild-rates). prefix and site are empty where not known.

-- Every hour that reports came in: how often what is counted of them changed, and how often it had when it was counted. An
-- hour with times<>folded is counted from the reports; one of them with folded>0 makes its whole day be counted from them.
CREATE TABLE rate_hour (
    hour_at INTEGER PRIMARY KEY,
    times INTEGER NOT NULL,
    folded INTEGER NOT NULL
);
INSERT INTO rate_hour SELECT CAST(received_at/3600 AS INTEGER)*3600, count(*), 0 FROM report GROUP BY 1;

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
    boots INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    slow INTEGER NOT NULL,
    PRIMARY KEY (day_at, prefix, site)
) WITHOUT ROWID;

-- Answers of probes that asked a port.
CREATE TABLE rate_port_day (
    day_at INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    site TEXT NOT NULL,
    probe TEXT NOT NULL,
    port INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (day_at, prefix, site, probe, port)
) WITHOUT ROWID;
