-- What administrators keep by the API: keys, webhooks and what is on its way to them, what was in
-- meetings, answers to requests that may come again, settings, sites that embed meetings.

CREATE TABLE api_key (
    id TEXT PRIMARY KEY NOT NULL,
    -- Sealed.
    name BLOB NOT NULL,
    hash BLOB NOT NULL,
    former_hash BLOB,
    former_until INTEGER,
    -- JSON.
    scopes TEXT NOT NULL,
    -- JSON; nothing for every room.
    rooms TEXT,
    -- JSON.
    networks TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER,
    last_used_prefix TEXT,
    rev INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook (
    id TEXT PRIMARY KEY NOT NULL,
    -- Sealed: it may have a secret in it.
    url BLOB NOT NULL,
    -- Sealed.
    description BLOB NOT NULL,
    -- JSON.
    events TEXT NOT NULL,
    -- JSON; nothing for every room, and for what concerns none.
    rooms TEXT,
    include_pii INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    -- Sealed.
    secret BLOB NOT NULL,
    -- Sealed.
    former_secret BLOB,
    former_until INTEGER,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    -- Its deliveries that are pending, as the triggers below count them: bounds are looked at with
    -- every event, when there may be many.
    pending INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- What happened, as long as somebody is to be told of it. Numbers are in the order of commits.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- No references: what happened in a room outlives it.
    room TEXT,
    session TEXT,
    participant TEXT,
    -- JSON.
    data TEXT NOT NULL,
    -- Sealed JSON; only where a webhook is told it.
    personal BLOB
) STRICT;
CREATE INDEX event_by_time ON event (at);

CREATE TABLE delivery (
    id TEXT PRIMARY KEY NOT NULL,
    webhook TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    event INTEGER NOT NULL REFERENCES event (seq),
    -- pending, delivered or dead.
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    status INTEGER,
    error TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX delivery_by_webhook ON delivery (webhook, id);
CREATE INDEX delivery_by_event ON delivery (event);
CREATE INDEX delivery_due ON delivery (webhook, due_at, event) WHERE state = 'pending';
CREATE INDEX delivery_pending ON delivery (webhook, event) WHERE state = 'pending';
CREATE INDEX delivery_ended ON delivery (state, ended_at) WHERE ended_at IS NOT NULL;

CREATE TRIGGER delivery_made AFTER INSERT ON delivery WHEN NEW.state = 'pending' BEGIN
    UPDATE webhook SET pending = pending + 1 WHERE id = NEW.webhook;
END;
CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery
WHEN OLD.state = 'pending' AND NEW.state <> 'pending' BEGIN
    UPDATE webhook SET pending = pending - 1 WHERE id = NEW.webhook;
END;
CREATE TRIGGER delivery_deleted AFTER DELETE ON delivery WHEN OLD.state = 'pending' BEGIN
    UPDATE webhook SET pending = pending - 1 WHERE id = OLD.webhook;
END;

CREATE TABLE session (
    id TEXT PRIMARY KEY NOT NULL,
    -- No reference: it is known until its time is over, though its room is deleted.
    room TEXT NOT NULL,
    -- Of the room when the session began.
    slug TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended TEXT,
    peak INTEGER NOT NULL,
    people INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_room ON session (room, id);
CREATE INDEX session_by_end ON session (ended_at);

CREATE TABLE attendance (
    session TEXT NOT NULL,
    device BLOB NOT NULL,
    participant TEXT NOT NULL,
    -- Sealed.
    name BLOB NOT NULL,
    role TEXT NOT NULL,
    identity TEXT NOT NULL,
    -- No reference: it outlives the invite.
    invite TEXT,
    -- JSON.
    stays TEXT NOT NULL,
    talk_ms INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    PRIMARY KEY (session, device)
) STRICT, WITHOUT ROWID;

-- Answers to requests that may come again. Numbers are in the order of the requests.
CREATE TABLE idempotency (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- Who asked, as text.
    actor TEXT NOT NULL,
    -- SHA-256 of what the caller chose as key.
    name BLOB NOT NULL,
    -- SHA-256 of the request.
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    -- Whether nobody knows any more if it was done.
    doubtful INTEGER NOT NULL DEFAULT 0,
    -- Nothing until it is answered.
    status INTEGER,
    -- Sealed JSON.
    headers BLOB,
    -- Sealed: it may have secrets in it that are shown once.
    body BLOB,
    UNIQUE (actor, name)
) STRICT;
CREATE INDEX idempotency_by_actor ON idempotency (actor, seq);
CREATE INDEX idempotency_by_time ON idempotency (at);

CREATE TABLE setting (
    name TEXT PRIMARY KEY NOT NULL,
    -- JSON.
    value TEXT NOT NULL,
    rev INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sites that sign join tokens.
CREATE TABLE embedder (
    kid TEXT PRIMARY KEY NOT NULL,
    issuer TEXT NOT NULL,
    -- Ed25519.
    key BLOB NOT NULL,
    max_role TEXT NOT NULL,
    -- Slugs as JSON; nothing for every room.
    rooms TEXT,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_actor ON audit (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_by_target ON audit (target, seq) WHERE target IS NOT NULL;
