-- +goose Up

-- Why something was refused. Nothing here refers to another table: a reason outlives
-- the credential that it is about.
CREATE TABLE refusals (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- begins with its time
    trace       TEXT COLLATE "C" NOT NULL,
    at          BIGINT NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    surface     TEXT COLLATE "C" NOT NULL,
    method      TEXT COLLATE "C" NOT NULL,
    path        TEXT COLLATE "C" NOT NULL,
    status      BIGINT NOT NULL,
    code        TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    next        TEXT COLLATE "C" NOT NULL,
    parameter   TEXT COLLATE "C" NOT NULL,
    skew        BIGINT NOT NULL, -- milliseconds; negative: too early
    org         TEXT COLLATE "C" NOT NULL,
    app         TEXT COLLATE "C" NOT NULL,
    credential  TEXT COLLATE "C" NOT NULL,
    label       TEXT COLLATE "C" NOT NULL,
    hint        TEXT COLLATE "C" NOT NULL,
    proven      BIGINT NOT NULL CONSTRAINT refusals_proven_check CHECK (proven IN (0, 1))
);
CREATE INDEX refusals_by_org ON refusals (org, proven, id);
CREATE INDEX refusals_by_app ON refusals (app, id);
CREATE INDEX refusals_by_trace ON refusals (trace, id);

-- The batches of counts that were added, for as long as a node may send one again.
CREATE TABLE usage_batches (
    id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    added BIGINT NOT NULL
);
CREATE INDEX usage_batches_by_added ON usage_batches (added);
