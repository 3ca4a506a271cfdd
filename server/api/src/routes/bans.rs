//! `/rooms/{room}/bans`: make, list, lift; `/bans`: those of all rooms.

use std::net::IpAddr;

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_signalling_node::{BanTarget, NewRoomBan};
use conclave_signalling_store::{BanQuery, Order};
use conclave_signalling_wire::ids::{BanId, InviteId, ParticipantId, RoomId};
use conclave_signalling_wire::moderation::{BanInfo, BanLift};
use conclave_signalling_wire::text::{Prose, Slug};
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::lists::{List, cut};
use crate::problem::Problem;
use crate::table::{Example, Route};

/// A ban to be made: of exactly one of `participant`, `invite` and `network`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BanCreate {
    /// Somebody who is in the room, and is removed: by its device, its network, and its invite if
    /// that is for one person.
    #[serde(default)]
    participant: Option<ParticipantId>,
    /// Who comes by an invite for one person.
    #[serde(default)]
    invite: Option<InviteId>,
    /// Everybody from the network of this address: an IPv4 address, or the /64 of an IPv6 address.
    /// It is kept as a keyed hash only.
    #[serde(default)]
    network: Option<IpAddr>,
    /// A name for those who see the list; of a participant its own.
    #[serde(default)]
    name: Option<Prose>,
    /// Why.
    #[serde(default)]
    reason: Option<Prose>,
    /// When it ends: in a minute to a year, of a network within a day; in a day, without it.
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// Whether who matches by the network alone is refused, and does not wait in the lobby.
    #[serde(default)]
    strict: bool,
}

