-- Rosters (RFC 6121 section 2). state holds the bits of mod_roster: the
-- subscription state of appendix A and whether the item is listed. request is the
-- pending inbound <presence type='subscribe'/> as it came.
CREATE TABLE roster_version (
	owner   BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	version INTEGER NOT NULL
);

CREATE TABLE roster_item (
	owner       BIGINT  NOT NULL REFERENCES account (owner),
	jid         TEXT    NOT NULL,
	name        TEXT,
	state       INTEGER NOT NULL,
	group_names TEXT    NOT NULL, -- one a line
	request     TEXT,
	PRIMARY KEY (owner, jid)
);
