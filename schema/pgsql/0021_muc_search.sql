-- Rooms are found by words in their description (XEP-0433), which was in the configuration only:
-- that of a room that is there already is known when it is configured again.
ALTER TABLE muc_room ADD COLUMN description TEXT NOT NULL DEFAULT '';
