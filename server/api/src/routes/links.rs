//! Links for persons: `/rooms/{room}/tokens` for one, `/rooms/{room}/invites/bulk` for a list of people.

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::{self, BadMember};
use conclave_signalling_node::RoomsError;
use conclave_signalling_wire::invite::{InviteCreate, InviteCreated, InviteInfo, InviteRevoke};
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::{DisplayName, Prose, Slug};
use conclave_signalling_wire::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Admin;
use crate::call::{Answer, Call, Received};
use crate::problem::Problem;
use crate::table::{Example, Route};

const CSV: &str = "text/csv";
/// People of one list.
const PEOPLE: usize = 500;
/// A day: a link for longer is an invite.
const TOKEN_S_MAX: u32 = 86_400;
const TOKEN_S: u32 = 3_600;

/// An invite that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InviteMade {
    #[serde(flatten)]
    invite: InviteInfo,
    /// The secret of its link. It is not kept and never shown again.
    secret: InviteSecret,
    /// Its link, with the secret.
    link: String,
}

impl InviteMade {
    pub(super) fn new(admin: &Admin, slug: &Slug, made: InviteCreated) -> Self {
        InviteMade {
            link: admin.invite_link(slug, &made.secret),
            secret: made.secret,
            invite: made.invite,
        }
    }
}

/// A link for one person of another system, who is known there already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenCreate {
    /// The name with which its holder comes in, and which it keeps.
    name: DisplayName,
    /// As what its holder comes in.
    #[serde(default = "attendee")]
    role: Role,
    /// Who that is in the other system. Kept as the note of the invite.
    #[serde(default)]
    user_id: Option<Prose>,
    /// Seconds for which it may be used.
    #[serde(default = "token_s")]
    #[schemars(range(min = 1, max = 86_400))]
    ttl_s: u32,
}

const fn attendee() -> Role {
    Role::Attendee
}

const fn token_s() -> u32 {
    TOKEN_S
}

/// People who each get a link of their own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct People {
    /// Who they are.
    #[schemars(length(min = 1, max = 500))]
    people: Vec<Person>,
    /// Until when the links hold.
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// Whether they need not wait in the lobby.
    #[serde(default)]
    bypass_lobby: bool,
}

/// One of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Person {
    /// The name with which it comes in, and which it keeps.
    name: DisplayName,
    /// As what.
    #[serde(default = "attendee")]
    role: Role,
    /// For those who see the list of invites, such as an address.
    #[serde(default)]
    note: Option<Prose>,
}

/// What became of a list of people.
#[derive(Debug, Serialize, JsonSchema)]
struct PeopleInvited {
    /// A link for each, in the order of the list; empty if they were not to be made.
    invites: Vec<InviteMade>,
    /// How many there are, or would be.
    count: usize,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post("/rooms/{room}/tokens", "createToken")
            .begins()
            .scope(Scope::RoomsWrite)
            .summary("Make a personal link")
            .about(
                "An invite with one use for somebody whom another system knows: the holder keeps the \
                 name, does not wait in the lobby, and counts as invited. `secret` and `link` are \
                 shown this once.",
            )
            .body::<TokenCreate>()
            .creates::<InviteMade>("The invite.")
            .example(Example::new("A link for a customer").body(json!({
                "name": "Grace",
                "role": "presenter",
                "user_id": "crm-4711",
                "ttl_s": 7200,
            })))
            .handler(token),
        Route::post("/rooms/{room}/invites/bulk", "createInvites")
            .begins()
            .scope(Scope::RoomsWrite)
            .summary("Make a link for each of many people")
            .about(
                "All of them or none. In CSV the first line names the columns: `name`, and perhaps \
                 `role` and `note`.",
            )
            .bulk()
            .dry_run()
            .body::<People>()
            .text_body(CSV)
            .creates::<PeopleInvited>("The invites.")
            .returns::<PeopleInvited>("What would be made.")
            .example(Example::new("Three people").body(json!({
                "people": [
                    {"name": "Ada", "role": "co_host"},
                    {"name": "Grace", "role": "presenter", "note": "grace@example.org"},
                    {"name": "Edsger"},
                ],
            })))
            .example(Example::new("A table").text(CSV, "name,role\nBarbara,attendee\n\"Liskov, B.\",viewer\n"))
            .handler(invite_people),
    ]
}

async fn token(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let TokenCreate {
        name,
        role,
        user_id,
        ttl_s,
    } = call.body()?;
    if !(1..=TOKEN_S_MAX).contains(&ttl_s) {
        return Err(BadMember::invalid("ttl_s", "must be 1 to 86400").into());
    }
    let until = crate::now().unix_ms() + u64::from(ttl_s) * 1000;
    let invite = InviteCreate {
        note: user_id,
        bypass_lobby: true,
        ..personal(name, role, Some(Timestamp::from_unix_ms(until)))
    };
    let by = call.caller.actor;
    let made = call.admin.rooms.invite(&slug, invite, by).await?;
    Ok(Answer::created(InviteMade::new(&call.admin, &slug, made)))
}

