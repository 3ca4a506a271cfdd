-- The device of who made an invite in its room, and whether that one managed invites.
ALTER TABLE invite ADD COLUMN maker BLOB;
ALTER TABLE invite ADD COLUMN vouched INTEGER NOT NULL DEFAULT 1;
