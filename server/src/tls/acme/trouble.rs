//! What can go wrong with a certificate, and what helps.

use std::fmt;
use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::config::ConfigError;

/// Names of profiles in one line; those who offer some offer three or four.
const PROFILES_SHOWN: usize = 16;

/// Why there is no new certificate.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Whoever signs could not be asked, or did not say yes.
    Acme(Error),
    /// The proof did not satisfy.
    Refused(Problem),
    /// No account was given.
    NoAccount {
        problem: Problem,
        /// Whether it was to be bound to another one.
        is_bound: bool,
    },
    /// The key that binds an account to another one cannot be used.
    NoKey(ConfigError),
    /// The profile of the configuration is not offered.
    NoProfile {
        wanted: String,
        /// Those that are, in the order of the alphabet.
        listed: Vec<String>,
    },
    /// The challenge of the configuration is not offered.
    NoChallenge,
    /// What came, or what is to be kept, is of no use.
    Ours(anyhow::Error),
    /// Nothing came of it in so much time.
    TooSlow(Duration),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Acme(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Trouble::Ours(error)
    }
}

impl Trouble {
    /// Returns whether we ask too often.
    pub(super) fn is_limited(&self) -> bool {
        self.kind() == Some("rateLimited")
    }

    /// Returns whether the account is there no more.
    pub(super) fn is_lost_account(&self) -> bool {
        self.kind() == Some("accountDoesNotExist")
    }

    /// Returns the last part of the type of the problem (RFC 8555, section 6.7).
    fn kind(&self) -> Option<&str> {
        let problem = match self {
            Trouble::Acme(Error::Api(problem))
            | Trouble::Refused(problem)
            | Trouble::NoAccount { problem, .. } => problem,
            _ => return None,
        };
        problem.r#type.as_deref()?.rsplit(':').next()
    }

    /// Returns what helps, in a sentence.
    pub(super) fn cure(&self) -> &'static str {
        match (self, self.kind()) {
            (_, Some("externalAccountRequired")) => {
                "whoever signs wants an account of yours there: set `acme.eab_key_id` and \
                 `acme.eab_key_file` to what it gives out for ACME (external account binding)"
            }
            (
                Trouble::NoAccount { is_bound: true, .. },
                None | Some("unauthorized" | "malformed" | "incorrectResponse" | "serverInternal"),
            ) => {
                "check `acme.eab_key_id` and the key in `acme.eab_key_file`; some keys bind one account \
                 only, or end after some days: have whoever signs give out another"
            }
            (_, Some("connection")) => {
                "let the world reach TCP 443 of this server (port 80 with http-01) under the host of \
                 `public_url`: firewall, port forwarding, and a CDN or proxy in front that ends TLS"
            }
            (_, Some("dns")) => {
                "let the host of `public_url` have an A or AAAA record of this server"
            }
            (_, Some("unauthorized" | "incorrectResponse" | "tls")) => {
                "something else answers under the host of `public_url`: check its A and AAAA records, and \
                 what ends TLS in front of this server; `acme.challenge = \"http-01\"` may pass it"
            }
            (_, Some("rateLimited")) => {
                "too many certificates or failures for this name: it is tried again by itself; try settings \
                 out with a staging directory"
            }
            (_, Some("caa")) => "let the CAA record of the domain allow whoever signs",
            (_, Some("invalidContact" | "unsupportedContact")) => {
                "give a mail address that works in `acme.contact`, or none"
            }
            (_, Some("userActionRequired")) => {
                "read the new terms of whoever signs, and agree there"
            }
            (_, Some("rejectedIdentifier")) => "the host of `public_url` must be a public name",
            (_, Some("accountDoesNotExist")) => "a new account is made by itself",
            (Trouble::NoKey(_), _) => "put the key there as it was given out; SIGHUP tries at once",
            (Trouble::NoProfile { .. }, _) => {
                "set `acme.profile` to one that is offered, or to none"
            }
            (Trouble::NoChallenge, _) => "take the other `acme.challenge`",
            (Trouble::Ours(_), _) => "check the room and the rights of `data_dir`, and the clock",
            (Trouble::Acme(Error::Other(_)) | Trouble::TooSlow(_), _) => {
                "check that this server reaches `acme.directory` over HTTPS (DNS, firewall), and trusts it \
                 (ca-certificates, `acme.ca_file`)"
            }
            _ => "it is tried again by itself; see the state of whoever signs",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Acme(Error::Api(problem)) | Trouble::Refused(problem) => {
                write!(f, "{problem}")
            }
            Trouble::Acme(error) => {
                write!(f, "{error}")?;
                let mut source = std::error::Error::source(error);
                while let Some(cause) = source {
                    write!(f, ": {cause}")?;
                    source = cause.source();
                }
                Ok(())
            }
            Trouble::NoAccount { problem, .. } => write!(f, "no account was given: {problem}"),
            Trouble::NoKey(error) => write!(f, "{error}"),
            Trouble::NoProfile { wanted, listed } => {
                write!(f, "`acme.profile`: `{wanted}` is not offered; ")?;
                match listed.len() {
                    0 => f.write_str("the directory offers none"),
                    count => {
                        let shown: Vec<String> = listed
                            .iter()
                            .take(PROFILES_SHOWN)
                            .map(|name| format!("`{}`", name.escape_debug()))
                            .collect();
                        let more = if count > PROFILES_SHOWN { ", …" } else { "" };
                        write!(f, "the directory offers {}{more}", shown.join(", "))
                    }
                }
            }
            Trouble::NoChallenge => f.write_str("the challenge of `acme.challenge` is not offered"),
            Trouble::Ours(error) => write!(f, "{error:#}"),
            Trouble::TooSlow(time) => write!(f, "nothing came of it in {} s", time.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, is_bound: bool) -> Trouble {
        let problem = Problem {
            r#type: Some(format!("urn:ietf:params:acme:error:{kind}")),
            detail: None,
            status: None,
            subproblems: Vec::new(),
        };
        Trouble::NoAccount { problem, is_bound }
    }

    #[test]
    fn an_account_that_is_not_given_names_the_settings_that_bind_it() {
        for kind in ["unauthorized", "malformed"] {
            assert!(refused(kind, true).cure().contains("`acme.eab_key_file`"));
        }
        let cure = refused("externalAccountRequired", false).cure();
        assert!(cure.contains("`acme.eab_key_id` and"), "{cure}");
        let cure = refused("invalidContact", true).cure();
        assert!(cure.contains("`acme.contact`"), "{cure}");
        assert!(refused("rateLimited", true).is_limited());
    }

    #[test]
    fn a_profile_that_is_not_there_names_those_that_are() {
        let trouble = |listed: Vec<String>| Trouble::NoProfile {
            wanted: "x".to_owned(),
            listed,
        };
        let few = trouble(vec!["classic".to_owned(), "a\nb".to_owned()]).to_string();
        assert_eq!(
            few,
            "`acme.profile`: `x` is not offered; the directory offers `classic`, `a\\nb`"
        );
        let none = trouble(Vec::new()).to_string();
        assert!(none.ends_with("the directory offers none"), "{none}");
        let many = trouble((0..40).map(|index| index.to_string()).collect()).to_string();
        assert!(many.ends_with("`15`, …"), "{many}");
    }
}
