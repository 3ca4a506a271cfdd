-- By which request to the API; nothing for what was asked for in another way.
ALTER TABLE audit ADD COLUMN request_id TEXT;
