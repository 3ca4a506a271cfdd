//! What a credential opens, as far as it is known before a room is asked.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::request::Credential;

/// What has to be found out about a credential before the room is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing: the claim is [`crate::room::Claim::Open`].
    Nothing,
    /// Whether the password fits the hash of the room. For a room that does not
    /// exist a hash that nothing fits takes as long.
    Password,
    /// Whether the secret is that of an invite of this room, even of a revoked one.
    Invite,
    /// Whether an embedding site signed it for this room, and it was not used.
    Token,
}

/// Says how a credential is judged. `is_open` says whether there is such a room
/// and it asks for no password.
///
/// # Errors
/// The refusal, which is that of an existing room with a password that nobody
/// knows, so that nobody learns which rooms exist.
pub fn judge(is_open: bool, credential: &Credential) -> Result<Check, ErrorBody> {
    match credential {
        Credential::Invite { .. } => Ok(Check::Invite),
        Credential::None {} | Credential::Password { .. } if is_open => Ok(Check::Nothing),
        Credential::Password { .. } => Ok(Check::Password),
        Credential::Token { .. } => Ok(Check::Token),
        // There are no accounts to sign in to.
        Credential::None {} | Credential::Account {} => Err(refusal(credential)),
    }
}

/// Returns the refusal of a credential that opens nothing.
pub fn refusal(credential: &Credential) -> ErrorBody {
    let wrong = |field: &str| ErrorBody::from(ErrorCode::BadCredentials).field(field);
    match credential {
        Credential::None {} => ErrorCode::PasswordRequired.into(),
        Credential::Password { .. } => wrong("credential.password"),
        Credential::Invite { .. } => wrong("credential.secret"),
        Credential::Token { .. } => wrong("credential.jwt"),
        Credential::Account {} => ErrorBody::bad("credential.kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::secret::{InviteSecret, SecretText};

    fn all() -> [Credential; 5] {
        [
            Credential::None {},
            Credential::Password {
                password: SecretText::new("left over"),
            },
            Credential::Invite {
                secret: InviteSecret::new([1; 16]),
            },
            Credential::Token {
                jwt: SecretText::new("x.y.z"),
            },
            Credential::Account {},
        ]
    }

    #[test]
    fn a_room_without_password_asks_for_none() {
        let [none, password, invite, ..] = all();
        assert_eq!(judge(true, &none), Ok(Check::Nothing));
        assert_eq!(judge(true, &password), Ok(Check::Nothing));
        assert_eq!(judge(true, &invite), Ok(Check::Invite));
    }

    #[test]
    fn a_room_that_does_not_exist_is_like_one_with_a_password() {
        let [none, password, invite, ..] = all();
        assert_eq!(judge(false, &none), Err(refusal(&none)));
        assert_eq!(judge(false, &password), Ok(Check::Password));
        assert_eq!(judge(false, &invite), Ok(Check::Invite));
        assert_eq!(refusal(&none).code, ErrorCode::PasswordRequired);
        assert_eq!(refusal(&password).code, ErrorCode::BadCredentials);
    }

    #[test]
    fn tokens_are_judged_and_accounts_unknown_everywhere() {
        let [.., token, account] = all();
        assert_eq!(refusal(&token).field.as_deref(), Some("credential.jwt"));
        for is_open in [false, true] {
            assert_eq!(judge(is_open, &token), Ok(Check::Token));
            assert_eq!(
                judge(is_open, &account),
                Err(ErrorBody::bad("credential.kind"))
            );
        }
    }
}
