-- +goose Up

-- How much may be called, and what was counted of it.
ALTER TABLE products ADD COLUMN plans TEXT COLLATE "C" NOT NULL DEFAULT '[]'; -- JSON array
ALTER TABLE subscriptions ADD COLUMN plan TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE quotas (
    scope       TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    period      TEXT COLLATE "C" NOT NULL CONSTRAINT quotas_period_check CHECK (period IN ('day', 'month')),
    unix_second BIGINT NOT NULL, -- when the period began
    count       BIGINT NOT NULL,
    PRIMARY KEY (scope, subject, period, unix_second)
);
CREATE INDEX quotas_by_unix_second ON quotas (unix_second);
