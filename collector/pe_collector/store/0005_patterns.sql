-- What failing boots have in common, as the last look found it; times are Unix seconds on the collector's clock.
-- state: opened, lasting, worsened, recovering, ended. announced_machines is the count its last event was said with.
-- document is what `pe-collector patterns --format json` prints, but for what operations set.
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
CREATE INDEX pattern_by_state ON pattern (state, changed_at);

CREATE TABLE pattern_event (
    pattern_id TEXT NOT NULL,
    at_s REAL NOT NULL,
    state TEXT NOT NULL,
    sentence TEXT NOT NULL,
    PRIMARY KEY (pattern_id, at_s, state)
) WITHOUT ROWID;

-- What operations say of a pattern. mark: ack, resolve, mute, label, merge. value is the label, or the pattern it is
-- merged into; until_s ends a mute.
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

-- One row: when the patterns were last looked for, what was there (newest frame, counts of what else bears on them), and
-- whether a collector that looks again by itself did it.
CREATE TABLE pattern_look (
    look TEXT PRIMARY KEY,
    at_s REAL NOT NULL,
    seen TEXT NOT NULL,
    boots INTEGER NOT NULL,
    served INTEGER NOT NULL
) WITHOUT ROWID;

-- The ledger of changes: what somebody did to the network, a server or an image. subnet and server are empty where
-- the entry is about everything.
CREATE TABLE change (
    at_s REAL NOT NULL,
    text TEXT NOT NULL,
    subnet TEXT NOT NULL,
    server TEXT NOT NULL,
    who TEXT NOT NULL,
    noted_at REAL NOT NULL,
    PRIMARY KEY (at_s, text, subnet, server)
) WITHOUT ROWID;
