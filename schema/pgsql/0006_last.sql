-- Last activity (XEP-0012): when an account's last session went away, in microseconds
-- since 1970, and with which words.
CREATE TABLE last_seen (
	owner  BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	at     BIGINT NOT NULL,
	status TEXT
);
