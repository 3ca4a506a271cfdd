-- What else was done to a device in a meeting that goes on.
-- Sealed: the name that somebody else gave it.
ALTER TABLE standing ADD COLUMN name BLOB;
ALTER TABLE standing ADD COLUMN sent_back INTEGER NOT NULL DEFAULT 0;
-- No reference: an invite is forgotten sooner than a meeting ends.
ALTER TABLE standing ADD COLUMN invite TEXT;
-- No reference: a tag under a key that is gone matches nobody.
ALTER TABLE standing ADD COLUMN network_key INTEGER;
ALTER TABLE standing ADD COLUMN network_tag BLOB;
