-- What rows of archives are packed with (archive.format). A row here is never erased or changed, for
-- others cannot be read without it.
CREATE TABLE archive_dictionary (
	id    BIGINT NOT NULL PRIMARY KEY, -- from 1
	made  BIGINT NOT NULL,             -- microseconds
	bytes BYTEA NOT NULL
);
