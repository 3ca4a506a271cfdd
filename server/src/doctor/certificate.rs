//! Whether the certificate is good for the public name, and for how long.

use std::net::IpAddr;
use std::time::SystemTime;

use anyhow::Context;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::finding::Finding;
use crate::config::Config;
use crate::setup;
use crate::tls::{self, Identity, Validity};

/// What a certificate says of itself.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    validity: Validity,
    /// Names and addresses that it is good for, in lower case.
    names: Vec<String>,
    /// Whether it was signed by somebody else, and the chain ends with it.
    is_alone: bool,
    /// When the server renews it unless the directory wants it otherwise;
    /// `None` when somebody else does.
    renewal: Option<SystemTime>,
}

/// Where the certificate is from.
#[derive(Debug)]
pub(super) enum Source {
    /// Made by the server itself: no browser trusts it unasked.
    Own,
    /// To be fetched; none has been yet.
    Awaited,
    /// To be fetched with an account that cannot be made.
    Unbound(String),
    /// It is there, or cannot be read.
    There(Result<Facts, String>),
}

/// Reads the certificate as the server does.
pub(super) fn look(config: &Config, now: SystemTime) -> Source {
    if let Some(acme) = &config.acme {
        if let Err(error) = setup::check_certificate(config) {
            return Source::Unbound(error.to_string());
        }
        let kept = tls::kept(&config.storage.data_dir, acme, now);
        return kept.map_or(Source::Awaited, |identity| {
            let renewal = Some(tls::renewal(identity.validity, 0.0));
            let facts = facts(&identity).map(|facts| Facts { renewal, ..facts });
            Source::There(facts)
        });
    }
    let Some(files) = &config.tls.files else {
        return Source::Own;
    };
    // The same errors as at the start.
    if let Err(error) = setup::check_certificate(config) {
        return Source::There(Err(error.to_string()));
    }
    let identity = tls::load(&files.certificate, &files.key);
    Source::There(match identity {
        Ok(identity) => facts(&identity),
        Err(error) => Err(format!("{error:#}")),
    })
}

fn facts(identity: &Identity) -> Result<Facts, String> {
    parse(identity).map_err(|error| format!("{error:#}"))
}

