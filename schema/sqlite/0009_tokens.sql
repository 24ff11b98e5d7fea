-- Tokens of devices (XEP-0484): at most two of each, in slot 0 the one that was
-- used last, in slot 1 one that was handed out and not used yet. The token itself
-- is made from the nonce and a secret of this installation.
CREATE TABLE fast_token (
	owner      BIGINT  NOT NULL REFERENCES account (owner),
	agent      TEXT    NOT NULL,
	slot       INTEGER NOT NULL,
	mechanism  TEXT    NOT NULL,
	nonce      BLOB    NOT NULL,
	counter    INTEGER NOT NULL,
	issued_at  INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at    INTEGER,
	software   TEXT,
	device     TEXT,
	PRIMARY KEY (owner, agent, slot)
);

CREATE INDEX fast_token_expiry ON fast_token (expires_at);
