//! What a participant may do, by name.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::objects::Source;
use crate::time::Timestamp;

/// From the table of permissions: the enum, the names, the list.
macro_rules! permissions {
    ($(#[doc = $doc:literal] $variant:ident = $name:literal;)*) => {
        /// What a participant may do. Everything that is not listed is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Permission {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)*
        }

        impl Permission {
            /// All permissions, in the order of the document.
            pub const ALL: &'static [Permission] = &[$(Permission::$variant,)*];

            /// Returns the name, `resource.action`.
            pub const fn name(self) -> &'static str {
                match self { $(Permission::$variant => $name,)* }
            }

            /// Returns an English half-sentence that says what it allows.
            pub const fn about(self) -> &'static str {
                match self { $(Permission::$variant => $doc,)* }
            }
        }
    };
}

permissions! {
    #[doc = "Be in the room."]
    RoomJoin = "room.join";
    #[doc = "Come in without waiting in the lobby."]
    LobbyBypass = "lobby.bypass";
    #[doc = "See who waits, admit and deny."]
    LobbyManage = "lobby.manage";
    #[doc = "Lock and unlock the room."]
    RoomLock = "room.lock";
    #[doc = "Start the meeting: until somebody who may is there, others wait."]
    SessionStart = "session.start";
    #[doc = "End the meeting for everybody."]
    SessionEnd = "session.end";
    #[doc = "Tell everybody something."]
    SessionAnnounce = "session.announce";
    #[doc = "Change the policies of the room."]
    RoomSettings = "room.settings";
    #[doc = "Set, change and clear the password."]
    RoomPassword = "room.password";
    #[doc = "Make invites for roles below the own one."]
    InviteCreate = "invite.create";
    #[doc = "See and revoke invites of others."]
    InviteManage = "invite.manage";
    #[doc = "Publish the microphone."]
    PublishAudio = "publish.audio";
    #[doc = "Publish the camera."]
    PublishVideo = "publish.video";
    #[doc = "Share a screen."]
    PublishScreen = "publish.screen";
    #[doc = "Share the sound of a screen."]
    PublishScreenAudio = "publish.screen_audio";
    #[doc = "See and hear others."]
    ReceiveMedia = "receive.media";
    #[doc = "See shared screens."]
    ReceiveScreen = "receive.screen";
    #[doc = "Mute microphones and cameras of lower roles, stop their shares."]
    MediaMute = "media.mute";
    #[doc = "Ask lower roles to unmute or to start."]
    MediaRequest = "media.request";
    #[doc = "Give and take the right to publish, per source, of lower roles."]
    MediaGrant = "media.grant";
    #[doc = "Lock microphones, cameras or screens of everybody."]
    MediaLockAll = "media.lock_all";
    #[doc = "Take a screen share over from lower roles, where the room lets shares be taken over."]
    ScreenTakeover = "screen.takeover";
    #[doc = "Choose who is shown large to everybody."]
    SpotlightSet = "spotlight.set";
    #[doc = "Stop everything below the hosts at once, and take it back."]
    PanicSuspend = "panic.suspend";
    #[doc = "See who is there."]
    RosterSee = "roster.see";
    #[doc = "See the roles of others."]
    RosterSeeRoles = "roster.see_roles";
    #[doc = "Remove lower roles."]
    ParticipantRemove = "participant.remove";
    #[doc = "Ban lower roles."]
    ParticipantBan = "participant.ban";
    #[doc = "See and lift bans."]
    BanManage = "ban.manage";
    #[doc = "Send lower roles back to the lobby."]
    ParticipantToLobby = "participant.to_lobby";
    #[doc = "Change the names of lower roles."]
    ParticipantRename = "participant.rename";
    #[doc = "Change the own name."]
    SelfRename = "self.rename";
    #[doc = "Give lower roles another role below the own one; a host may make co-hosts."]
    RoleAssign = "role.assign";
    #[doc = "Export who was there, and for how long each spoke."]
    AttendanceExport = "attendance.export";
    #[doc = "Read the chat."]
    ChatRead = "chat.read";
    #[doc = "Write to everybody."]
    ChatSend = "chat.send";
    #[doc = "Write to the hosts, together or to one of them."]
    ChatPrivateHosts = "chat.private_hosts";
    #[doc = "Write privately to anybody."]
    ChatPrivateAny = "chat.private_any";
    #[doc = "Delete own messages."]
    ChatDeleteOwn = "chat.delete_own";
    #[doc = "Change own messages for 5 minutes."]
    ChatEditOwn = "chat.edit_own";
    #[doc = "Delete messages of lower roles."]
    ChatDeleteAny = "chat.delete_any";
    #[doc = "Clear the chat."]
    ChatClear = "chat.clear";
    #[doc = "Change the policies of the chat."]
    ChatConfigure = "chat.configure";
    #[doc = "Pin messages."]
    ChatPin = "chat.pin";
    #[doc = "React to messages."]
    ChatReact = "chat.react";
    #[doc = "Export the chat, private messages excepted."]
    ChatExport = "chat.export";
    #[doc = "Raise the own hand."]
    HandRaise = "hand.raise";
    #[doc = "Call the next speaker, lower hands of others."]
    HandManage = "hand.manage";
    #[doc = "Send reactions."]
    ReactionSend = "reaction.send";
}

impl Permission {
    /// Returns what publishing a source asks for.
    pub const fn to_publish(source: Source) -> Permission {
        match source {
            Source::Microphone => Permission::PublishAudio,
            Source::Camera => Permission::PublishVideo,
            Source::Screen => Permission::PublishScreen,
            Source::ScreenAudio => Permission::PublishScreenAudio,
        }
    }

    /// Returns the source that publishing it is about.
    pub const fn publishes(self) -> Option<Source> {
        match self {
            Permission::PublishAudio => Some(Source::Microphone),
            Permission::PublishVideo => Some(Source::Camera),
            Permission::PublishScreen => Some(Source::Screen),
            Permission::PublishScreenAudio => Some(Source::ScreenAudio),
            _ => None,
        }
    }
}

/// What an override does to a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is allowed, whatever the role says.
    Allow,
    /// It is denied, whatever the role says.
    Deny,
}

/// An exception for one participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Override {
    /// For what.
    pub key: Permission,
    /// Which way.
    pub effect: Effect,
    /// Until when; null for as long as the meeting goes on.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_written_by_its_name() {
        for permission in Permission::ALL {
            assert_eq!(serde_json::json!(permission), permission.name());
        }
    }

    #[test]
    fn each_source_has_its_permission() {
        for source in Source::ALL {
            assert_eq!(Permission::to_publish(source).publishes(), Some(source));
        }
        assert_eq!(Permission::RoomJoin.publishes(), None);
    }
}
