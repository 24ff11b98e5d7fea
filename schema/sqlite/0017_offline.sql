-- Where an account is in its log: its clients have every row up to `position` and those in
-- `taken` ("5 7-9"). What is there already counts as seen.
CREATE TABLE offline_position (
	owner    BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),
	position BIGINT NOT NULL,
	taken    TEXT   NOT NULL
);

INSERT INTO offline_position (owner, position, taken)
SELECT owner, next_id - 1, '' FROM archive_owner;
