-- Accounts that may not log in.
CREATE TABLE account_ban (
	owner  BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	since  BIGINT NOT NULL,
	reason TEXT
);
