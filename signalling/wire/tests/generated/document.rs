//! The protocol for people: `docs/protocol.md`.

use std::fmt::Write;

use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::limits;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::request::Request;
use ts_rs::Config;

use crate::{examples, typescript};

const INTRODUCTION: &str = "\
# Signalling protocol, version 1

Generated from `signalling/wire` by its test `generated`; do not edit.

A WebSocket over TLS at `/api/v1/signal` with the subprotocol `conclave.v1`. Every message is one JSON object in one
text frame, without compression:

| direction | shape |
|---|---|
| request | `{\"id\": 7, \"type\": \"…\", \"data\": {…}}`; `id` is a number below 2^32 of the client's choice, unique while its reply is pending |
| reply | `{\"id\": 7, \"ok\": {…}}` or `{\"id\": 7, \"error\": {\"code\": \"…\", \"message\": \"…\"}}`; where a request has several outcomes, `ok` has a member `outcome` |
| push | `{\"seq\": 812, \"type\": \"…\", \"data\": {…}}`; `seq` rises by one per participant, so that a resumed link can ask for what it missed |
| state push | the same without `seq`: only the newest counts, and it is sent again after a resume |

The server refuses unknown and repeated members; clients ignore unknown members and unknown types of pushes. Times are
RFC 3339 in UTC, durations end in `_s` or `_ms`, heights in `_px`. Identifiers are TypeIDs and no secrets. A message that
is no JSON object, has no `id`, is a binary frame or nests deeper than the limit closes the link with 4400.

A link begins with `hello`, then `join`; everything else needs an outcome `joined`, save `room.info`, `room.create`, and
what the outcome `lobby` or `room.manage` allow. When it breaks, the participant stays for 30 s as `reconnecting`, media
flows on, and a new link takes the place with `hello{resume}`. The server keeps the last pushes; who missed more gets a
`snapshot`. A `resume_token` works once.

Roles are, the highest first, `host`, `co_host`, `presenter`, `attendee`, `viewer`. Who may do something to others may do
it to lower roles only.
";

/// Returns the whole document.
pub(crate) fn text() -> String {
    let config = Config::new();
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n`>` comes from the client, `<` from the server.\n\n## Requests\n");
    for verb in Request::VERBS {
        let (data, ok) = ((verb.data)(&config), (verb.ok)(&config));
        let examples = examples::of_request(verb.name).join("\n");
        write!(
            text,
            "\n### {}\n\n{} Data `{data}`, answered by `{ok}`.\n",
            verb.name, verb.doc
        )
        .unwrap();
        write!(text, "\n```text\n{examples}\n```\n").unwrap();
    }
    text.push_str("\n## Pushes\n");
    for verb in Push::VERBS {
        let kind = if verb.sequenced { "Push" } else { "State push" };
        let examples = examples::of_push(verb.name).join("\n");
        write!(
            text,
            "\n### {}\n\n{} {kind} with data `{}`.\n",
            verb.name,
            verb.doc,
            (verb.data)(&config)
        )
        .unwrap();
        write!(text, "\n```text\n{examples}\n```\n").unwrap();
    }
    text.push_str(
        "\n## Permissions\n\nWhat is not listed is refused.\n\n| permission | allows to |\n|---|---|\n",
    );
    for permission in Permission::ALL {
        writeln!(text, "| `{}` | {} |", permission.name(), permission.about()).unwrap();
    }
    text.push_str("\n## Limits\n\n| what | limit | beyond it |\n|---|---|---|\n");
    for (what, limit, beyond) in limit_rows() {
        writeln!(text, "| {what} | {limit} | {beyond} |").unwrap();
    }
    text.push_str("\n## Close codes\n\n| code | why | may come back by itself |\n|---|---|---|\n");
    for code in CloseCode::ALL {
        let back = if code.may_reconnect() { "yes" } else { "no" };
        writeln!(text, "| {} | {} | {back} |", code.number(), code.reason()).unwrap();
    }
    text.push_str("\n## Error codes\n\nThe set is closed.\n\n| code | message |\n|---|---|\n");
    for code in ErrorCode::ALL {
        let name = serde_json::to_value(code).unwrap();
        writeln!(
            text,
            "| `{}` | {} |",
            name.as_str().unwrap(),
            code.message()
        )
        .unwrap();
    }
    text.push_str("\n## Types\n\nIn TypeScript, as the browser client has them.\n\n```ts\n");
    text.push_str(&typescript::declarations().join("\n\n"));
    text.push_str("\n```\n");
    text
}

