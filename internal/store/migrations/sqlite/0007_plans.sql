-- +goose Up

-- How much may be called, and what was counted of it.
ALTER TABLE products ADD COLUMN plans TEXT NOT NULL DEFAULT '[]'; -- JSON array
ALTER TABLE subscriptions ADD COLUMN plan TEXT NOT NULL DEFAULT '';

CREATE TABLE quotas (
    scope       TEXT NOT NULL,
    subject     TEXT NOT NULL,
    period      TEXT NOT NULL CONSTRAINT quotas_period_check CHECK (period IN ('day', 'month')),
    unix_second INTEGER NOT NULL, -- when the period began
    count       INTEGER NOT NULL,
    PRIMARY KEY (scope, subject, period, unix_second)
) STRICT;
CREATE INDEX quotas_by_unix_second ON quotas (unix_second);
