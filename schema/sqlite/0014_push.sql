-- Registrations for push notifications (XEP-0357): nodes of services, by account.
CREATE TABLE push_registration (
	owner     BIGINT NOT NULL REFERENCES account (owner),
	jid       TEXT   NOT NULL,
	node      TEXT   NOT NULL, -- empty: none
	client    TEXT   NOT NULL, -- resource of the session that has made it
	request   TEXT   NOT NULL, -- the <enable/>, in a message
	since     BIGINT NOT NULL, -- microseconds; of the request
	ended     TEXT,            -- why the service wants no more; NULL: it is in use
	result    TEXT,            -- of the last notification
	result_at BIGINT,
	PRIMARY KEY (owner, jid, node)
);
