//! Names by which rooms are found: slugs, and what other systems call them.
//!
//! One path finds a room by either. A room whose slug is the external id of
//! another would be found in its place, and get what is meant for that one.

use conclave_signalling_node::RoomsError;
use conclave_signalling_wire::text::Slug;

use crate::call::Call;
use crate::problem::Problem;

/// Lets a room, which is `room` if it exists already, have these names.
///
/// # Errors
/// 409 for an external id that is the slug of another room; for the slug of a
/// new one that is an external id, where a key for some rooms makes it: who is
/// for all rooms may want to hide one.
pub(super) fn may_call(
    call: &Call,
    room: Option<&Slug>,
    slug: Option<&Slug>,
    external_id: Option<&str>,
) -> Result<(), Problem> {
    let rooms = &call.admin.rooms;
    if let Some(slug) = slug
        && call.caller.rights.rooms.is_some()
        && rooms.find_external(slug.as_str()).is_some()
    {
        return Err(RoomsError::SlugTaken.into());
    }
    let of_slug = external_id.and_then(|id| rooms.entry(&Slug::new(id).ok()?));
    match of_slug {
        Some(other) if Some(&other.slug) != room => Err(RoomsError::ExternalIdTaken.into()),
        _ => Ok(()),
    }
}
