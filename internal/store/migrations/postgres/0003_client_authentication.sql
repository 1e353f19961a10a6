-- +goose Up

-- Credentials that are no secrets, what tokens are bound to, and the assertions
-- that were spent.
ALTER TABLE apps ADD COLUMN binding TEXT COLLATE "C" NOT NULL DEFAULT ''
    CONSTRAINT apps_binding_check CHECK (binding IN ('', 'certificate', 'dpop'));
ALTER TABLE apps ADD COLUMN oversees TEXT COLLATE "C" NOT NULL DEFAULT ''
    CONSTRAINT apps_oversees_check CHECK (oversees IN ('', 'organization', 'environment'));
ALTER TABLE credentials ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT 'secret'
    CONSTRAINT credentials_kind_check CHECK (kind IN ('secret', 'imported_secret', 'public_key', 'jwks_uri', 'certificate', 'certified_name'));
ALTER TABLE credentials ADD COLUMN material TEXT COLLATE "C" NOT NULL DEFAULT '';

-- An assertion authenticates once (RFC 7523 §3), at whichever node.
CREATE TABLE spent_assertions (
    client_id TEXT COLLATE "C" NOT NULL,
    jti       TEXT COLLATE "C" NOT NULL,
    expires   BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti)
);
CREATE INDEX spent_assertions_by_expires ON spent_assertions (expires);
