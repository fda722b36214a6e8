-- The manifest: which rule removed how many values from what came in. What the agent removed itself stands in its own
-- observations about logs. `place` is the path of a log, or the kind of record.
CREATE TABLE redaction (
    report_id TEXT NOT NULL,
    place TEXT NOT NULL,
    rule TEXT NOT NULL,
    removed INTEGER NOT NULL,
    PRIMARY KEY (report_id, place, rule)
) WITHOUT ROWID;
