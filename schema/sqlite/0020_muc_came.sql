-- 1: he has entered the room, or registered with it, himself: then he is told what is said there
-- while he is away. Who is only put on the list by others is not.
ALTER TABLE muc_affiliation ADD COLUMN came INTEGER NOT NULL DEFAULT 0;
