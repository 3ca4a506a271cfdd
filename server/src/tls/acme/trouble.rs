//! What can go wrong with a certificate, and what helps.

use std::fmt;

use instant_acme::{Error, Problem};

/// Why there is no new certificate.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Whoever signs could not be asked, or did not say yes.
    Acme(Error),
    /// The proof did not satisfy.
    Refused(Problem),
    /// The challenge of the configuration is not offered.
    NoChallenge,
    /// What came, or what is to be kept, is of no use.
    Ours(anyhow::Error),
    /// Nothing came of it in time.
    TooSlow,
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
            Trouble::Acme(Error::Api(problem)) | Trouble::Refused(problem) => problem,
            _ => return None,
        };
        problem.r#type.as_deref()?.rsplit(':').next()
    }

    /// Returns what helps, in a sentence.
    pub(super) fn cure(&self) -> &'static str {
        match (self, self.kind()) {
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
            (_, Some("externalAccountRequired")) => {
                "this directory wants an account of its own: take another in `acme.directory`"
            }
            (_, Some("userActionRequired")) => {
                "read the new terms of whoever signs, and agree there"
            }
            (_, Some("rejectedIdentifier")) => "the host of `public_url` must be a public name",
            (_, Some("accountDoesNotExist")) => "a new account is made by itself",
            (Trouble::NoChallenge, _) => "take the other `acme.challenge`",
            (Trouble::Ours(_), _) => "check the room and the rights of `data_dir`, and the clock",
            (Trouble::Acme(Error::Other(_)) | Trouble::TooSlow, _) => {
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
            Trouble::NoChallenge => f.write_str("the challenge of `acme.challenge` is not offered"),
            Trouble::Ours(error) => write!(f, "{error:#}"),
            Trouble::TooSlow => f.write_str("no certificate within ten minutes"),
        }
    }
}
