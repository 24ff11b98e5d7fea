-- vCards (XEP-0054), as the text of a message that holds one.
CREATE TABLE vcard (
	owner BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	data  TEXT   NOT NULL
);
