//! What parameters behind `?` may be, and what is counted.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(super) fn limit_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 100, "default": 100})
}

pub(super) fn cursor_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": 200})
}

pub(super) fn order_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "enum": ["asc", "desc"]})
}

pub(super) fn include_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "enum": ["total"]})
}

pub(super) fn fields_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 500,
        "pattern": "^[a-z0-9_]+([.][a-z0-9_]+)*(,[a-z0-9_]+([.][a-z0-9_]+)*)*$",
    })
}

/// A number of something that is counted: as many as all readers of JSON can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub(crate) u64);

impl FromStr for Count {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.parse().map_err(|_| ())?;
        (number <= COUNT_MAX).then_some(Count(number)).ok_or(())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": COUNT_MAX})
    }
}

/// The greatest of them.
const COUNT_MAX: u64 = (1 << 53) - 1;

pub(super) fn text_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string"})
}
