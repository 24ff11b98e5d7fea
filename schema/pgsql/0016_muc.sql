-- Rooms (XEP-0045). What a room is like is the form that its owners fill in, as text; apart
-- from it stands what is searched for.
CREATE TABLE muc_room (
	owner      BIGINT  NOT NULL PRIMARY KEY REFERENCES account (owner),
	creator    TEXT    NOT NULL, -- bare
	created_at BIGINT  NOT NULL, -- microseconds
	locked     INTEGER NOT NULL, -- 1: it waits for its first configuration
	fleeting   INTEGER NOT NULL, -- 1: it goes with its last occupant
	listed     INTEGER NOT NULL, -- 1: everybody can find it
	title      TEXT    NOT NULL,
	config     TEXT    NOT NULL,
	salt       BYTEA   NOT NULL, -- of the ids of its occupants (XEP-0421)
	subject    TEXT,             -- the message that set it
	subject_at BIGINT
);

CREATE INDEX muc_room_creator ON muc_room (creator);
CREATE INDEX muc_room_fleeting ON muc_room (owner) WHERE fleeting = 1;

CREATE TABLE muc_affiliation (
	owner       BIGINT  NOT NULL REFERENCES account (owner),
	jid         TEXT    NOT NULL, -- bare
	affiliation INTEGER NOT NULL, -- 0: outcast, 2: member, 3: admin, 4: owner
	nick        TEXT,             -- reserved
	reason      TEXT,
	PRIMARY KEY (owner, jid)
);
