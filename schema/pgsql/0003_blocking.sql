-- Block lists (XEP-0191): addresses, prepared, of whatever form.
CREATE TABLE block_item (
	owner BIGINT NOT NULL REFERENCES account (owner),
	jid   TEXT   NOT NULL,
	PRIMARY KEY (owner, jid)
);
