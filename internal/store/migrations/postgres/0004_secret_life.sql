-- +goose Up

-- What a credential took the place of, and how many days before its end its
-- owner was warned last; 0: not yet.
ALTER TABLE credentials ADD COLUMN replaces TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN warned BIGINT NOT NULL DEFAULT 0;
CREATE INDEX credentials_by_expires ON credentials (expires, id);
