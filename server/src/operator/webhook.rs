//! `conclave webhook`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::api::Ask;
use super::{Failure, Output, Where, ask, ask_list, escaped, json_text, query_of, say, table};

/// Who is told what happens.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum WebhookCommand {
    /// Make a webhook; its secret is shown once
    #[command(
        after_help = "Examples:\n  conclave webhook create https://example.org/hooks --event participant.joined --event participant.left\n  conclave webhook create https://example.org/hooks --tag board"
    )]
    Create(Create),
    /// List webhooks
    List(Where),
    /// Show a webhook
    Show(OfWebhook),
    /// Change a webhook
    #[command(after_help = "Examples:\n  conclave webhook set whk_01k… --enabled false")]
    Set(Set),
    /// Delete a webhook with its deliveries
    Delete(OfWebhook),
    /// Send a test, and say what was answered
    Test(OfWebhook),
    /// List deliveries, the newest first
    #[command(after_help = "Examples:\n  conclave webhook deliveries whk_01k… --state dead")]
    Deliveries(Deliveries),
    /// Deliver an event once more
    Redeliver(Redeliver),
    /// Change the secret; the former signs as well for a while
    Rotate(Rotate),
}

/// What a webhook is told.
#[derive(Debug, Args)]
pub(crate) struct Told {
    /// A kind of event, such as `participant.joined`; several are several flags [default: all]
    #[arg(long = "event", value_name = "KIND")]
    events: Vec<String>,
    /// A room by its id; several are several flags [default: all]
    #[arg(long = "room", value_name = "ID")]
    rooms: Vec<String>,
    /// All rooms with a tag; several are several flags
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Whether names are told
    #[arg(long, value_name = "true|false")]
    include_pii: Option<bool>,
    /// Whether it is called
    #[arg(long, value_name = "true|false")]
    enabled: Option<bool>,
}

/// `conclave webhook create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What is called: https://…
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    place: Where,
}

/// `conclave webhook set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The webhook, `whk_…`
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
    /// What is called
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    place: Where,
}

