-- A message costs one row and nothing else: ids are given in memory, and what is counted is
-- written now and then. total: visible rows with ids up to `counted`; next_id: no id from here on
-- belongs to a row that has been erased.
ALTER TABLE archive_owner DROP COLUMN last_at;
ALTER TABLE archive_owner ADD COLUMN counted BIGINT NOT NULL DEFAULT 0;
UPDATE archive_owner SET counted = next_id - 1;

-- Flags of rows: 1: has a body; 2: hidden, kept only until it is delivered; 4: taken back.
CREATE INDEX archive_hidden ON archive (owner, id) WHERE flags & 2 = 2;
