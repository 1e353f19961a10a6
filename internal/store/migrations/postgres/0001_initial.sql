-- +goose Up

-- Read this beside sqlite/0001_initial.sql: same tables, columns, nullability,
-- keys and checks, held by TestBothEnginesHaveTheSameSchema. What differs is
-- counted in dialect.go.
--
-- Times are BIGINT Unix milliseconds and durations BIGINT milliseconds, unless
-- the name of the column says otherwise; the zero time is 0, never NULL. Text
-- is compared by its bytes (COLLATE "C"), as SQLite does.

CREATE TABLE organizations (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CONSTRAINT organizations_state_check CHECK (state IN ('active', 'suspended')),
    not_before BIGINT NOT NULL,
    created    BIGINT NOT NULL
);

CREATE TABLE apps (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org             TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    environment     TEXT COLLATE "C" NOT NULL CONSTRAINT apps_environment_check CHECK (environment <> ''),
    name            TEXT COLLATE "C" NOT NULL,
    developer_email TEXT COLLATE "C" NOT NULL,
    client_id       TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CONSTRAINT apps_state_check CHECK (state IN ('active', 'disabled')),
    products        TEXT COLLATE "C" NOT NULL, -- JSON array of names
    token_lifetime  BIGINT NOT NULL,
    reuse_window    BIGINT,        -- NULL: the environment's
    not_before      BIGINT NOT NULL,
    created         BIGINT NOT NULL,
    UNIQUE (client_id),
    UNIQUE (org, environment, name)
);
CREATE INDEX apps_by_org ON apps (org, id);

CREATE TABLE credentials (
    id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    app            TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    label          TEXT COLLATE "C" NOT NULL,
    hint           TEXT COLLATE "C" NOT NULL,
    hash           BYTEA NOT NULL CONSTRAINT credentials_hash_check CHECK (length(hash) = 32),
    created        BIGINT NOT NULL,
    created_by     TEXT COLLATE "C" NOT NULL,
    expires        BIGINT NOT NULL,
    revoked        BIGINT NOT NULL,
    last_used      BIGINT NOT NULL,
    last_used_from TEXT COLLATE "C" NOT NULL,
    UNIQUE (hash)
);
CREATE INDEX credentials_by_app ON credentials (app, created, id);

CREATE TABLE products (
    name           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    title          TEXT COLLATE "C" NOT NULL,
    description    TEXT COLLATE "C" NOT NULL,
    token_lifetime BIGINT NOT NULL,
    state          TEXT COLLATE "C" NOT NULL CONSTRAINT products_state_check CHECK (state IN ('active', 'retired')),
    source         TEXT COLLATE "C" NOT NULL CONSTRAINT products_source_check CHECK (source IN ('catalog', 'operator')),
    created        BIGINT NOT NULL
);

CREATE TABLE catalogs (
    version    BIGINT NOT NULL PRIMARY KEY CONSTRAINT catalogs_version_check CHECK (version > 0),
    sha256     TEXT COLLATE "C" NOT NULL,
    bundle     BYTEA NOT NULL,
    applied    BIGINT NOT NULL,
    applied_by TEXT COLLATE "C" NOT NULL,
    summary    TEXT COLLATE "C" NOT NULL
);

CREATE TABLE subscriptions (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org       TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    product   TEXT COLLATE "C" NOT NULL REFERENCES products (name),
    state     TEXT COLLATE "C" NOT NULL CONSTRAINT subscriptions_state_check
              CHECK (state IN ('sandbox', 'requested', 'subscribed', 'suspended', 'ended')),
    contract  TEXT COLLATE "C" NOT NULL,
    note      TEXT COLLATE "C" NOT NULL,
    requested BIGINT NOT NULL,
    created   BIGINT NOT NULL,
    updated   BIGINT NOT NULL,
    UNIQUE (org, product)
);
CREATE INDEX subscriptions_by_state ON subscriptions (state, created, id);

