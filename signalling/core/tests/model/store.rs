//! What would be read after a crash: the record and every change to it.

use std::collections::BTreeMap;

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::record::{Ban, Change, Invite, RoomRecord, Standing};
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::ids::{BanId, InviteId, RoomId};
use conclave_signalling_wire::text::Slug;

pub(crate) struct Store {
    pub(crate) id: RoomId,
    pub(crate) slug: Slug,
    pub(crate) settings: Settings,
    pub(crate) invites: BTreeMap<InviteId, Invite>,
    pub(crate) bans: BTreeMap<BanId, Ban>,
    pub(crate) standings: BTreeMap<DeviceHash, Standing>,
}

impl Store {
    pub(crate) fn new(record: RoomRecord) -> Self {
        Store {
            id: record.id,
            slug: record.slug,
            settings: record.settings,
            invites: record
                .invites
                .into_iter()
                .map(|one| (one.id, one))
                .collect(),
            bans: BTreeMap::new(),
            standings: BTreeMap::new(),
        }
    }

    pub(crate) fn record(&self) -> RoomRecord {
        RoomRecord {
            id: self.id,
            slug: self.slug.clone(),
            settings: self.settings.clone(),
            invites: self.invites.values().cloned().collect(),
            bans: self.bans.values().cloned().collect(),
            standings: self.standings.values().cloned().collect(),
            chat: Vec::new(),
        }
    }

    pub(crate) fn keep(&mut self, change: &Change) {
        match change.clone() {
            Change::Settings(settings) => self.settings = *settings,
            Change::Invite(invite) => {
                self.invites.insert(invite.id, *invite);
            }
            Change::InviteGone(id) => {
                self.invites.remove(&id);
            }
            Change::Ban(ban) => {
                self.bans.insert(ban.id, *ban);
            }
            Change::BanLifted(id) => {
                self.bans.remove(&id);
            }
            Change::Standing(standing) => {
                self.standings.insert(standing.device, *standing);
            }
            Change::StandingGone(device) => {
                self.standings.remove(&device);
            }
            Change::Chat(_) | Change::ChatGone { .. } => {}
            Change::Audit(_) | Change::Session(_) | Change::Attended(_) | Change::Event(_) => {}
        }
    }
}
