-- +goose Up

-- Why something was refused. Nothing here refers to another table: a reason outlives
-- the credential that it is about.
CREATE TABLE refusals (
    id          TEXT NOT NULL PRIMARY KEY, -- begins with its time
    trace       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    environment TEXT NOT NULL,
    surface     TEXT NOT NULL,
    method      TEXT NOT NULL,
    path        TEXT NOT NULL,
    status      INTEGER NOT NULL,
    code        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    next        TEXT NOT NULL,
    parameter   TEXT NOT NULL,
    skew        INTEGER NOT NULL, -- milliseconds; negative: too early
    org         TEXT NOT NULL,
    app         TEXT NOT NULL,
    credential  TEXT NOT NULL,
    label       TEXT NOT NULL,
    hint        TEXT NOT NULL,
    proven      INTEGER NOT NULL CONSTRAINT refusals_proven_check CHECK (proven IN (0, 1))
) STRICT;
CREATE INDEX refusals_by_org ON refusals (org, proven, id);
CREATE INDEX refusals_by_app ON refusals (app, id);
CREATE INDEX refusals_by_trace ON refusals (trace, id);

-- The batches of counts that were added, for as long as a node may send one again.
CREATE TABLE usage_batches (
    id    TEXT NOT NULL PRIMARY KEY,
    added INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_batches_by_added ON usage_batches (added);
