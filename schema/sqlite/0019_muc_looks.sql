-- How rooms look: what their occupants may wear, and their pictures. The vCard of a room
-- stands in the table of those of users.
ALTER TABLE muc_room ADD COLUMN hats TEXT;   -- a message with all of them and who wears which
ALTER TABLE muc_room ADD COLUMN avatar TEXT; -- SHA-1 of the picture, for each of its formats
