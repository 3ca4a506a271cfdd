//! Every example of the document is sent, and answered as the document says.

use std::collections::BTreeMap;

use serde_json::json;

use super::conforms::conforms;
use super::*;
use crate::table::{Example, JSON};

/// Sends examples, each after those whose answers it needs.
struct Run {
    router: Router,
    document: Value,
    routes: Vec<Route>,
    /// What the first examples were answered, by operation.
    answers: BTreeMap<&'static str, Value>,
    sent: usize,
}

#[tokio::test]
async fn every_example_is_answered_as_the_document_says() {
    let routes = routes();
    let mut run = Run {
        router: fresh().await,
        document: openapi::document(&routes),
        routes: routes.clone(),
        answers: BTreeMap::new(),
        sent: 0,
    };
    let room = json!({"slug": "standup", "title": "Stand-up"}).to_string();
    let made = send(
        &run.router,
        Some("*"),
        &Method::POST,
        "/rooms",
        Some((JSON, room)),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    // What is deleted is not there for others.
    let (last, first): (Vec<_>, Vec<_>) = routes
        .iter()
        .partition(|route| route.method == Method::DELETE);
    for route in first.into_iter().chain(last) {
        for (number, example) in route.examples.iter().enumerate() {
            match number {
                0 => run.first(route.id).await,
                _ => drop(run.try_example(route, example).await),
            }
        }
    }
    println!("examples: {} of {} routes", run.sent, routes.len());
}

#[test]
fn what_the_document_shows_is_of_its_schemas() {
    let document = openapi::document(&routes());
    let mut shown = 0;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = &operation["operationId"];
            let responses = operation["responses"].as_object().unwrap().values();
            let contents = responses
                .chain([&operation["requestBody"]])
                .filter_map(|with| with["content"].as_object());
            for content in contents.flat_map(|content| content.values()) {
                let examples = content["examples"].as_object();
                let examples = examples.into_iter().flat_map(|examples| examples.values());
                let examples = examples.map(|example| &example["value"]);
                for example in examples.chain(content.get("example")) {
                    let fits = conforms(&document, &content["schema"], example);
                    assert_eq!(fits, Ok(()), "{id}: {example}");
                    shown += 1;
                }
            }
        }
    }
    println!("bodies that the document shows: {shown}");
}

impl Run {
    /// Sends the first example of an operation, once.
    async fn first(&mut self, id: &'static str) {
        if self.answers.contains_key(id) {
            return;
        }
        let route = self.routes.iter().find(|route| route.id == id).cloned();
        let route = route.unwrap_or_else(|| panic!("there is no operation {id}"));
        let example = route.examples.first().unwrap();
        let answer = Box::pin(self.try_example(&route, example)).await;
        self.answers.insert(id, answer);
    }

    async fn try_example(&mut self, route: &Route, example: &Example) -> Value {
        let mut values = BTreeMap::new();
        for (name, text) in &example.path {
            values.insert(*name, self.resolved(text).await);
        }
        let path = filled(route, |name| {
            let given = values.get(name).cloned();
            given.unwrap_or_else(|| openapi::example_of(name).to_owned())
        });
        let path = match self.resolved(example.query).await {
            query if query.is_empty() => path,
            query => format!("{path}?{query}"),
        };
        let body = match (&example.text, &example.body) {
            (Some((kind, text)), _) => Some((*kind, (*text).to_owned())),
            (None, Some(body)) => Some((JSON, self.resolved_in(body.clone()).await.to_string())),
            (None, None) => None,
        };
        let answer = send(&self.router, Some("*"), &route.method, &path, body).await;
        self.sent += 1;
        let what = format!("{} ({}): {path}: {}", route.id, example.name, answer.text);
        let outcome = route.outcomes.first().unwrap();
        let status = example.status.unwrap_or(outcome.status);
        assert_eq!(answer.status, status, "{what}");
        let kind = answer.headers.get(header::CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap());
        let method = route.method.as_str().to_ascii_lowercase();
        let declared = &self.document["paths"][route.path][method]["responses"][status.as_str()];
        assert!(declared.is_object(), "{what}: {status} is not declared");
        if answer.text.is_empty() {
            assert_eq!(declared["content"], Value::Null, "{what}");
            return Value::Null;
        }
        let schema = &declared["content"][kind.split(';').next().unwrap()]["schema"];
        assert!(schema.is_object(), "{what}: {kind} is not declared");
        if kind.ends_with("json") {
            assert_eq!(
                conforms(&self.document, schema, &answer.body),
                Ok(()),
                "{what}"
            );
        }
        answer.body
    }

    /// Puts what operations were answered into a text: `{createInvite/id}`.
    async fn resolved(&mut self, text: &str) -> String {
        let Some((before, rest)) = text.split_once('{') else {
            return text.to_owned();
        };
        let (reference, after) = rest.split_once('}').expect("a reference ends");
        let (operation, pointer) = reference
            .split_once('/')
            .expect("a reference has a pointer");
        let operation = self.routes.iter().find(|route| route.id == operation);
        let operation = operation.unwrap_or_else(|| panic!("{reference}")).id;
        Box::pin(self.first(operation)).await;
        let found = self.answers[operation].pointer(&format!("/{pointer}"));
        let found = found.unwrap_or_else(|| panic!("{reference} is not in the answer"));
        let found = found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned);
        format!("{before}{found}{after}")
    }

    /// As [`Run::resolved`], in all texts of a body that are a reference as a whole.
    async fn resolved_in(&mut self, body: Value) -> Value {
        match body {
            Value::String(text) if text.starts_with('{') && text.ends_with('}') => {
                Value::String(self.resolved(&text).await)
            }
            Value::Array(items) => {
                let mut resolved = Vec::new();
                for item in items {
                    resolved.push(Box::pin(self.resolved_in(item)).await);
                }
                Value::Array(resolved)
            }
            Value::Object(members) => {
                let mut resolved = serde_json::Map::new();
                for (name, member) in members {
                    resolved.insert(name, Box::pin(self.resolved_in(member)).await);
                }
                Value::Object(resolved)
            }
            other => other,
        }
    }
}
