//! The account with whoever signs.

use instant_acme::{Account, AccountBuilder, Error, NewAccount};

use super::binding;
use super::client::Client;
use super::keep::Keep;
use super::trouble::Trouble;
use crate::config::Acme;

/// Opens the account that is kept, if there is one.
///
/// # Errors
/// When the directory cannot be read.
pub(super) async fn open(acme: &Acme, keep: &Keep) -> Result<Option<Account>, Trouble> {
    let Some(credentials) = keep.account() else {
        return Ok(None);
    };
    Ok(Some(builder(acme)?.from_credentials(credentials).await?))
}

/// Opens the account that is kept, or makes one.
///
/// # Errors
/// When the directory cannot be read or gives no account, or there is no key
/// to bind it with, or it cannot be kept.
pub(super) async fn open_or_make(acme: &Acme, keep: &Keep) -> Result<Account, Trouble> {
    if let Some(account) = open(acme, keep).await? {
        return Ok(account);
    }
    let contact: Vec<&str> = acme.contact.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let key = acme.binding.as_ref().map(binding::key);
    let key = key.transpose().map_err(Trouble::NoKey)?;
    let directory = acme.directory.clone();
    let made = builder(acme)?.create(&wanted, directory, key.as_ref());
    let (account, credentials) = made.await.map_err(|error| match error {
        Error::Api(problem) => Trouble::NoAccount {
            problem,
            is_bound: key.is_some(),
        },
        error => Trouble::Acme(error),
    })?;
    keep.put_account(&credentials)?;
    Ok(account)
}

fn builder(acme: &Acme) -> Result<AccountBuilder, Trouble> {
    let client = Client::new(acme.ca_file.as_deref())?;
    Ok(Account::builder_with_http(Box::new(client)))
}
