-- Reports that the hub lacks something of, and what they take, so that no question has to look at those it has. Kept while
-- forward_on has a row, which a collector makes that passes reports on; filled is 1 when what was there before is in it.
CREATE TABLE forward_waiting (
    report_id TEXT PRIMARY KEY,
    received_at REAL NOT NULL,
    octets INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX forward_waiting_by_time ON forward_waiting (received_at, report_id);

CREATE TABLE forward_on (
    outbox TEXT PRIMARY KEY,
    filled INTEGER NOT NULL
) WITHOUT ROWID;
