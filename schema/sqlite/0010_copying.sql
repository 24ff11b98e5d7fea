-- A row while a copy from another database (jackdaw --copy-database) is under way or
-- was broken off: a server does not start on half of its data.
CREATE TABLE database_copy (
	started_at BIGINT NOT NULL
);
