//! Sites that sign join tokens.

use std::collections::BTreeSet;

use conclave_signalling_node::{Embedder, SiteKey, SiteRooms};
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Slug;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use toml::{Table, Value};

use super::reader::Reader;
use super::rooms::plain;
use conclave_server_core::members::{self, BadMember};

/// What stands before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410,
/// section 4): it has no parameters, so that there is one way to write it.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// Characters of an issuer and of an audience.
const NAME_CHARS: usize = 200;
/// Characters of a `kid`, which the audit log has for who came by a token.
const KID_CHARS: usize = 64;

/// A site that signs join tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmbeddingSite {
    /// What its tokens say in `iss`.
    issuer: String,
    /// What they say in `kid`.
    pub(crate) kid: String,
    key: SiteKey,
    role: Role,
    rooms: SiteRooms,
    /// What they say in `aud`, if not the address of this server.
    audience: Option<String>,
}

/// A table of `[[embedders]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    issuer: String,
    kid: String,
    public_key: String,
    role: Role,
    rooms: Vec<String>,
    audience: Option<String>,
}

impl EmbeddingSite {
    /// Returns what the node has to know of it.
    pub(crate) fn embedder(&self, public_url: &str) -> Embedder {
        Embedder {
            issuer: self.issuer.clone(),
            kid: self.kid.clone(),
            key: self.key,
            role: self.role,
            rooms: self.rooms.clone(),
            audience: self.audience.clone().unwrap_or(public_url.to_owned()),
        }
    }

    fn parse(table: &Table) -> Result<Self, BadMember> {
        let Members {
            issuer,
            kid,
            public_key,
            role,
            rooms,
            audience,
        } = members::read(plain(table.clone()), &[])?;
        let named = [
            ("issuer", Some(&issuer), NAME_CHARS),
            ("kid", Some(&kid), KID_CHARS),
            ("audience", audience.as_ref(), NAME_CHARS),
        ];
        for (member, text, most) in named {
            let fits = |text: &String| {
                (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
            };
            if !text.is_none_or(fits) {
                let rule = format!("must be 1 to {most} printable ASCII characters without spaces");
                return Err(BadMember::invalid(member, rule));
            }
        }
        Ok(EmbeddingSite {
            key: read_key(&public_key).map_err(|rule| BadMember::invalid("public_key", rule))?,
            rooms: read_rooms(&rooms).map_err(|rule| BadMember::invalid("rooms", rule))?,
            issuer,
            kid,
            role,
            audience,
        })
    }
}

fn read_key(text: &str) -> Result<SiteKey, &'static str> {
    const RULE: &str = "must be an Ed25519 public key: PEM that begins with `-----BEGIN PUBLIC \
                        KEY-----`, or its 32 bytes in base64url";
    if text.contains("PRIVATE KEY") {
        return Err(
            "is a private key: it belongs to the site alone; `openssl pkey -pubout` \
                    makes the public one of it",
        );
    }
    if !text.contains("-----BEGIN") {
        return SiteKey::from_base64url(text.trim()).ok_or(RULE);
    }
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| RULE)?;
    let key = der.strip_prefix(&SPKI_PREFIX).ok_or(RULE)?;
    key.try_into().map(SiteKey).map_err(|_| RULE)
}

fn read_rooms(names: &[String]) -> Result<SiteRooms, String> {
    match names {
        [] => Err("must name rooms, or be [\"*\"] for all of them".to_owned()),
        [all] if all == "*" => Ok(SiteRooms::All),
        names => {
            let slugs = names.iter().map(|name| {
                Slug::new(name).map_err(|_| match name.as_str() {
                    "*" => "has to be [\"*\"] alone, or the names of rooms".to_owned(),
                    _ => format!("`{name}` cannot be the name of a room in links"),
                })
            });
            let slugs: Result<BTreeSet<Slug>, String> = slugs.collect();
            slugs.map(SiteRooms::These)
        }
    }
}

