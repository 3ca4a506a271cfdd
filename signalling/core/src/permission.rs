//! What a role may do. The one place that knows: every verb asks here.

use conclave_signalling_wire::objects::{Permission, Role};

/// What a guest may do in a room of the preset `meeting`.
const GUEST: [Permission; 10] = [
    Permission::RoomJoin,
    Permission::PublishAudio,
    Permission::PublishVideo,
    Permission::PublishScreen,
    Permission::PublishScreenAudio,
    Permission::ReceiveMedia,
    Permission::ReceiveScreen,
    Permission::RosterSee,
    Permission::RosterSeeRoles,
    Permission::SelfRename,
];

/// Returns everything that a participant of this role may do; the rest is refused.
///
/// Everybody is an attendee until rooms assign roles; who looks and listens
/// may do what publishes nothing.
pub fn permissions_of(role: Role) -> Vec<Permission> {
    let publishes = |permission: &Permission| {
        matches!(
            permission,
            Permission::PublishAudio
                | Permission::PublishVideo
                | Permission::PublishScreen
                | Permission::PublishScreenAudio
        )
    };
    GUEST
        .into_iter()
        .filter(|permission| role != Role::Viewer || !publishes(permission))
        .collect()
}

/// Returns whether a participant of this role may do something.
pub fn allows(role: Role, permission: Permission) -> bool {
    permissions_of(role).contains(&permission)
}
