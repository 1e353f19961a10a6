-- +goose Up

-- The running nodes, each of which writes its own row: what waits for all nodes
-- waits for those that may still be serving.
CREATE TABLE nodes (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    version      TEXT COLLATE "C" NOT NULL,
    started      BIGINT NOT NULL,
    seen         BIGINT NOT NULL,
    max_stale    BIGINT NOT NULL, -- milliseconds
    head         BIGINT NOT NULL,
    keys         TEXT COLLATE "C" NOT NULL, -- JSON object: environment to kids
    sealing_keys TEXT COLLATE "C" NOT NULL  -- JSON array
);
