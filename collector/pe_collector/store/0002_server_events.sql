-- What the servers of a deployment logged: WDS trace, WDS Diagnostics events, DHCP. Imported by hand, twice does no harm.
-- at_s is Unix seconds on that server's clock. mac and ip are empty where the line names none; event is the number or
-- word the format gives the kind of line; level is Info, Warning or Error.
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
CREATE INDEX server_event_by_time ON server_event (at_s);
CREATE INDEX server_event_by_mac ON server_event (mac, at_s);
CREATE INDEX server_event_by_ip ON server_event (ip, at_s);
