//! Lists in pages, and what a query asks of them.

use axum::response::Response;
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::{Problem, json_response};

/// Entries of a page, at most.
const PAGE_MAX: usize = 100;

/// The parameters of a query, each of which must be asked for.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// When it has a parameter that is not among `known`.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let text = uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .collect();
        match pairs
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => {
                let known = known.join("`, `");
                Err(Problem::malformed(format!(
                    "there is no parameter `{name}`; there are `{known}`"
                )))
            }
            None => Ok(Query(pairs)),
        }
    }

    /// Returns a parameter; the last if it is there several times.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut of_name = self.0.iter().rev().filter(|(other, _)| other == name);
        of_name.next().map(|(_, value)| value.as_str())
    }

    /// Returns all values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(other, _)| other == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// Returns a parameter as `parse` reads it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let value = parse(text);
        value
            .map(Some)
            .ok_or_else(|| Problem::malformed(format!("the parameter `{name}` cannot be `{text}`")))
    }

    /// Returns how many entries a page has, 1 to 100.
    ///
    /// # Errors
    /// When another number is asked for.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.parsed("limit", |text| {
            text.parse()
                .ok()
                .filter(|limit| (1..=PAGE_MAX).contains(limit))
        })?;
        Ok(limit.unwrap_or(PAGE_MAX))
    }
}

/// Answers with a page of a list that is in memory: what comes after the entry
/// whose `key` is the cursor.
///
/// # Errors
/// When limit or cursor cannot be.
pub(crate) fn page(
    entries: Vec<Value>,
    key: &'static str,
    query: &Query,
) -> Result<Response, Problem> {
    let limit = query.limit()?;
    let begin = match query.get("cursor") {
        None => 0,
        Some(cursor) => {
            let place = entries.iter().position(|entry| entry[key] == cursor);
            1 + place.ok_or_else(|| Problem::malformed("the entry of the `cursor` is gone"))?
        }
    };
    let has_more = entries.len() > begin + limit;
    let data: Vec<Value> = entries.into_iter().skip(begin).take(limit).collect();
    let last = data.last().map(|entry| entry[key].clone());
    Ok(answer(data, last.filter(|_| has_more)))
}

/// Returns a page and the cursor of the next one, if there is one.
pub(crate) fn answer(data: Vec<Value>, next_cursor: Option<Value>) -> Response {
    let page = json!({
        "data": data,
        "has_more": next_cursor.is_some(),
        "next_cursor": next_cursor,
    });
    json_response(StatusCode::OK, &page)
}
