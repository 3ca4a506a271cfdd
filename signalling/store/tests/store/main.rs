//! The store through its public face, with raw SQL where somebody tampers.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod answers;
mod audit;
mod chat;
mod crash;
mod hooks;
mod keys;
mod life;
mod networks;
mod overall;
mod rooms;
mod sessions;
mod speed;
mod values;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use conclave_signalling_core::digest::{DeviceHash, InviteHash};
use conclave_signalling_core::record::{Actor, AuditEntry, Ban, ChatRecord, Invite, Standing};
use conclave_signalling_core::settings::Settings;
use conclave_signalling_store::{MasterKey, NewRoom, Store, StoreError};
use conclave_signalling_wire::chat::{ChatAuthor, ChatMessage, ChatTarget};
use conclave_signalling_wire::ids::{BanId, InviteId, MessageId, ParticipantId, RoomId, SessionId};
use conclave_signalling_wire::objects::{Preset, Role};
use conclave_signalling_wire::text::{ClientId, DisplayName, Slug};
use conclave_signalling_wire::time::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

/// 2026-11-22T10:00:00Z.
const NOW_MS: u64 = 1_795_341_600_000;
const HOUR_MS: u64 = 3600 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn after(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(NOW_MS + ms)
}

fn before(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(NOW_MS - ms)
}

fn now() -> Timestamp {
    after(0)
}

/// A data folder of a test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "conclave-store-test-{}-{}",
            std::process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        Folder(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(self.path(), key()).await
    }

    /// Opens the database as somebody does who does not ask us.
    async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file("conclave.db"));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Runs one statement on a database that nobody has open.
    async fn tamper(&self, statement: impl std::fmt::Display) {
        let mut db = self.raw().await;
        sqlx::query(AssertSqlSafe(statement.to_string()))
            .execute(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key() -> MasterKey {
    MasterKey::new([7; 32])
}

fn random(number: u64) -> [u8; 10] {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    random
}

fn room_id(number: u64) -> RoomId {
    RoomId::new(NOW_MS, random(number))
}

fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

fn new_room(number: u64, slug: &str) -> NewRoom {
    NewRoom {
        id: room_id(number),
        slug: Slug::new(slug).unwrap(),
        settings: Settings::new(Preset::Meeting, slug),
        invites: Vec::new(),
        config_digest: None,
        created_at: now(),
    }
}

fn invite(number: u64) -> Invite {
    Invite {
        id: InviteId::new(NOW_MS, random(number)),
        hash: InviteHash(hash(number)),
        role: Role::Attendee,
        custom_role: None,
        name: Some(DisplayName::new("Ada Lovelace").unwrap()),
        name_locked: true,
        max_uses: Some(1),
        devices: vec![DeviceHash(hash(1)), DeviceHash(hash(2))],
        uses: 2,
        not_before: None,
        expires_at: Some(after(DAY_MS)),
        bypass_lobby: true,
        bind_device: false,
        note: Some("for the demonstration".to_owned()),
        created_by: Actor::Operator,
        maker: None,
        vouched: true,
        created_at: now(),
        last_used_at: None,
        revoked_at: None,
    }
}

fn ban(number: u64) -> Ban {
    Ban {
        id: BanId::new(NOW_MS, random(number)),
        invite: None,
        device: Some(DeviceHash(hash(number))),
        network: None,
        network_until: after(HOUR_MS),
        strict: false,
        name: Some("Mallory Malicious".to_owned()),
        reason: Some("shouted at everybody".to_owned()),
        by: Actor::Room,
        created_at: now(),
        expires_at: after(DAY_MS),
    }
}

fn standing(number: u64) -> Standing {
    Standing {
        role: Some(Role::Presenter),
        name: Some(DisplayName::new("Renamed Person").unwrap()),
        admitted: true,
        ..Standing::new(DeviceHash(hash(number)))
    }
}

fn session(number: u64) -> SessionId {
    SessionId::new(NOW_MS, random(number))
}

fn message(number: u32) -> ChatRecord {
    let author = u64::from(number);
    ChatRecord {
        message: ChatMessage {
            id: MessageId::new(NOW_MS, random(author)),
            number,
            client_id: ClientId::new(&format!("c-{number}")).unwrap(),
            from: ChatAuthor {
                participant: ParticipantId::new(NOW_MS, random(author)),
                name: DisplayName::new("Ada Lovelace").unwrap(),
                role: Role::Attendee,
            },
            to: ChatTarget::All {},
            text: "Luncheon is at noon".to_owned(),
            reply_to: None,
            mentions: Vec::new(),
            ts: now(),
            edited_at: None,
            pinned: false,
            deleted_by: None,
            reactions: Vec::new(),
        },
        device: DeviceHash(hash(author)),
        session: session(1),
        expires_at: after(DAY_MS),
    }
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        at: now(),
        actor: Actor::Operator,
        action: action.to_owned(),
        target: None,
        room: Some(room_id(1)),
        session: None,
        prefix: Some("192.0.2.0/24".to_owned()),
        request_id: None,
        outcome: "ok".to_owned(),
        detail: None,
    }
}

/// Opens a store with one room in it.
async fn with_room(folder: &Folder) -> Store {
    let store = folder.open().await;
    store
        .create_room(new_room(1, "welcome"), entry("room.create"))
        .await
        .unwrap();
    store
}

/// Returns whether a word is anywhere in the files of a store.
fn is_in_files(folder: &Folder, word: &str) -> bool {
    let mut bytes = 0;
    let found = std::fs::read_dir(folder.path()).unwrap().any(|file| {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        bytes += content.len();
        let mut windows = content.windows(word.len());
        windows.any(|window| window == word.as_bytes())
    });
    assert!(found || bytes > 10_000, "nothing was looked at");
    found
}
