//! Lists in pages, and what a query asks of them.

use std::cmp::Ordering;

use axum::response::Response;
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::{Problem, json_response};

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

/// A list that is in memory, and in an order that its entries keep.
pub(crate) struct List<T, K> {
    /// All of it, in its order.
    pub(crate) entries: Vec<T>,
    /// What an entry is known by.
    pub(crate) key: fn(&T) -> K,
    /// How a key is read.
    pub(crate) parse: fn(&str) -> Option<K>,
    /// The order.
    pub(crate) order: fn(&K, &K) -> Ordering,
}

impl<T, K: ToString> List<T, K> {
    /// Answers with a page: what comes after the cursor, whose own entry may be gone meanwhile.
    ///
    /// # Errors
    /// When limit or cursor cannot be.
    pub(crate) fn page(
        &self,
        query: &Query,
        json: impl Fn(&T) -> Value,
    ) -> Result<Response, Problem> {
        let limit = query.limit()?;
        let cursor = query.parsed("cursor", self.parse)?;
        let begin = cursor.map_or(0, |cursor| {
            let is_seen = |entry: &T| (self.order)(&(self.key)(entry), &cursor).is_le();
            self.entries.partition_point(is_seen)
        });
        let rest = self.entries.get(begin..).unwrap_or_default();
        let page = rest.get(..limit).unwrap_or(rest);
        let last = page.last().filter(|_| page.len() < rest.len());
        let next_cursor = last.map(|entry| Value::String((self.key)(entry).to_string()));
        Ok(answer(page.iter().map(json).collect(), next_cursor))
    }
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
