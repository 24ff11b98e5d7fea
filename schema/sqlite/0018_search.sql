-- Searching in archives (XEP-0431). A row for each message of `archive` that has been found to have
-- words: terms stand for them in their order, each eight letters or digits and made from the owner,
-- the word and a secret, so that nothing can be read here. An index may keep traces of what has
-- been erased for a while: it has only terms, too.
CREATE TABLE archive_text (
	owner BIGINT NOT NULL,
	id    BIGINT NOT NULL,
	terms TEXT   NOT NULL, -- with a space before and behind each
	PRIMARY KEY (owner, id)
) WITHOUT ROWID;

-- By term: the same, packed into one number, that grows with (owner, id).
CREATE VIRTUAL TABLE archive_words USING fts5(
	terms, content = '', columnsize = 0, detail = none, tokenize = 'ascii');

CREATE TRIGGER archive_text_in AFTER INSERT ON archive_text
WHEN new.owner < 2147483648 AND new.id < 4294967296 BEGIN
	INSERT INTO archive_words (rowid, terms) VALUES (new.owner * 4294967296 + new.id, new.terms);
END;

CREATE TRIGGER archive_text_out AFTER DELETE ON archive_text
WHEN old.owner < 2147483648 AND old.id < 4294967296 BEGIN
	INSERT INTO archive_words (archive_words, rowid, terms)
	VALUES ('delete', old.owner * 4294967296 + old.id, old.terms);
END;

-- How far the archive of an owner has been gone through.
CREATE TABLE archive_indexed (
	owner BIGINT  NOT NULL PRIMARY KEY,
	seen  BIGINT  NOT NULL, -- id of the last row that was looked at
	whole INTEGER NOT NULL  -- 1: all of it, and what has come since
);
