//! Answers that are files.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;

use super::api::{Api, Ask};
use super::{Failure, refused};

/// Where to write.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// Write into a new file, readable by its owner only, and not to standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Target {
    /// Returns whether it is a file.
    pub(super) fn is_file(&self) -> bool {
        self.to.is_some()
    }

    /// Writes what is answered, as it comes.
    pub(super) fn save(&self, api: &Api, path: &str) -> Result<(), Failure> {
        let mut target: Box<dyn io::Write> = match &self.to {
            None => Box::new(io::stdout().lock()),
            Some(path) => {
                let file = fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path);
                let file = file.map_err(|error| {
                    Failure::Failed(format!("cannot write {}: {error}", path.display()))
                })?;
                Box::new(io::BufWriter::new(file))
            }
        };
        let (status, refusal) = api.ask(&Ask::get(path), &mut target)?;
        if status.is_success() {
            return Ok(target.flush()?);
        }
        if let Some(path) = &self.to {
            // Nothing was written: the file would only be in the way of the next try.
            let _ = fs::remove_file(path);
        }
        Err(refused(status, &refusal))
    }
}
