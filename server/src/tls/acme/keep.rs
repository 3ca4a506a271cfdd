//! What survives a restart: the account, and the certificate with its key.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use http::Uri;
use instant_acme::AccountCredentials;
use sha2::{Digest, Sha256};

use crate::config::Acme;
use crate::tls::dev::write_private;
use crate::tls::{Identity, load};

/// The folder of one directory: what another one gave is of no use to it.
#[derive(Debug)]
pub(super) struct Keep {
    folder: PathBuf,
    name: String,
    account: String,
}

impl Keep {
    /// Names the folder below `data_dir`.
    pub(super) fn new(data_dir: &Path, acme: &Acme) -> Self {
        let uri = acme.directory.parse::<Uri>().unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let folder = format!("{host}-{}", short(&acme.directory));
        // Bound to another account, it is another account.
        let account = acme.binding.as_ref().map_or_else(
            || "account.json".to_owned(),
            |binding| format!("account-{}.json", short(&binding.key_id)),
        );
        Keep {
            folder: data_dir.join("acme").join(folder),
            name: acme.name.clone(),
            account,
        }
    }

    /// Returns the certificate that is kept, unless it is over, is not there or cannot be used.
    pub(super) fn certificate(&self, now: SystemTime) -> Option<Identity> {
        let file = self.certificate_file();
        let identity = load(&file, &file).ok()?;
        let usable = !identity.validity.has_ended(now) && identity.clone().certified().is_ok();
        usable.then_some(identity)
    }

    /// Keeps a certificate and its key in one file: there is no moment at
    /// which one of them is new and the other old.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn put_certificate(&self, chain: &str, key: &str) -> anyhow::Result<()> {
        self.make_folder()?;
        write_private(&self.certificate_file(), &format!("{key}{chain}"))
    }

    /// Returns the account, if there is one that can be read.
    pub(super) fn account(&self) -> Option<AccountCredentials> {
        let text = fs::read(self.account_file()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps the account.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn put_account(&self, account: &AccountCredentials) -> anyhow::Result<()> {
        self.make_folder()?;
        write_private(&self.account_file(), &serde_json::to_string(account)?)
    }

    /// Forgets an account that is there no more.
    pub(super) fn forget_account(&self) {
        let _ = fs::remove_file(self.account_file());
    }

    fn make_folder(&self) -> anyhow::Result<()> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&self.folder);
        made.with_context(|| format!("cannot make {}", self.folder.display()))
    }

    fn account_file(&self) -> PathBuf {
        self.folder.join(&self.account)
    }

    fn certificate_file(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }
}

/// Returns a few letters that tell texts apart.
fn short(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..4].iter().map(|b| format!("{b:02x}")).collect()
}