/// A webhook.
#[derive(Debug, Args)]
pub(crate) struct OfWebhook {
    /// The webhook, `whk_…`
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave webhook deliveries`.
#[derive(Debug, Args)]
pub(crate) struct Deliveries {
    /// The webhook, `whk_…`
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
    /// Only those that are `pending`, `delivered`, `dead` or `cancelled`
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// How many at most, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    #[command(flatten)]
    place: Where,
}

/// `conclave webhook redeliver`.
#[derive(Debug, Args)]
pub(crate) struct Redeliver {
    /// The delivery, `dlv_…`
    #[arg(value_name = "DELIVERY")]
    delivery: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave webhook rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The webhook, `whk_…`
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
    /// Seconds for which the former secret signs as well, 0 to 604800
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    overlap_s: u32,
    #[command(flatten)]
    place: Where,
}

/// Runs one of them.
pub(super) fn run(command: &WebhookCommand) -> Result<(), Failure> {
    match command {
        WebhookCommand::Create(create) => {
            let mut body = create.told.members();
            body.insert("url".to_owned(), json!(create.url));
            let ask_for = Ask::send(Method::POST, "/api/v1/webhooks", Value::Object(body));
            let made = ask(&create.place.reach_or_make()?, ask_for)?;
            show(&made, &create.place)
        }
        WebhookCommand::List(place) => list(place),
        WebhookCommand::Show(OfWebhook { webhook, place }) => {
            let shown = ask(&place.reach()?, Ask::get(&path(webhook, "")))?;
            show(&shown, place)
        }
        WebhookCommand::Set(set) => {
            let mut body = set.told.members();
            body.extend(set.url.iter().map(|url| ("url".to_owned(), json!(url))));
            if body.is_empty() {
                return Err(Failure::Usage("there is nothing to change".to_owned()));
            }
            let change = Ask::send(Method::PATCH, &path(&set.webhook, ""), Value::Object(body));
            show(&ask(&set.place.reach()?, change)?, &set.place)
        }
        WebhookCommand::Delete(OfWebhook { webhook, place }) => {
            ask(&place.reach()?, Ask::delete(&path(webhook, "")))?;
            match place.output {
                Output::Json => Ok(()),
                Output::Table => say(&format!("{webhook} is deleted\n")),
            }
        }
        WebhookCommand::Test(OfWebhook { webhook, place }) => test(webhook, place),
        WebhookCommand::Deliveries(deliveries) => list_deliveries(deliveries),
        WebhookCommand::Redeliver(Redeliver { delivery, place }) => {
            let path = format!("/api/v1/deliveries/{}/redeliver", escaped(delivery));
            let made = ask(&place.reach()?, act(&path))?;
            show(&made, place)
        }
        WebhookCommand::Rotate(rotate) => {
            let body = json!({"overlap_s": rotate.overlap_s});
            let change = Ask::send(Method::POST, &path(&rotate.webhook, "/rotate-secret"), body);
            show(&ask(&rotate.place.reach()?, change)?, &rotate.place)
        }
    }
}

impl Told {
    /// Returns the members of the body that were said.
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("events", some(&self.events).map(|events| json!(events)));
        let has_filter = !self.rooms.is_empty() || !self.tags.is_empty();
        let filter = json!({"rooms": self.rooms, "tags": self.tags});
        put("rooms", Some(filter).filter(|_| has_filter));
        put(
            "description",
            self.description.as_ref().map(|text| json!(text)),
        );
        put("include_pii", self.include_pii.map(Value::Bool));
        put("enabled", self.enabled.map(Value::Bool));
        members
    }
}

fn some(list: &Vec<String>) -> Option<&Vec<String>> {
    Some(list).filter(|list| !list.is_empty())
}

fn path(webhook: &str, rest: &str) -> String {
    format!("/api/v1/webhooks/{}{rest}", escaped(webhook))
}

/// A request without a body.
fn act(path: &str) -> Ask {
    Ask {
        method: Method::POST,
        path: path.to_owned(),
        body: None,
    }
}

fn list(place: &Where) -> Result<(), Failure> {
    let webhooks = ask_list(&place.reach()?, "/api/v1/webhooks")?;
    match place.output {
        Output::Json => say(&json_text(&Value::Array(webhooks))),
        Output::Table => {
            let columns = ["id", "enabled", "events", "url", "description"];
            let headings = ["WEBHOOK", "ENABLED", "EVENTS", "URL", "DESCRIPTION"];
            say(&table::text(&headings, &rows(&webhooks, columns)))
        }
    }
}

fn list_deliveries(deliveries: &Deliveries) -> Result<(), Failure> {
    let limit = deliveries.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(
        deliveries
            .state
            .iter()
            .map(|state| ("state", state.as_str())),
    );
    let rest = format!("/deliveries{}", query_of(&query));
    let place = &deliveries.place;
    let mut page = ask(&place.reach()?, Ask::get(&path(&deliveries.webhook, &rest)))?;
    let Value::Array(found) = page["data"].take() else {
        return Err(Failure::Failed("the server's answer is no list".to_owned()));
    };
    match place.output {
        Output::Json => say(&json_text(&Value::Array(found))),
        Output::Table => {
            let columns = ["id", "state", "attempts", "status", "error", "due_at"];
            let headings = ["DELIVERY", "STATE", "ATTEMPTS", "STATUS", "ERROR", "DUE"];
            say(&table::text(&headings, &rows(&found, columns)))
        }
    }
}

fn rows<const N: usize>(entries: &[Value], columns: [&str; N]) -> Vec<Vec<String>> {
    let row = |entry: &Value| columns.map(|column| table::cell(&entry[column])).to_vec();
    entries.iter().map(row).collect()
}

fn test(webhook: &str, place: &Where) -> Result<(), Failure> {
    let tested = ask(&place.reach()?, act(&path(webhook, "/test")))?;
    let (status, error) = (
        table::cell(&tested["status"]),
        table::cell(&tested["error"]),
    );
    match (place.output, tested["ok"] == true) {
        (Output::Json, _) => say(&json_text(&tested)),
        (Output::Table, true) => say(&format!("it was taken: status {status}\n")),
        (Output::Table, false) => Err(Failure::Failed(format!(
            "it was not taken: {error}, status {status}"
        ))),
    }
}

/// Prints a resource, member by member.
fn show(resource: &Value, place: &Where) -> Result<(), Failure> {
    match (place.output, resource) {
        (Output::Table, Value::Object(members)) => {
            let mut text = String::new();
            for (name, value) in members {
                text.push_str(&format!("{name}={}\n", table::cell(value)));
            }
            if members.contains_key("secret") {
                text.push_str("The secret is not shown again.\n");
            }
            say(&text)
        }
        _ => say(&json_text(resource)),
    }
}
