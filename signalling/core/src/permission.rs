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
    GUEST
        .into_iter()
        .filter(|permission| allows(role, *permission))
        .collect()
}

/// Returns whether a participant of this role may do something.
pub fn allows(role: Role, permission: Permission) -> bool {
    let publishes = matches!(
        permission,
        Permission::PublishAudio
            | Permission::PublishVideo
            | Permission::PublishScreen
            | Permission::PublishScreenAudio
    );
    GUEST.contains(&permission) && (role != Role::Viewer || !publishes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_the_question_agree() {
        for role in [
            Role::Host,
            Role::CoHost,
            Role::Presenter,
            Role::Attendee,
            Role::Viewer,
        ] {
            let listed = permissions_of(role);
            assert!(
                GUEST
                    .iter()
                    .all(|permission| listed.contains(permission) == allows(role, *permission))
            );
            assert!(!allows(role, Permission::ParticipantRename));
        }
        assert!(!allows(Role::Viewer, Permission::PublishVideo));
        assert!(allows(Role::Attendee, Permission::PublishVideo));
    }
}
