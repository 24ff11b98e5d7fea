-- The message of the day of a host, numbered by the time at which it was set in microseconds
-- since 1970, and the one that each account was told last.
CREATE TABLE motd (
	host    TEXT   NOT NULL PRIMARY KEY,
	id      BIGINT NOT NULL,
	subject TEXT,
	body    TEXT   NOT NULL
);
CREATE TABLE motd_seen (
	owner BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	motd  BIGINT NOT NULL
);
