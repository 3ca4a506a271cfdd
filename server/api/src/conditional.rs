//! Requests that hold only for one state of a resource (RFC 9110, section 13.1.1).

use http::{HeaderMap, StatusCode, header};

use crate::problem::Problem;

/// The state of a resource that a caller insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Any: there is no `If-Match`, or it is `*`.
    Any,
    /// The one with this `rev`.
    Rev(u32),
}

impl Condition {
    /// Reads `If-Match`.
    ///
    /// # Errors
    /// 400 if it is neither `*` nor one ETag of ours.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::IF_MATCH).into_iter();
        let Some(value) = values.next() else {
            return Ok(Condition::Any);
        };
        let bad = || Problem::malformed("`If-Match` must be `*` or one ETag of this resource");
        if values.next().is_some() {
            return Err(bad());
        }
        match value.to_str().unwrap_or_default().trim() {
            "*" => Ok(Condition::Any),
            tag => {
                let rev = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                let is_number = |rev: &&str| rev.bytes().all(|byte| byte.is_ascii_digit());
                let rev = rev.filter(is_number).and_then(|rev| rev.parse().ok());
                rev.map(Condition::Rev).ok_or_else(bad)
            }
        }
    }

    /// Returns the `rev` that is insisted on.
    pub(crate) fn rev(self) -> Option<u32> {
        match self {
            Condition::Any => None,
            Condition::Rev(rev) => Some(rev),
        }
    }

    /// Checks it against what the resource is.
    ///
    /// # Errors
    /// 412 if it is another state.
    pub(crate) fn check(self, rev: u32) -> Result<(), Problem> {
        match self {
            Condition::Rev(wanted) if wanted != rev => Err(failed()),
            Condition::Any | Condition::Rev(_) => Ok(()),
        }
    }
}

/// Returns the refusal of a change to a resource that is in another state.
pub(crate) fn failed() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "conflict")
        .detail("the resource is not as `If-Match` says any more")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Option<Condition> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, http::HeaderValue::from_static(value));
        Condition::of(&headers).ok()
    }

    #[test]
    fn a_condition_is_a_star_or_one_tag() {
        assert_eq!(Condition::of(&HeaderMap::new()).ok(), Some(Condition::Any));
        assert_eq!(read("*"), Some(Condition::Any));
        assert_eq!(read("\"7\""), Some(Condition::Rev(7)));
        for bad in ["", "7", "\"+7\"", "\"a\"", "\"1\", \"2\"", "W/\"1\"", "-1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(Condition::Rev(7).check(7).is_ok());
        assert!(Condition::Rev(7).check(8).is_err());
        assert!(Condition::Any.check(8).is_ok());
    }
}