fn parse(identity: &Identity) -> anyhow::Result<Facts> {
    let leaf = identity.chain.first().context("it holds no certificate")?;
    let leaf = Certificate::from_der(leaf)?;
    let body = leaf.tbs_certificate();
    let alternatives = body.get_extension::<SubjectAltName>()?;
    let names = alternatives.map_or_else(Vec::new, |(_, names)| names.0);
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        GeneralName::IpAddress(bytes) => {
            address(bytes.as_bytes()).map(|address| address.to_string())
        }
        _ => None,
    });
    Ok(Facts {
        validity: identity.validity,
        names: names.collect(),
        is_alone: identity.chain.len() == 1 && body.issuer() != body.subject(),
        renewal: None,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Says what is wrong with the certificate for `host`.
pub(super) fn judge(source: &Source, host: Option<&str>, now: SystemTime) -> Vec<Finding> {
    let facts = match source {
        Source::Own => {
            let text = "the server makes its own: browsers warn of it and refuse the relay by TLS; a proxy in \
                        front shows its own instead, and passes no relay on";
            return vec![Finding::ok("certificate", text)];
        }
        Source::Awaited => {
            return vec![Finding::notice(
                "certificate",
                "none has been fetched yet",
                "start the server and read its log: it says what keeps the directory from giving one",
            )];
        }
        Source::Unbound(error) => {
            return vec![Finding::error(
                "certificate",
                error,
                "put the key there as it was given out, for the user of the server alone",
            )];
        }
        Source::There(Err(error)) => {
            return vec![Finding::error(
                "certificate",
                error,
                "name a PEM chain and its key that the user of the server may read",
            )];
        }
        Source::There(Ok(facts)) => facts,
    };
    let mut found = Vec::new();
    if facts.validity.not_before > now {
        found.push(Finding::error(
            "certificate",
            "it begins in the future: the clock of this machine is late, or it is not to be used yet",
            "set the clock (`timedatectl set-ntp true`), or wait",
        ));
    }
    let days = facts.validity.days_left(now);
    if facts.validity.has_ended(now) {
        found.push(Finding::error(
            "certificate",
            "it has ended: no browser opens the pages",
            "renew it; the server takes the new files without a restart",
        ));
    } else if facts.validity.ends_soon(now) {
        found.push(Finding::warning(
            "certificate",
            format!("it ends in {days} days"),
            "see why nothing renews it; the server takes new files without a restart",
        ));
    }
    if let Some(host) = host
        && !covers(&facts.names, host)
    {
        found.push(Finding::error(
            "certificate",
            format!(
                "it is not good for `{host}`, but for {}",
                list(&facts.names)
            ),
            "get one for the host of `public_url`, or change `public_url`",
        ));
    }
    if facts.is_alone {
        found.push(Finding::warning(
            "certificate",
            "the file holds no intermediate certificate: some browsers and phones refuse it",
            "use the full chain (`fullchain.pem` of most ACME clients)",
        ));
    }
    if found.is_empty() {
        let renewal =
            facts
                .renewal
                .map_or_else(String::new, |renewal| match renewal.duration_since(now) {
                    Ok(left) => format!(
                        "; renewed in {} days, or when the directory wants it",
                        left.as_secs() / (24 * 3600)
                    ),
                    Err(_) => "; its renewal is due".to_owned(),
                });
        found.push(Finding::ok(
            "certificate",
            format!("good for {days} days, for {}{renewal}", list(&facts.names)),
        ));
    }
    found
}

/// Returns whether a name is covered; a wildcard stands for one label (RFC 6125, section 6.4.3).
fn covers(names: &[String], host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    names.iter().any(|name| match name.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => *name == host,
    })
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no name at all".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::Level;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn facts(now: SystemTime) -> Facts {
        Facts {
            validity: Validity {
                not_before: now - DAY,
                not_after: now + 60 * DAY,
            },
            names: vec!["meet.example.org".to_owned(), "*.example.net".to_owned()],
            is_alone: false,
            renewal: None,
        }
    }

    fn lasting(facts: &Facts, not_before: SystemTime, not_after: SystemTime) -> Facts {
        let validity = Validity {
            not_before,
            not_after,
        };
        Facts {
            validity,
            ..facts.clone()
        }
    }

    fn levels(facts: Facts, host: &str, now: SystemTime) -> Vec<Level> {
        let found = judge(&Source::There(Ok(facts)), Some(host), now);
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn time_name_and_chain_are_judged() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let good = facts(now);
        assert_eq!(levels(good.clone(), "Meet.Example.org", now), [Level::Ok]);
        assert_eq!(levels(good.clone(), "a.example.net", now), [Level::Ok]);
        for uncovered in [
            "a.b.example.net",
            "example.net",
            ".example.net",
            "other.org",
        ] {
            assert_eq!(
                levels(good.clone(), uncovered, now),
                [Level::Error],
                "{uncovered}"
            );
        }
        let ended = lasting(&good, now - DAY, now - DAY / 2);
        assert_eq!(levels(ended, "meet.example.org", now), [Level::Error]);
        let short = Facts {
            is_alone: true,
            ..lasting(&good, now - 60 * DAY, now + 3 * DAY)
        };
        assert_eq!(
            levels(short, "meet.example.org", now),
            [Level::Warning, Level::Warning]
        );
        let early = lasting(&good, now + DAY, now + 60 * DAY);
        assert_eq!(levels(early, "meet.example.org", now), [Level::Error]);
    }

    #[test]
    fn what_is_fetched_says_when_it_is_renewed() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let text = |renewal| {
            let facts = Facts {
                renewal,
                ..facts(now)
            };
            let source = Source::There(Ok(facts));
            judge(&source, None, now).remove(0).cause
        };
        assert!(text(None).ends_with("*.example.net"));
        let soon = text(Some(now + DAY * 30));
        assert!(soon.contains("renewed in 30 days"), "{soon}");
        let due = text(Some(now - DAY));
        assert!(due.ends_with("its renewal is due"), "{due}");
    }

    #[test]
    fn addresses_are_read_in_both_lengths() {
        assert_eq!(address(&[10, 0, 0, 1]), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(address(&[0; 16]), Some(IpAddr::from([0u8; 16])));
        assert_eq!(address(&[1, 2]), None);
    }
}
