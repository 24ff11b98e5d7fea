-- A row of account stands for a user (kind 0) or for a room (kind 1): a room has a
-- number of its own, by which everything is kept, but nobody can log in as it.
ALTER TABLE account ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
