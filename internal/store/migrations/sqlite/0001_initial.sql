-- +goose Up

-- Read this beside postgres/0001_initial.sql: same tables, columns, nullability,
-- keys and checks, held by TestBothEnginesHaveTheSameSchema. What differs is
-- counted in dialect.go.
--
-- Times are INTEGER Unix milliseconds and durations INTEGER milliseconds, unless
-- the name of the column says otherwise; the zero time is 0, never NULL. STRICT
-- makes SQLite refuse a value of another type, as PostgreSQL does.

CREATE TABLE organizations (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL CONSTRAINT organizations_state_check CHECK (state IN ('active', 'suspended')),
    not_before INTEGER NOT NULL,
    created    INTEGER NOT NULL
) STRICT;

CREATE TABLE apps (
    id              TEXT NOT NULL PRIMARY KEY,
    org             TEXT NOT NULL REFERENCES organizations (id),
    environment     TEXT NOT NULL CONSTRAINT apps_environment_check CHECK (environment <> ''),
    name            TEXT NOT NULL,
    developer_email TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    state           TEXT NOT NULL CONSTRAINT apps_state_check CHECK (state IN ('active', 'disabled')),
    products        TEXT NOT NULL, -- JSON array of names
    token_lifetime  INTEGER NOT NULL,
    reuse_window    INTEGER,        -- NULL: the environment's
    not_before      INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    UNIQUE (client_id),
    UNIQUE (org, environment, name)
) STRICT;
CREATE INDEX apps_by_org ON apps (org, id);

CREATE TABLE credentials (
    id             TEXT NOT NULL PRIMARY KEY,
    app            TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    label          TEXT NOT NULL,
    hint           TEXT NOT NULL,
    hash           BLOB NOT NULL CONSTRAINT credentials_hash_check CHECK (length(hash) = 32),
    created        INTEGER NOT NULL,
    created_by     TEXT NOT NULL,
    expires        INTEGER NOT NULL,
    revoked        INTEGER NOT NULL,
    last_used      INTEGER NOT NULL,
    last_used_from TEXT NOT NULL,
    UNIQUE (hash)
) STRICT;
CREATE INDEX credentials_by_app ON credentials (app, created, id);

CREATE TABLE products (
    name           TEXT NOT NULL PRIMARY KEY,
    title          TEXT NOT NULL,
    description    TEXT NOT NULL,
    token_lifetime INTEGER NOT NULL,
    state          TEXT NOT NULL CONSTRAINT products_state_check CHECK (state IN ('active', 'retired')),
    source         TEXT NOT NULL CONSTRAINT products_source_check CHECK (source IN ('catalog', 'operator')),
    created        INTEGER NOT NULL
) STRICT;

CREATE TABLE catalogs (
    version    INTEGER NOT NULL PRIMARY KEY CONSTRAINT catalogs_version_check CHECK (version > 0),
    sha256     TEXT NOT NULL,
    bundle     BLOB NOT NULL,
    applied    INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    summary    TEXT NOT NULL
) STRICT;

CREATE TABLE subscriptions (
    id        TEXT NOT NULL PRIMARY KEY,
    org       TEXT NOT NULL REFERENCES organizations (id),
    product   TEXT NOT NULL REFERENCES products (name),
    state     TEXT NOT NULL CONSTRAINT subscriptions_state_check
              CHECK (state IN ('sandbox', 'requested', 'subscribed', 'suspended', 'ended')),
    contract  TEXT NOT NULL,
    note      TEXT NOT NULL,
    requested INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    updated   INTEGER NOT NULL,
    UNIQUE (org, product)
) STRICT;
CREATE INDEX subscriptions_by_state ON subscriptions (state, created, id);

CREATE TABLE tins (
    org     TEXT NOT NULL REFERENCES organizations (id),
    number  TEXT NOT NULL,
    state   TEXT NOT NULL CONSTRAINT tins_state_check CHECK (state IN ('requested', 'associated', 'refused')),
    note    TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (org, number)
) STRICT;
CREATE INDEX tins_by_state ON tins (state, created, number);

CREATE TABLE submitters (
    org     TEXT NOT NULL REFERENCES organizations (id),
    kind    TEXT NOT NULL CONSTRAINT submitters_kind_check CHECK (kind IN ('submitter', 'host')),
    value   TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (org, kind, value)
) STRICT;

CREATE TABLE operator_tokens (
    id      TEXT NOT NULL PRIMARY KEY,
    label   TEXT NOT NULL,
    hint    TEXT NOT NULL,
    hash    BLOB NOT NULL CONSTRAINT operator_tokens_hash_check CHECK (length(hash) = 32),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    UNIQUE (hash)
) STRICT;

CREATE TABLE not_befores (
    environment TEXT NOT NULL PRIMARY KEY, -- '': the platform
    unix_second INTEGER NOT NULL,
    updated     INTEGER NOT NULL
) STRICT;

-- No reference to the app: a revocation outlives it.
CREATE TABLE revocations (
    jti     TEXT NOT NULL PRIMARY KEY,
    org     TEXT NOT NULL,
    app     TEXT NOT NULL,
    expires INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_by_expires ON revocations (expires);

CREATE TABLE signing_keys (
    kid         TEXT NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL CONSTRAINT signing_keys_environment_check CHECK (environment <> ''),
    use         TEXT NOT NULL CONSTRAINT signing_keys_use_check CHECK (use IN ('token', 'identity')),
    algorithm   TEXT NOT NULL,
    public      BLOB NOT NULL,
    sealed      BLOB NOT NULL,
    created     INTEGER NOT NULL,
    activates   INTEGER NOT NULL,
    retires     INTEGER NOT NULL,
    revoked     INTEGER NOT NULL
) STRICT;
CREATE INDEX signing_keys_by_environment ON signing_keys (environment, created, kid);

-- Nothing here refers to another table: an audit record outlives what it is about.
CREATE TABLE audit (
    seq        INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    actor_from TEXT NOT NULL,
    action     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    org        TEXT NOT NULL,
    detail     TEXT NOT NULL -- JSON object
) STRICT;
CREATE INDEX audit_by_org ON audit (org, seq);
CREATE INDEX audit_by_subject ON audit (subject, seq);

-- The change feed. Its sequence numbers are those of the audit records, so
-- they have holes; what matters is that none is filled later.
CREATE TABLE changes (
    seq  INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    at   INTEGER NOT NULL
) STRICT;

-- The one row whose lock serializes writers. See feed.go.
CREATE TABLE feed_head (
    id     INTEGER NOT NULL PRIMARY KEY CONSTRAINT feed_head_id_check CHECK (id = 1),
    seq    INTEGER NOT NULL, -- of the newest audit record
    pruned INTEGER NOT NULL  -- of the newest entry that changes no longer holds
) STRICT;
INSERT INTO feed_head (id, seq, pruned) VALUES (1, 0, 0);

CREATE TABLE usage (
    unix_hour   INTEGER NOT NULL, -- Unix seconds of the hour's start
    environment TEXT NOT NULL,
    org         TEXT NOT NULL,
    app         TEXT NOT NULL,
    api         TEXT NOT NULL,
    operation   TEXT NOT NULL,
    product     TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    source      TEXT NOT NULL,
    count       INTEGER NOT NULL,
    duration_us INTEGER NOT NULL, -- microseconds, in total
    PRIMARY KEY (unix_hour, environment, org, app, api, operation, product, outcome, source)
) STRICT;
CREATE INDEX usage_by_org ON usage (org, unix_hour);
CREATE INDEX usage_by_app ON usage (app, unix_hour);
