-- Messages that a room keeps. What is not here is in memory only, as private ones always are.
CREATE TABLE chat (
    room TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    -- Rises in the room: an edit, a reaction and a tombstone take the place of the message.
    number INTEGER NOT NULL,
    -- No reference: sessions are nowhere else.
    session TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Sealed JSON.
    body BLOB NOT NULL,
    PRIMARY KEY (room, number)
) STRICT;
CREATE INDEX chat_by_expiry ON chat (expires_at);