/// A ban, and of which room it is.
#[derive(Debug, Serialize, JsonSchema)]
struct BanOfRoom {
    #[serde(flatten)]
    ban: BanInfo,
    /// Its room.
    room: RoomId,
    /// The name of the room in links.
    slug: Slug,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/rooms/{room}/bans", "listBans")
            .scope(Scope::RoomsRead)
            .summary("List the bans of a room")
            .about(
                "The newest first. By what a ban knows somebody is told by kind, never by value.",
            )
            .list_of::<BanInfo>()
            .by::<BanId>()
            .shows(shown())
            .handler(list),
        Route::post("/rooms/{room}/bans", "createBan")
            .scope(Scope::RoomsWrite)
            .summary("Ban somebody from a room")
            .about(
                "Of exactly one of `participant`, `invite` and `network`. Who is in the room is \
                 banned as `participant`, and removed; the others ban only who comes.",
            )
            .body::<BanCreate>()
            .creates::<BanInfo>("The ban.")
            .example(Example::new("Nobody from one network").body(json!({
                "network": "192.0.2.7",
                "name": "Mallory",
                "reason": "Played music",
            })))
            .example(
                Example::new("Whoever was invited by mistake, without a second try").body(json!({
                    "invite": "{createToken/id}",
                    "strict": true,
                })),
            )
            .example(
                Example::new("Somebody who is not there any more")
                    .body(json!({"participant": "par_01h455vb4pex5vsknk084sn02q"}))
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(create),
        Route::delete("/rooms/{room}/bans/{ban}", "liftBan")
            .scope(Scope::RoomsWrite)
            .summary("Lift a ban")
            .no_content()
            .example(Example::new("Lift a ban").at("ban", "{createBan/id}"))
            .example(
                Example::new("Lift a ban that is over")
                    .at("ban", "ban_01h455vb4pex5vsknk084sn02q")
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(lift),
        Route::get("/bans", "listAllBans")
            .scope(Scope::RoomsRead)
            .summary("List the bans of all rooms")
            .about("The newest first. A key for some rooms sees those of its rooms.")
            .list_of::<BanOfRoom>()
            .by::<BanId>()
            .shows({
                let mut ban = shown();
                ban["room"] = json!("room_01h455vb4pex5vsknk084sn02q");
                ban["slug"] = json!("standup");
                ban
            })
            .handler(list_all),
        Route::delete("/bans/{ban}", "liftBanAnywhere")
            .scope(Scope::RoomsWrite)
            .summary("Lift a ban, of whichever room")
            .no_content()
            .example(
                Example::new("Lift a ban that is over")
                    .at("ban", "ban_01h455vb4pex5vsknk084sn02q")
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(lift_anywhere),
    ]
}

fn shown() -> Value {
    json!({
        "id": "ban_01h455vb4pex5vsknk084sn02q",
        "keys": ["device", "network"],
        "name": "Mallory",
        "reason": "Played music",
        "strict": false,
        "created_at": "2026-11-22T10:00:00Z",
        "expires_at": "2026-11-23T10:00:00Z",
        "by": "par_01h455vb4pex5vsknk084sn02q",
    })
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let list = List {
        entries: call.admin.rooms.bans(&slug, call.caller.actor).await?.bans,
        key: |ban| ban.id,
        newest_first: true,
    };
    list.page(&call.query, |ban| json!(ban))
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let BanCreate {
        participant,
        invite,
        network,
        name,
        reason,
        expires_at,
        strict,
    } = call.body()?;
    let on = match (participant, invite, network) {
        (Some(participant), None, None) => BanTarget::Participant(participant),
        (None, Some(invite), None) => BanTarget::Invite(invite),
        (None, None, Some(address)) => BanTarget::Network(address),
        _ => {
            let rule = "exactly one of `participant`, `invite` and `network` has to be there";
            return Err(BadMember::invalid("participant", rule).into());
        }
    };
    let ban = NewRoomBan {
        on,
        name,
        reason,
        ttl_s: expires_at.map(seconds_until).transpose()?,
        strict,
    };
    let (rooms, by) = (&call.admin.rooms, call.caller.actor);
    let id = rooms.ban_create(&slug, ban, by).await?;
    let known = rooms.bans(&slug, by).await?.bans;
    let made = known.into_iter().find(|ban| ban.id == id);
    // Unless somebody has lifted it already.
    let made = made.ok_or_else(|| Problem::not_found("ban"))?;
    let place = format!("/rooms/{slug}/bans/{id}");
    Ok(Answer::created(made).location(&place))
}

fn seconds_until(at: Timestamp) -> Result<u32, BadMember> {
    let ms = at.unix_ms().checked_sub(crate::now().unix_ms());
    let seconds = ms.and_then(|ms| u32::try_from(ms.div_ceil(1000)).ok());
    // How short or long one may be is for the room to say.
    seconds.ok_or_else(|| BadMember::invalid("expires_at", "must be within a year from now"))
}

async fn lift(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let lift = BanLift {
        ban: call.id("ban", "ban")?,
    };
    let by = call.caller.actor;
    call.admin.rooms.lift_ban(&slug, lift, by).await?;
    Ok(Answer::nothing())
}

async fn list_all(call: Call) -> Result<Answer, Problem> {
    let (admin, query) = (&call.admin, &call.query);
    let limit = query.limit()?;
    let mut wanted = BanQuery {
        rooms: call.caller.rights.rooms.is_some().then(|| {
            let seen = admin.rooms.list().into_iter();
            let seen = seen.filter(|room| call.caller.sees(room));
            seen.map(|room| room.id).collect()
        }),
        order: match query.ascending(false)? {
            true => Order::OldestFirst,
            false => Order::NewestFirst,
        },
        after: query.parsed("cursor", |text| text.parse::<BanId>().ok())?,
        limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
        now: crate::now(),
    };
    let mut bans = admin.store.bans(&wanted).await?;
    let next_cursor = cut(&mut bans, limit, |(_, ban)| ban.id.to_string());
    let total = match query.wants_total()? {
        true => {
            wanted.after = None;
            Some(admin.store.count_bans(&wanted).await?)
        }
        false => None,
    };
    let entries = bans.into_iter().filter_map(|(room, ban)| {
        // Of a room that is being deleted there is nothing left to show.
        let slug = admin.rooms.find_id(room)?;
        let ban = ban.describe(wanted.now);
        Some(json!(BanOfRoom { ban, room, slug }))
    });
    Ok(Answer::page(entries.collect(), next_cursor, total))
}

async fn lift_anywhere(call: Call) -> Result<Answer, Problem> {
    let ban: BanId = call.id("ban", "ban")?;
    let missing = || Problem::not_found("ban");
    let room = call.admin.store.room_of_ban(ban).await?;
    let slug = room.and_then(|room| call.admin.rooms.find_id(room));
    let entry = slug.and_then(|slug| call.admin.rooms.entry(&slug));
    let entry = entry.filter(|entry| call.caller.sees(entry));
    let slug = entry.ok_or_else(missing)?.slug;
    let by = call.caller.actor;
    call.admin
        .rooms
        .lift_ban(&slug, BanLift { ban }, by)
        .await?;
    Ok(Answer::nothing())
}
