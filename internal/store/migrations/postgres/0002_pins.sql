-- +goose Up

-- What an installation keeps for good: the first value of each name.
CREATE TABLE pins (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
