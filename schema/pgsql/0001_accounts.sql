-- Accounts. An owner is a number that is never used again (an identity column);
-- the name leads to it. What belongs to an account refers to its owner everywhere.
CREATE TABLE account (
	owner      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	host       TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	created_at BIGINT NOT NULL,
	UNIQUE (host, name)
);

-- Names that were used by deleted accounts and are not given out again without force.
CREATE TABLE account_tombstone (
	host       TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	owner      BIGINT NOT NULL,
	deleted_at BIGINT NOT NULL,
	PRIMARY KEY (host, name)
);

-- SCRAM keys (RFC 5802), one row per hash: 0 = SHA-1, 1 = SHA-256, 2 = SHA-512.
-- No password is stored.
CREATE TABLE credential (
	owner      BIGINT  NOT NULL REFERENCES account (owner),
	hash       INTEGER NOT NULL,
	salt       BYTEA   NOT NULL,
	iterations INTEGER NOT NULL,
	stored_key BYTEA   NOT NULL,
	server_key BYTEA   NOT NULL,
	PRIMARY KEY (owner, hash)
);

-- Secrets of this installation that must survive restarts (fake salts, ids).
CREATE TABLE secret (
	name  TEXT PRIMARY KEY,
	value BYTEA NOT NULL
);