impl Reader<'_> {
    /// Reads `[[embedders]]`.
    pub(super) fn embedders(&mut self) -> Vec<EmbeddingSite> {
        let mut sites: Vec<EmbeddingSite> = Vec::new();
        let setting = self.layers.get("embedders");
        let tables = setting.and_then(|setting| setting.value.as_array());
        let tables = tables.into_iter().flatten().filter_map(Value::as_table);
        for (index, table) in tables.enumerate() {
            let place = format!("embedders[{index}]");
            match EmbeddingSite::parse(table) {
                Ok(site) if sites.iter().any(|other| other.kid == site.kid) => {
                    let problem = format!("{place}: the kid `{}` is there twice", site.kid);
                    self.complain("embedders", &problem);
                }
                Ok(site) => sites.push(site),
                Err(bad) => self.complain("embedders", &format!("{place}: {bad}")),
            }
        }
        sites
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::from_file;
    use super::*;

    /// RFC 8037, appendix A.2, and the same key as PEM.
    const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
                       MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
                       -----END PUBLIC KEY-----\n";

    fn site(members: &str) -> String {
        format!("[[embedders]]\n{members}")
    }

    fn good() -> String {
        site(&format!(
            "issuer = \"https://school.example\"\nkid = \"school-1\"\npublic_key = \"{KEY}\"\n\
             role = \"co_host\"\nrooms = [\"class\", \"staff\"]\n"
        ))
    }

    #[test]
    fn a_site_has_a_key_a_role_and_rooms() {
        let other = site(&format!(
            "issuer = \"portal\"\nkid = \"p\"\npublic_key = \"\"\"\n{PEM}\"\"\"\nrole = \"host\"\n\
             rooms = [\"*\"]\naudience = \"urn:conclave\"\n"
        ));
        let config = from_file(&format!("{}{other}", good()), true).unwrap();
        let [school, portal] = config.embedders.as_slice() else {
            panic!("there are two");
        };
        let school = school.embedder("https://meet.example.org");
        let rooms = ["class", "staff"].map(|name| Slug::new(name).unwrap());
        let expected = Embedder {
            issuer: "https://school.example".to_owned(),
            kid: "school-1".to_owned(),
            key: SiteKey::from_base64url(KEY).unwrap(),
            role: Role::CoHost,
            rooms: SiteRooms::These(rooms.into()),
            audience: "https://meet.example.org".to_owned(),
        };
        assert_eq!(school, expected);
        let portal = portal.embedder("https://meet.example.org");
        assert_eq!(portal.key, expected.key, "PEM and base64url say the same");
        assert_eq!((portal.role, portal.rooms), (Role::Host, SiteRooms::All));
        assert_eq!(portal.audience, "urn:conclave");
    }

    #[test]
    fn what_is_wrong_with_a_site_is_named() {
        let private = "-----BEGIN PRIVATE KEY-----\\nMC4=\\n-----END PRIVATE KEY-----";
        let rsa = "-----BEGIN PUBLIC KEY-----\\nMDwwDQYJKoZIhvcNAQEBBQADKwAwKAIhAJXPG1VQhFcKMjLz\\n\
                   -----END PUBLIC KEY-----";
        for (from, to, expected) in [
            (
                "issuer =",
                "isuer =",
                "`isuer`: there is no such member; the nearest is `issuer`",
            ),
            ("kid = \"school-1\"\n", "", "`kid`: is missing"),
            (
                "kid = \"school-1\"",
                "kid = \"a b\"",
                "`kid`: must be 1 to 64 printable",
            ),
            (
                "issuer = \"https://school.example\"",
                "issuer = \"\"",
                "`issuer`: must be 1 to 200",
            ),
            (
                "rooms =",
                "audience = \"\"\nrooms =",
                "`audience`: must be 1 to 200",
            ),
            (
                "role = \"co_host\"",
                "role = \"admin\"",
                "`role`: unknown variant `admin`",
            ),
            (
                "rooms = [\"class\", \"staff\"]",
                "rooms = []",
                "`rooms`: must name rooms",
            ),
            ("\"staff\"", "\"*\"", "`rooms`: has to be [\"*\"] alone"),
            (
                "\"staff\"",
                "\"Staff\"",
                "`rooms`: `Staff` cannot be the name of a room",
            ),
            (KEY, "11qY", "`public_key`: must be an Ed25519 public key"),
            (KEY, private, "`public_key`: is a private key"),
            (KEY, rsa, "`public_key`: must be an Ed25519 public key"),
        ] {
            let text = good().replacen(from, to, 1);
            let error = from_file(&text, true).unwrap_err();
            let expected = format!("file c.toml: `embedders`: embedders[0]: {expected}");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        let error = from_file(&format!("{}{}", good(), good()), true).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the kid `school-1` is there twice"),
            "{error}"
        );
    }
}
