-- +goose Up

-- The running nodes, each of which writes its own row: what waits for all nodes
-- waits for those that may still be serving.
CREATE TABLE nodes (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    version      TEXT NOT NULL,
    started      INTEGER NOT NULL,
    seen         INTEGER NOT NULL,
    max_stale    INTEGER NOT NULL, -- milliseconds
    head         INTEGER NOT NULL,
    keys         TEXT NOT NULL, -- JSON object: environment to kids
    sealing_keys TEXT NOT NULL  -- JSON array
) STRICT;
