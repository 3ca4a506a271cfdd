//! `/stats`: how much the server is used. Nobody can be found in it.

use std::collections::{BTreeMap, BTreeSet};

use conclave_server_core::access::record::Scope;
use conclave_signalling_store::RoomUsage;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::table::Route;

const DAY_MS: u64 = 24 * 3600 * 1000;
const MINUTE_MS: u64 = 60_000;

/// How much the server is used, as far as the caller sees its rooms.
#[derive(Debug, Serialize, JsonSchema)]
struct Stats {
    /// When it was counted.
    at: Timestamp,
    /// Rooms that there are.
    rooms: usize,
    /// Meetings in which somebody is at the moment.
    sessions_live: usize,
    /// Participants at the moment, with those whose connection is lost for some seconds.
    participants: usize,
    /// Of the last 24 hours.
    last_day: Usage,
    /// Of the last 7 days, or of as many as sessions are known for if those are fewer.
    last_week: Usage,
    /// The same by tag of rooms. A room with several tags counts for each.
    tags: BTreeMap<String, TagStats>,
}

/// How much rooms with a tag are used.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct TagStats {
    /// Rooms that there are.
    rooms: usize,
    /// Participants at the moment.
    participants: usize,
    /// Of the last 24 hours.
    last_day: Usage,
    /// Of the last 7 days, as above.
    last_week: Usage,
}

/// How much was going on in some time.
#[derive(Debug, Default, Clone, Copy, Serialize, JsonSchema)]
struct Usage {
    /// Meetings of which some part was in that time.
    sessions: u64,
    /// Minutes of all participants together.
    participant_minutes: u64,
    /// The most participants at once in one meeting.
    peak: u32,
}

/// Sums as they grow: minutes are rounded at the end.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    sessions: u64,
    stayed_ms: u64,
    peak: u32,
}

impl Sum {
    fn add(&mut self, room: &RoomUsage) {
        self.sessions += u64::from(room.sessions);
        self.stayed_ms = self.stayed_ms.saturating_add(room.stayed_ms);
        self.peak = self.peak.max(room.peak);
    }
}

impl From<Sum> for Usage {
    fn from(sum: Sum) -> Self {
        Usage {
            sessions: sum.sessions,
            participant_minutes: sum.stayed_ms / MINUTE_MS,
            peak: sum.peak,
        }
    }
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/stats", "showStats")
            .scope(Scope::SystemRead)
            .summary("Tell how much the server is used")
            .about("Of now, of the last 24 hours and of the last 7 days, in all and by tag.")
            .returns::<Stats>("The numbers.")
            .handler(show),
    ]
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let (admin, caller) = (&call.admin, &call.caller);
    let at = crate::now();
    let since = |days: u64| Timestamp::from_unix_ms(at.unix_ms().saturating_sub(days * DAY_MS));
    let day = admin.store.usage(since(1), at).await?;
    let week = admin.store.usage(since(7), at).await?;
    let live = admin.rooms.live_counts().participants;
    let mut rooms = admin.rooms.list();
    rooms.retain(|room| caller.sees(room));
    let seen: BTreeSet<RoomId> = rooms.iter().map(|room| room.id).collect();
    // What was in rooms that are deleted is told to whoever sees every room.
    let is_seen = |room: &RoomId| caller.rights.rooms.is_none() || seen.contains(room);

    let mut of_tags: BTreeMap<String, (TagStats, Sum, Sum)> = BTreeMap::new();
    let [of_day, of_week] = [&day, &week].map(|usage| {
        let of_rooms = usage.iter().map(|usage| (usage.room, usage));
        of_rooms.collect::<BTreeMap<_, _>>()
    });
    for room in rooms {
        for tag in room.tags {
            let (stats, day, week) = of_tags.entry(tag).or_default();
            stats.rooms += 1;
            stats.participants += live.get(&room.id).copied().unwrap_or_default();
            for (sum, usage) in [(day, &of_day), (week, &of_week)] {
                usage.get(&room.id).inspect(|usage| sum.add(usage));
            }
        }
    }
    let tags = of_tags.into_iter().map(|(tag, (stats, day, week))| {
        let stats = TagStats {
            last_day: day.into(),
            last_week: week.into(),
            ..stats
        };
        (tag, stats)
    });
    let sum = |usage: &[RoomUsage]| {
        let mut sum = Sum::default();
        let seen = usage.iter().filter(|usage| is_seen(&usage.room));
        seen.for_each(|usage| sum.add(usage));
        Usage::from(sum)
    };
    let live: Vec<usize> = live
        .iter()
        .filter(|(room, _)| is_seen(room))
        .map(|(_, count)| *count)
        .collect();
    Ok(Answer::ok(Stats {
        at,
        rooms: seen.len(),
        sessions_live: live.len(),
        participants: live.iter().sum(),
        last_day: sum(&day),
        last_week: sum(&week),
        tags: tags.collect(),
    }))
}
