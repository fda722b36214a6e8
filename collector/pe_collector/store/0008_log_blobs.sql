-- What chunks of logs hold, each content once, however many reports bring it. The address is the SHA-256 of the octets
-- as they are kept: redacted and packed.
CREATE TABLE log_blob (
    address TEXT PRIMARY KEY,
    octets BLOB NOT NULL
);

-- Where the octets of a chunk are; without it they are in its own row, as all were before.
ALTER TABLE log_chunk ADD COLUMN blob TEXT;
CREATE INDEX log_chunk_by_blob ON log_chunk (blob) WHERE blob IS NOT NULL;