CREATE TABLE tins (
    org     TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    number  TEXT COLLATE "C" NOT NULL,
    state   TEXT COLLATE "C" NOT NULL CONSTRAINT tins_state_check CHECK (state IN ('requested', 'associated', 'refused')),
    note    TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (org, number)
);
CREATE INDEX tins_by_state ON tins (state, created, number);

CREATE TABLE submitters (
    org     TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    kind    TEXT COLLATE "C" NOT NULL CONSTRAINT submitters_kind_check CHECK (kind IN ('submitter', 'host')),
    value   TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (org, kind, value)
);

CREATE TABLE operator_tokens (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    label   TEXT COLLATE "C" NOT NULL,
    hint    TEXT COLLATE "C" NOT NULL,
    hash    BYTEA NOT NULL CONSTRAINT operator_tokens_hash_check CHECK (length(hash) = 32),
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL,
    UNIQUE (hash)
);

CREATE TABLE not_befores (
    environment TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- '': the platform
    unix_second BIGINT NOT NULL,
    updated     BIGINT NOT NULL
);

-- No reference to the app: a revocation outlives it.
CREATE TABLE revocations (
    jti     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    org     TEXT COLLATE "C" NOT NULL,
    app     TEXT COLLATE "C" NOT NULL,
    expires BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX revocations_by_expires ON revocations (expires);

CREATE TABLE signing_keys (
    kid         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    environment TEXT COLLATE "C" NOT NULL CONSTRAINT signing_keys_environment_check CHECK (environment <> ''),
    use         TEXT COLLATE "C" NOT NULL CONSTRAINT signing_keys_use_check CHECK (use IN ('token', 'identity')),
    algorithm   TEXT COLLATE "C" NOT NULL,
    public      BYTEA NOT NULL,
    sealed      BYTEA NOT NULL,
    created     BIGINT NOT NULL,
    activates   BIGINT NOT NULL,
    retires     BIGINT NOT NULL,
    revoked     BIGINT NOT NULL
);
CREATE INDEX signing_keys_by_environment ON signing_keys (environment, created, kid);

-- Nothing here refers to another table: an audit record outlives what it is about.
CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id   TEXT COLLATE "C" NOT NULL,
    actor_from TEXT COLLATE "C" NOT NULL,
    action     TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    org        TEXT COLLATE "C" NOT NULL,
    detail     TEXT COLLATE "C" NOT NULL -- JSON object
);
CREATE INDEX audit_by_org ON audit (org, seq);
CREATE INDEX audit_by_subject ON audit (subject, seq);

-- The change feed. Its sequence numbers are those of the audit records, so
-- they have holes; what matters is that none is filled later.
CREATE TABLE changes (
    seq  BIGINT NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    key  TEXT COLLATE "C" NOT NULL,
    at   BIGINT NOT NULL
);

-- The one row whose lock serializes writers. See feed.go.
CREATE TABLE feed_head (
    id     BIGINT NOT NULL PRIMARY KEY CONSTRAINT feed_head_id_check CHECK (id = 1),
    seq    BIGINT NOT NULL, -- of the newest audit record
    pruned BIGINT NOT NULL  -- of the newest entry that changes no longer holds
);
INSERT INTO feed_head (id, seq, pruned) VALUES (1, 0, 0);

CREATE TABLE usage (
    unix_hour   BIGINT NOT NULL, -- Unix seconds of the hour's start
    environment TEXT COLLATE "C" NOT NULL,
    org         TEXT COLLATE "C" NOT NULL,
    app         TEXT COLLATE "C" NOT NULL,
    api         TEXT COLLATE "C" NOT NULL,
    operation   TEXT COLLATE "C" NOT NULL,
    product     TEXT COLLATE "C" NOT NULL,
    outcome     TEXT COLLATE "C" NOT NULL,
    source      TEXT COLLATE "C" NOT NULL,
    count       BIGINT NOT NULL,
    duration_us BIGINT NOT NULL, -- microseconds, in total
    PRIMARY KEY (unix_hour, environment, org, app, api, operation, product, outcome, source)
);
CREATE INDEX usage_by_org ON usage (org, unix_hour);
CREATE INDEX usage_by_app ON usage (app, unix_hour);
