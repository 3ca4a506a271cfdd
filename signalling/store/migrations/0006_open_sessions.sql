-- Asked with every change of a session that goes on: not by way of all that a room had.
CREATE INDEX session_open ON session (room, id) WHERE ended_at IS NULL;
