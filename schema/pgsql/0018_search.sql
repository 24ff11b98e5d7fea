-- Searching in archives (XEP-0431). A row for each message of `archive` that has been found to have
-- words: terms stand for them in their order, each eight letters or digits and made from the owner,
-- the word and a secret, so that nothing can be read here. An index may keep traces of what has
-- been erased for a while: it has only terms, too.
CREATE TABLE archive_text (
	owner BIGINT NOT NULL,
	id    BIGINT NOT NULL,
	terms TEXT   NOT NULL, -- with a space before and behind each
	PRIMARY KEY (owner, id)
);

-- By term. What has just been written goes into the index as well, not into a list for later, through
-- which every search would have to go.
CREATE INDEX archive_words ON archive_text
	USING gin (array_to_tsvector(array_remove(string_to_array(terms, ' '), ''))) WITH (fastupdate = off);

-- How far the archive of an owner has been gone through.
CREATE TABLE archive_indexed (
	owner BIGINT  NOT NULL PRIMARY KEY,
	seen  BIGINT  NOT NULL, -- id of the last row that was looked at
	whole INTEGER NOT NULL  -- 1: all of it, and what has come since
);
