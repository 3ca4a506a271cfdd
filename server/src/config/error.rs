//! What is wrong with a configuration: all of it at once, each with its place.

use std::fmt;

use super::layers::Origin;

/// One thing to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    place: String,
    text: String,
}

impl Problem {
    /// Says what is wrong with what `origin` said.
    pub(crate) fn new(origin: &Origin, text: impl Into<String>) -> Self {
        Problem {
            place: origin.to_string(),
            text: text.into(),
        }
    }
}

/// A configuration that the server does not start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Returns an error when there are problems.
    pub(crate) fn unless_empty(problems: Vec<Problem>) -> Result<(), ConfigError> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError { problems })
        }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        ConfigError {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}: {}", problem.place, problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
