-- Rosters (RFC 6121 section 2). state is the subscription state of appendix A as
-- a number (mod_roster); version is the roster's version at the item's last change.
CREATE TABLE roster_version (
	owner   BIGINT  NOT NULL PRIMARY KEY REFERENCES account (owner),
	version INTEGER NOT NULL
);

CREATE TABLE roster_item (
	owner   BIGINT  NOT NULL REFERENCES account (owner),
	jid     TEXT    NOT NULL,
	name    TEXT,
	state   INTEGER NOT NULL,
	groups  TEXT    NOT NULL DEFAULT '', -- group names, one a line
	request TEXT,                        -- the pending inbound <presence type='subscribe'/>
	removed INTEGER NOT NULL DEFAULT 0,  -- kept for versioning
	version INTEGER NOT NULL,
	PRIMARY KEY (owner, jid)
);
