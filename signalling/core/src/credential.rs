//! Whether a credential opens a room.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::limits::NAME_CHARS;
use conclave_signalling_wire::reply::{Needs, RoomSummary};
use conclave_signalling_wire::request::Credential;

/// Judges a credential for a room that asks for none, or for no room at all.
///
/// # Errors
/// What an existing room with a password that nobody knows answers, so that
/// nobody learns which rooms exist.
pub fn judge(exists: bool, credential: &Credential) -> Result<(), ErrorBody> {
    match credential {
        // There are no accounts to sign in to.
        Credential::Account {} => Err(ErrorBody::bad("credential.kind")),
        _ if exists => Ok(()),
        Credential::None {} => Err(ErrorCode::PasswordRequired.into()),
        Credential::Password { .. } => Err(wrong("credential.password")),
        Credential::Invite { .. } => Err(wrong("credential.secret")),
        Credential::Token { .. } => Err(wrong("credential.jwt")),
    }
}

fn wrong(field: &str) -> ErrorBody {
    ErrorBody::from(ErrorCode::BadCredentials).field(field)
}

/// Describes a room before a join; `title` is `None` for a room that does not exist.
pub fn describe(title: Option<&str>) -> RoomSummary {
    RoomSummary {
        title: title.map(str::to_owned),
        consent_text: None,
        needs: if title.is_some() {
            Needs::None
        } else {
            Needs::Password
        },
        lobby: false,
        recording: false,
        name_chars: NAME_CHARS as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::secret::{InviteSecret, SecretText};

    #[test]
    fn a_room_without_password_lets_everybody_in() {
        for credential in [
            Credential::None {},
            Credential::Invite {
                secret: InviteSecret::new([1; 16]),
            },
            Credential::Password {
                password: SecretText::new("left over"),
            },
        ] {
            assert_eq!(judge(true, &credential), Ok(()));
        }
    }

    #[test]
    fn a_room_that_does_not_exist_answers_like_one_with_a_password() {
        let code = |credential| judge(false, &credential).unwrap_err().code;
        assert_eq!(code(Credential::None {}), ErrorCode::PasswordRequired);
        assert_eq!(
            code(Credential::Password {
                password: SecretText::new("guess")
            }),
            ErrorCode::BadCredentials
        );
        assert_eq!(
            code(Credential::Invite {
                secret: InviteSecret::new([1; 16])
            }),
            ErrorCode::BadCredentials
        );
        assert_eq!(
            code(Credential::Token {
                jwt: SecretText::new("x.y.z")
            }),
            ErrorCode::BadCredentials
        );
        assert_eq!(describe(None).needs, Needs::Password);
    }

    #[test]
    fn accounts_are_unknown_everywhere() {
        for exists in [false, true] {
            assert_eq!(
                judge(exists, &Credential::Account {}),
                Err(ErrorBody::bad("credential.kind"))
            );
        }
    }
}
