-- Private XML storage (XEP-0049): an element by namespace and name, as the text of a
-- message that holds it. bytes is the length of that.
CREATE TABLE private_item (
	owner BIGINT  NOT NULL REFERENCES account (owner),
	ns    TEXT    NOT NULL,
	name  TEXT    NOT NULL,
	bytes INTEGER NOT NULL,
	data  TEXT    NOT NULL,
	PRIMARY KEY (owner, ns, name)
);
