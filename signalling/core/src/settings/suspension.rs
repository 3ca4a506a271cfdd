//! Stopping everything at once, and taking that back.

use std::collections::BTreeSet;

use conclave_signalling_wire::objects::{LobbyMode, PrivateChat, PublicChat, Source};

use super::{Lock, Locks, Settings, Snapshot};

/// A lock that binds everybody below the hosts.
const SHUT: Lock = Lock {
    on: true,
    allow: BTreeSet::new(),
};

impl Settings {
    /// Locks the room and all its sources, puts the lobby before it and turns the
    /// chat off; what was before is remembered. Returns whether that was not so
    /// already. The caller raises the number.
    pub fn suspend(&mut self) -> bool {
        if self.suspended.is_some() {
            return false;
        }
        self.suspended = Some(Box::new(Snapshot {
            locked: self.locked,
            lobby: self.lobby,
            locks: self.locks.clone(),
            chat: self.chat.clone(),
        }));
        self.locked = true;
        self.lobby = LobbyMode::On;
        self.locks = Locks {
            microphone: SHUT,
            camera: SHUT,
            screen: SHUT,
        };
        self.chat.public = PublicChat::Off;
        self.chat.private = PrivateChat::Off;
        true
    }

    /// Restores what [`Settings::suspend`] changed, and nothing else. What
    /// somebody has changed since is wanted as it is, and stays: a room that was
    /// unlocked while it was suspended is not locked again. Returns whether it
    /// was suspended. The caller raises the number.
    pub fn restore(&mut self) -> bool {
        let Some(snapshot) = self.suspended.take() else {
            return false;
        };
        let Snapshot {
            locked,
            lobby,
            mut locks,
            chat,
        } = *snapshot;
        if self.locked {
            self.locked = locked;
        }
        if self.lobby == LobbyMode::On {
            self.lobby = lobby;
        }
        for source in [Source::Microphone, Source::Camera, Source::Screen] {
            let lock = self.locks.of_mut(source);
            if *lock == SHUT {
                *lock = std::mem::take(locks.of_mut(source));
            }
        }
        if self.chat.public == PublicChat::Off {
            self.chat.public = chat.public;
        }
        if self.chat.private == PrivateChat::Off {
            self.chat.private = chat.private;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::DeviceHash;
    use conclave_signalling_wire::objects::{ChatPolicy, Preset};
    use proptest::prelude::*;

    fn settings() -> impl Strategy<Value = Settings> {
        let lock = || {
            (any::<bool>(), prop::collection::btree_set(0..3u8, 0..3)).prop_map(|(on, allow)| {
                let allow = allow.into_iter().map(|device| DeviceHash([device; 32]));
                Lock {
                    on,
                    allow: allow.collect(),
                }
            })
        };
        let chat = (
            prop_oneof![
                Just(PublicChat::All),
                Just(PublicChat::Hosts),
                Just(PublicChat::Off)
            ],
            prop_oneof![
                Just(PrivateChat::All),
                Just(PrivateChat::Hosts),
                Just(PrivateChat::Off)
            ],
            0..100u32,
        );
        (any::<bool>(), any::<bool>(), lock(), lock(), lock(), chat).prop_map(
            |(locked, lobby, microphone, camera, screen, (public, private, slow_s))| Settings {
                locked,
                lobby: if lobby { LobbyMode::On } else { LobbyMode::Off },
                locks: Locks {
                    microphone,
                    camera,
                    screen,
                },
                chat: ChatPolicy {
                    public,
                    private,
                    slow_s,
                    ..ChatPolicy::default()
                },
                ..Settings::new(Preset::Meeting, "Welcome")
            },
        )
    }

    #[test]
    fn what_was_changed_meanwhile_stays() {
        let mut settings = Settings::new(Preset::Meeting, "Welcome");
        settings.suspend();
        settings.locked = false;
        settings.chat.public = PublicChat::Hosts;
        settings.chat.slow_s = 7;
        settings.title = "Other".to_owned();
        settings.locks.camera = Lock {
            on: true,
            allow: BTreeSet::from([DeviceHash([1; 32])]),
        };
        let camera = settings.locks.camera.clone();
        assert!(settings.restore());
        let expected = Settings {
            title: "Other".to_owned(),
            locks: Locks {
                camera,
                ..Locks::default()
            },
            chat: ChatPolicy {
                public: PublicChat::Hosts,
                slow_s: 7,
                ..ChatPolicy::default()
            },
            ..Settings::new(Preset::Meeting, "Other")
        };
        assert!(settings == expected);
    }

    proptest! {
        #[test]
        fn suspending_and_restoring_changes_nothing(before in settings()) {
            let mut settings = before.clone();
            prop_assert!(!settings.restore());
            prop_assert!(settings.suspend());
            prop_assert!(settings.locked && settings.lobby == LobbyMode::On);
            for source in Source::ALL {
                let lock = settings.locks.of(source);
                prop_assert!(lock.on && lock.allow.is_empty());
            }
            let suspended = settings.clone();
            prop_assert!(!settings.suspend());
            prop_assert!(settings == suspended);
            prop_assert!(settings.restore());
            prop_assert!(settings == before);
        }
    }
}
