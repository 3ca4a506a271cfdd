//! What lists have in common.

/// In which order a list is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

impl Order {
    /// Returns the operator of what comes after a place, behind `column`.
    pub(crate) fn after(self, column: &str) -> String {
        match self {
            Order::NewestFirst => format!("{column} < "),
            Order::OldestFirst => format!("{column} > "),
        }
    }

    /// Returns the direction, behind `column`.
    pub(crate) fn by(self, column: &str) -> String {
        match self {
            Order::NewestFirst => format!("{column} DESC"),
            Order::OldestFirst => format!("{column} ASC"),
        }
    }
}
