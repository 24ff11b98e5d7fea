-- Archives (XEP-0313). An owner's rows are numbered from 1 in the order of their commit, and
-- their times grow with their numbers, so that a time is a place in that order, too.
CREATE TABLE archive_owner (
	owner   BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	next_id BIGINT NOT NULL,
	total   BIGINT NOT NULL, -- rows in archive
	last_at BIGINT NOT NULL  -- microseconds; of the newest row
);

-- No reference to account: a row comes only with one in archive_owner, which is erased first.
CREATE TABLE archive (
	owner     BIGINT  NOT NULL,
	id        BIGINT  NOT NULL,
	at        BIGINT  NOT NULL,
	peer      TEXT    NOT NULL, -- bare
	resource  TEXT,             -- of the peer
	direction INTEGER NOT NULL, -- 0: came in, 1: went out
	type      INTEGER NOT NULL, -- 0: normal, 1: chat
	origin_id TEXT,
	flags     INTEGER NOT NULL, -- 1: has a body
	format    INTEGER NOT NULL, -- of stanza. 0: the text as it is
	stanza    BLOB    NOT NULL,
	PRIMARY KEY (owner, id)
);

CREATE INDEX archive_peer ON archive (owner, peer, id);
CREATE INDEX archive_at ON archive (owner, at);

-- What is kept (XEP-0441), by address; an empty one stands for everybody else.
CREATE TABLE archive_pref (
	owner BIGINT  NOT NULL REFERENCES account (owner),
	jid   TEXT    NOT NULL,
	keep  INTEGER NOT NULL, -- 0: never, 1: always, 2: if the address is in the roster
	PRIMARY KEY (owner, jid)
);
