-- Accounts. An owner is a number that is never used again (AUTOINCREMENT); the
-- name leads to it. What belongs to an account refers to its owner everywhere.
CREATE TABLE account (
	owner      INTEGER PRIMARY KEY AUTOINCREMENT,
	host       TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	UNIQUE (host, name)
);

-- Names that were used by deleted accounts and are not given out again without force.
CREATE TABLE account_tombstone (
	host       TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	owner      BIGINT  NOT NULL,
	deleted_at INTEGER NOT NULL,
	PRIMARY KEY (host, name)
);

-- SCRAM keys (RFC 5802), one row per hash: 0 = SHA-1, 1 = SHA-256, 2 = SHA-512.
-- No password is stored.
CREATE TABLE credential (
	owner      BIGINT  NOT NULL REFERENCES account (owner),
	hash       INTEGER NOT NULL,
	salt       BLOB    NOT NULL,
	iterations INTEGER NOT NULL,
	stored_key BLOB    NOT NULL,
	server_key BLOB    NOT NULL,
	PRIMARY KEY (owner, hash)
);

-- Secrets of this installation that must survive restarts (fake salts, ids).
CREATE TABLE secret (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
);