fn limit_rows() -> Vec<(&'static str, String, &'static str)> {
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    let s = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    vec![
        ("a message", kib(limits::MESSAGE_BYTES), "`too_large`"),
        ("a `media.offer`", kib(limits::OFFER_BYTES), "close 4400"),
        ("the SDP in it", kib(limits::SDP_BYTES), "`too_large`"),
        (
            "nested objects and arrays",
            limits::DEPTH.to_string(),
            "close 4400",
        ),
        ("the first message", kib(limits::HELLO_BYTES), "close 4400"),
        (
            "from the upgrade to `hello`",
            s(limits::HELLO_WITHIN),
            "close 4401",
        ),
        (
            "from `hello` to an outcome of `join`",
            s(limits::JOIN_WITHIN),
            "close 4401",
        ),
        (
            "messages until then",
            limits::MESSAGES_BEFORE_JOIN.to_string(),
            "close 4429",
        ),
        (
            "messages of a participant",
            format!(
                "{}/s, {} at once",
                limits::MESSAGES_PER_S,
                limits::MESSAGES_BURST
            ),
            "close 4429",
        ),
        ("offers pending", "1".to_owned(), "`conflict`"),
        (
            "offers",
            format!("{} in a minute", limits::OFFERS_PER_MINUTE),
            "`rate_limited`",
        ),
        (
            "`turn.refresh`",
            format!("{} in a minute", limits::TURN_REFRESHES_PER_MINUTE),
            "`rate_limited`",
        ),
        (
            "wishes",
            format!("{} in a second", limits::WISHES_PER_S),
            "`rate_limited`",
        ),
        (
            "peer connections rebuilt for `media.reset`",
            format!("{} in a minute", limits::RESETS_PER_MINUTE),
            "`media.reset` with `given_up`",
        ),
        (
            "a name",
            format!("1 to {} code points", limits::NAME_CHARS),
            "`bad_request`",
        ),
        (
            "a title",
            format!("1 to {} code points", limits::TITLE_CHARS),
            "`bad_request`",
        ),
        (
            "a reason, a message, a note, a text to agree to",
            format!("1 to {} code points", limits::PROSE_CHARS),
            "`bad_request`",
        ),
        (
            "a password that is set",
            format!(
                "{} to {} code points",
                limits::PASSWORD_CHARS_MIN,
                limits::PASSWORD_CHARS_MAX
            ),
            "`bad_request`",
        ),
        (
            "custom roles of a room",
            limits::CUSTOM_ROLES.to_string(),
            "`bad_request`",
        ),
        (
            "the name of a custom role",
            format!("1 to {} code points", limits::ROLE_NAME_CHARS),
            "`bad_request`",
        ),
        (
            "networks of an allow-list",
            limits::NETWORKS.to_string(),
            "`bad_request`",
        ),
        (
            "invites of a room that are not revoked",
            limits::INVITES.to_string(),
            "refused",
        ),
        (
            "invites of one device that does not manage invites",
            limits::INVITES_OWN.to_string(),
            "refused",
        ),
        (
            "invites that one participant makes that does not",
            format!("{} in a minute", limits::INVITES_OWN_PER_MINUTE),
            "`rate_limited`",
        ),
        (
            "uses to which an invite may be limited",
            limits::INVITE_USES.to_string(),
            "`bad_request`",
        ),
        (
            "bans of a room",
            limits::BANS.to_string(),
            "the one that ends first gives way",
        ),
        (
            "changes of a room by one link",
            format!(
                "{}/s, {} at once",
                limits::ROOM_CHANGES_PER_S,
                limits::ROOM_CHANGES_BURST
            ),
            "`rate_limited`",
        ),
        (
            "people in a lobby",
            format!(
                "{}, {} from one source, {} from one /24 or /48, {} for the invited",
                limits::LOBBY_PLACES,
                limits::LOBBY_PLACES_PER_SOURCE,
                limits::LOBBY_PLACES_PER_PREFIX,
                limits::LOBBY_PLACES_INVITED
            ),
            "refused",
        ),
        (
            "messages from a lobby",
            format!(
                "{}/s, {} at once",
                limits::LOBBY_MESSAGES_PER_S,
                limits::LOBBY_MESSAGES_BURST
            ),
            "close 4429",
        ),
        (
            "silence in a lobby",
            s(limits::LOBBY_GONE_AFTER),
            "the place is given up",
        ),
        (
            "requests to one participant",
            format!("{} in a minute", limits::REQUESTS_PER_MINUTE),
            "`rate_limited`",
        ),
        (
            "an answer to a `media.request`",
            s(limits::REQUEST_WITHIN),
            "unanswered",
        ),
        (
            "rooms made from one source, where anybody may",
            format!("{} in an hour", limits::ROOMS_PER_SOURCE_PER_HOUR),
            "`rate_limited`",
        ),
        (
            "pushes kept for a resume",
            format!(
                "{} of together {}",
                limits::RESUME_PUSHES,
                kib(limits::RESUME_BYTES)
            ),
            "`snapshot`",
        ),
        (
            "a place kept for a broken link",
            s(limits::RESUME_WINDOW),
            "`resume_failed`",
        ),
        (
            "the same, after the page went away (close 1001)",
            s(limits::PAGE_GONE_WINDOW),
            "`resume_failed`",
        ),
        (
            "pings of the server",
            format!("every {}", s(limits::PING_EVERY)),
            "",
        ),
        (
            "pings and pongs of the client",
            format!(
                "{}/s, {} at once",
                limits::CONTROL_FRAMES_PER_S,
                limits::CONTROL_FRAMES_BURST
            ),
            "close 4429",
        ),
        ("silence of the client", s(limits::IDLE_AFTER), "close 4408"),
        (
            "bytes not yet read by the client",
            kib(limits::WRITE_QUEUE_BYTES),
            "close 4430",
        ),
        (
            "links of one IPv4 address or IPv6 /64",
            limits::LINKS_PER_SOURCE.to_string(),
            "status 429",
        ),
        (
            "joins of the same",
            format!(
                "{}/s, {} at once",
                limits::JOINS_PER_SOURCE_PER_S,
                limits::JOINS_PER_SOURCE_BURST
            ),
            "`rate_limited`",
        ),
    ]
}
