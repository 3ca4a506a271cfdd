//! Lists in pages, and what a query asks of them.

use std::str::FromStr;

use http::Uri;
use serde_json::Value;

use crate::call::Answer;
use crate::problem::Problem;
use crate::table::Param;

/// Entries of a page, at most.
pub(crate) const PAGE_MAX: usize = 100;

/// Bytes of a cursor.
const CURSOR_MAX: usize = 200;

/// The parameters of a query, each of which must be asked for.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// When it has a parameter that is not among `known`.
    pub(crate) fn of(uri: &Uri, known: &[Param]) -> Result<Self, Problem> {
        let text = uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .collect();
        let is_known = |name: &str| known.iter().any(|param| param.name == name);
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !is_known(name)) {
            let known: Vec<_> = known.iter().map(|param| param.name).collect();
            let there_are = match known.is_empty() {
                true => "there are none".to_owned(),
                false => format!("there are `{}`", known.join("`, `")),
            };
            return Err(Problem::malformed(format!(
                "there is no parameter `{name}`; {there_are}"
            )));
        }
        Ok(Query(pairs))
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

    /// Returns a parameter that is `true` or `false`; without it, false.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self
            .parsed(name, |text| text.parse().ok())?
            .unwrap_or(false))
    }

    /// Returns whether the list goes up, which is said by `order`.
    ///
    /// # Errors
    /// When it is neither `asc` nor `desc`.
    pub(crate) fn ascending(&self, otherwise: bool) -> Result<bool, Problem> {
        let order = self.parsed("order", |text| match text {
            "asc" => Some(true),
            "desc" => Some(false),
            _ => None,
        })?;
        Ok(order.unwrap_or(otherwise))
    }

    /// Returns whether the number of all entries is asked for.
    ///
    /// # Errors
    /// When something else is to be included.
    pub(crate) fn wants_total(&self) -> Result<bool, Problem> {
        let total = self.parsed("include", |text| (text == "total").then_some(()))?;
        Ok(total.is_some())
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

/// Cuts what was read of a list to a page, of which one entry more was asked for.
/// Returns what the last is known by if there are entries after it.
pub(crate) fn cut<T, K>(
    entries: &mut Vec<T>,
    limit: usize,
    key: impl FnOnce(&T) -> K,
) -> Option<K> {
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    entries.last().filter(|_| has_more).map(key)
}

/// A list that is in memory. One that is in the store is read by page there, and
/// answered by [`Answer::page`] with what [`Query::limit`], [`Query::ascending`]
/// and [`Query::wants_total`] say.
pub(crate) struct List<T, K> {
    /// All of it.
    pub(crate) entries: Vec<T>,
    /// What an entry is known by, and ordered by.
    pub(crate) key: fn(&T) -> K,
    /// Whether it goes down unless `order` says otherwise.
    pub(crate) newest_first: bool,
}

impl<T, K: Ord + ToString + FromStr> List<T, K> {
    /// Answers with a page: what comes after the cursor, whose own entry may be gone meanwhile.
    ///
    /// # Errors
    /// When limit, order or cursor cannot be.
    pub(crate) fn page(
        mut self,
        query: &Query,
        json: impl Fn(&T) -> Value,
    ) -> Result<Answer, Problem> {
        let limit = query.limit()?;
        let ascending = query.ascending(!self.newest_first)?;
        let total = query.wants_total()?.then_some(self.entries.len() as u64);
        let cursor: Option<K> = query.parsed("cursor", |text| {
            let is_some = (1..=CURSOR_MAX).contains(&text.len());
            is_some.then(|| text.parse().ok()).flatten()
        })?;
        let order = |one: &K, other: &K| match ascending {
            true => one.cmp(other),
            false => other.cmp(one),
        };
        self.entries
            .sort_by(|one, other| order(&(self.key)(one), &(self.key)(other)));
        let begin = cursor.map_or(0, |cursor| {
            let is_seen = |entry: &T| order(&(self.key)(entry), &cursor).is_le();
            self.entries.partition_point(is_seen)
        });
        let rest = self.entries.get(begin..).unwrap_or_default();
        let page = rest.get(..limit).unwrap_or(rest);
        let last = page.last().filter(|_| page.len() < rest.len());
        let next_cursor = last.map(|entry| (self.key)(entry).to_string());
        Ok(Answer::page(
            page.iter().map(json).collect(),
            next_cursor,
            total,
        ))
    }
}
