//! What each role may do by itself: the table of `docs/permissions.md`.

use conclave_signalling_wire::objects::{Permission, Role, RosterMode};

use crate::settings::Settings;

/// Returns whether a role may do something in a room of these policies.
pub(super) fn allows(settings: &Settings, role: Role, permission: Permission) -> bool {
    let at_least = |lowest: Role| !lowest.outranks(role);
    let attendees = settings.attendees;
    // Attendees only if the room lets them, the roles above them anyway.
    let from_attendee_if =
        |allowed: bool| at_least(Role::Presenter) || allowed && at_least(Role::Attendee);
    match permission {
        Permission::RoomJoin | Permission::ReceiveMedia | Permission::ReceiveScreen => true,
        Permission::LobbyBypass => at_least(Role::Presenter),
        Permission::LobbyManage
        | Permission::RoomLock
        | Permission::RoomSettings
        | Permission::InviteManage
        | Permission::MediaMute
        | Permission::MediaRequest
        | Permission::MediaGrant
        | Permission::MediaLockAll
        | Permission::ParticipantRemove
        | Permission::ParticipantBan
        | Permission::BanManage
        | Permission::ParticipantToLobby
        | Permission::ParticipantRename
        | Permission::RoleAssign
        | Permission::SessionStart
        | Permission::SessionAnnounce
        | Permission::ScreenTakeover
        | Permission::SpotlightSet
        | Permission::PanicSuspend
        | Permission::AttendanceExport
        | Permission::ChatDeleteAny
        | Permission::ChatClear
        | Permission::ChatConfigure
        | Permission::ChatPin
        | Permission::ChatExport
        | Permission::HandManage => at_least(Role::CoHost),
        Permission::SessionEnd => {
            at_least(Role::Host) || settings.cohosts_end && at_least(Role::CoHost)
        }
        Permission::ChatRead | Permission::ChatDeleteOwn | Permission::ChatEditOwn => true,
        Permission::ChatSend | Permission::ChatPrivateHosts | Permission::ChatReact => {
            at_least(Role::Attendee) || settings.viewers.chat
        }
        // Whether attendees may at all is a policy of the room.
        Permission::ChatPrivateAny => at_least(Role::Attendee),
        Permission::HandRaise => at_least(Role::Attendee) || settings.viewers.hands,
        Permission::ReactionSend => at_least(Role::Attendee) || settings.viewers.reactions,
        Permission::RoomPassword => at_least(Role::Host),
        Permission::InviteCreate => {
            at_least(Role::CoHost) || attendees.invite && at_least(Role::Attendee)
        }
        Permission::PublishAudio => from_attendee_if(attendees.microphone),
        Permission::PublishVideo => from_attendee_if(attendees.camera),
        Permission::PublishScreen | Permission::PublishScreenAudio => {
            from_attendee_if(attendees.screen)
        }
        Permission::RosterSee | Permission::RosterSeeRoles => {
            at_least(Role::Presenter)
                || settings.roster == RosterMode::All && at_least(Role::Attendee)
        }
        Permission::SelfRename => from_attendee_if(attendees.rename),
    }
}