async fn invite_people(call: Call) -> Result<Answer, Problem> {
    let is_dry = call.dry_run()?;
    let slug = call.room()?;
    let People {
        people,
        expires_at,
        bypass_lobby,
    } = match &call.content {
        Received::Text(text) => table(text)?,
        Received::Json(_) | Received::Nothing => call.body()?,
    };
    if !(1..=PEOPLE).contains(&people.len()) {
        return Err(BadMember::invalid("people", "must be 1 to 500").into());
    }
    let count = people.len();
    if is_dry {
        let invites = Vec::new();
        return Ok(Answer::ok(PeopleInvited { invites, count }));
    }
    let wanted = people.into_iter().map(|person| InviteCreate {
        note: person.note,
        bypass_lobby,
        ..personal(person.name, person.role, expires_at)
    });
    let invites = make_all(&call, &slug, wanted.collect()).await?;
    Ok(Answer::created(PeopleInvited { invites, count }))
}

/// Makes all invites, or none.
async fn make_all(
    call: &Call,
    slug: &Slug,
    wanted: Vec<InviteCreate>,
) -> Result<Vec<InviteMade>, Problem> {
    let (rooms, by) = (&call.admin.rooms, call.caller.actor);
    let mut made: Vec<InviteMade> = Vec::with_capacity(wanted.len());
    for (place, invite) in wanted.into_iter().enumerate() {
        let one = match call.admin.keyring.still_holds(&call.caller) {
            Ok(()) => rooms.invite(slug, invite, by).await,
            Err(problem) => {
                take_back(call, slug, made).await;
                return Err(problem);
            }
        };
        match one {
            Ok(one) => made.push(InviteMade::new(&call.admin, slug, one)),
            Err(error) => {
                take_back(call, slug, made).await;
                return Err(about_person(place, error));
            }
        }
    }
    Ok(made)
}

async fn take_back(call: &Call, slug: &Slug, made: Vec<InviteMade>) {
    for one in made {
        let revoke = InviteRevoke {
            invite: one.invite.id,
            remove_holders: true,
        };
        let (rooms, by) = (&call.admin.rooms, call.caller.actor);
        // One that cannot be taken back has a link that nobody was told.
        let _ = rooms.revoke_invite(slug, revoke, by).await;
    }
}

/// Says whose invite was refused.
fn about_person(place: usize, error: RoomsError) -> Problem {
    let text = error.to_string();
    match error {
        RoomsError::Refused(_) => Problem::from(error)
            .detail(format!("`people[{place}]`: {text}"))
            .within(&format!("/people/{place}")),
        error => error.into(),
    }
}

/// Returns the invite of one person.
fn personal(name: DisplayName, role: Role, expires_at: Option<Timestamp>) -> InviteCreate {
    InviteCreate {
        role,
        custom_role: None,
        name: Some(name),
        name_locked: true,
        max_uses: Some(1),
        not_before: None,
        expires_at,
        bypass_lobby: false,
        bind_device: false,
        note: None,
    }
}

/// Reads a table with a line of headings (RFC 4180).
fn table(text: &str) -> Result<People, Problem> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let unreadable = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        Problem::malformed(format!("line {line} of the table cannot be read"))
    };
    let headings = reader.headers().map_err(unreadable)?.clone();
    if !headings.iter().any(|heading| heading == "name") {
        return Err(Problem::malformed(
            "the first line of the table must name its columns, `name` among them",
        ));
    }
    let mut people = Vec::new();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let line = row.position().map_or(1, csv::Position::line);
        let cells = headings
            .iter()
            .zip(&row)
            .filter(|(_, cell)| !cell.is_empty());
        let object: Value = cells
            .map(|(heading, cell)| (heading.to_owned(), json!(cell)))
            .collect();
        let refused = |bad: BadMember| {
            let text = format!("line {line}: {bad}");
            let place = format!("/people/{}", people.len());
            Problem::from(bad).detail(text).within(&place)
        };
        people.push(members::read(object, &[]).map_err(refused)?);
        if people.len() > PEOPLE {
            break;
        }
    }
    Ok(People {
        people,
        expires_at: None,
        bypass_lobby: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_quotes_in_any_order_and_without_roles() {
        let people =
            table("\u{feff}note,name,role\r\n\"a,b\",Ada,co_host\r\n,\"O\"\"Neil\",\r\n").unwrap();
        let [ada, neil] = people.people.as_slice() else {
            panic!("{people:?}")
        };
        assert_eq!((ada.name.as_str(), ada.role), ("Ada", Role::CoHost));
        assert_eq!(ada.note.as_ref().map(Prose::as_str), Some("a,b"));
        assert_eq!((neil.name.as_str(), neil.role), ("O\"Neil", Role::Attendee));
        assert!(neil.note.is_none());
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said_by_line() {
        for (text, said) in [
            ("role\nhost\n", "must name its columns"),
            ("name,role\nAda,king\n", "line 2: `role`: unknown variant"),
            (
                "name,rolle\nAda,host\n",
                "line 2: `rolle`: there is no such member; the nearest is `role`",
            ),
            ("name\nAda,1\n", "line 2 of the table cannot be read"),
            ("name,note\nAda,x\n,y\n", "line 3: `name`: is missing"),
        ] {
            let problem = table(text).unwrap_err().document("r").to_string();
            assert!(problem.contains(said), "{text:?}: {problem}");
        }
    }
}
