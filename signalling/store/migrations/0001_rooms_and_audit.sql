-- Columns of type BLOB that hold text of people are sealed (see seal.rs).
-- Times are milliseconds since 1970. Identifiers are written as messages write them.

-- "cncv": says that a file is ours, before anything in it is read or changed.
PRAGMA application_id = 1668178806;

-- Which master key sealed the fields: opening with another one is refused at once.
CREATE TABLE master_key (
    id BLOB PRIMARY KEY NOT NULL
) STRICT;

CREATE TABLE room (
    id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    -- JSON, without the password.
    settings TEXT NOT NULL,
    -- Sealed PHC string.
    password BLOB,
    -- What the configuration file said about this room when it was applied last.
    config_digest TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE invite (
    id TEXT PRIMARY KEY NOT NULL,
    room TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    role TEXT NOT NULL,
    custom_role TEXT,
    name BLOB,
    name_locked INTEGER NOT NULL,
    max_uses INTEGER,
    -- Device hashes of 32 bytes, one after the other.
    devices BLOB NOT NULL,
    uses INTEGER NOT NULL,
    not_before INTEGER,
    expires_at INTEGER,
    bypass_lobby INTEGER NOT NULL,
    bind_device INTEGER NOT NULL,
    note BLOB,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER,
    UNIQUE (room, hash)
) STRICT;

CREATE TABLE ban (
    id TEXT PRIMARY KEY NOT NULL,
    room TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    -- No reference: a ban outlives its invite.
    invite TEXT,
    device BLOB,
    -- No reference: the key goes when no ban needs it any more.
    network_key INTEGER,
    network_tag BLOB,
    network_until INTEGER NOT NULL,
    strict INTEGER NOT NULL,
    name BLOB,
    reason BLOB,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ban_by_room ON ban (room);
CREATE INDEX ban_by_network_key ON ban (network_key) WHERE network_key IS NOT NULL;

CREATE TABLE standing (
    room TEXT NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    device BLOB NOT NULL,
    role TEXT,
    custom_role TEXT,
    -- JSON.
    overrides TEXT NOT NULL,
    admitted INTEGER NOT NULL,
    removals INTEGER NOT NULL,
    left_at INTEGER,
    PRIMARY KEY (room, device)
) STRICT, WITHOUT ROWID;

-- Numbers are never given twice: an old tag must not match under a new key.
CREATE TABLE network_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- Sealed.
    key BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Append-only. What the hash is of stands in audit/canonical.rs.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    action TEXT NOT NULL,
    target TEXT,
    room TEXT,
    session TEXT,
    prefix TEXT,
    outcome TEXT NOT NULL,
    detail TEXT,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_room ON audit (room, seq);

-- `seq` is not unique on purpose: in a log that was cut, signing goes on, and
-- the old checkpoint shows what is missing.
CREATE TABLE audit_checkpoint (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    -- The first 8 bytes of SHA-256 of the public key.
    key BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;
CREATE INDEX audit_checkpoint_by_seq ON audit_checkpoint (seq);
