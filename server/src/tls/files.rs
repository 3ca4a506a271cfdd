//! Certificate files that somebody else renews.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::ensure;

use super::{Identity, Live, Validity, load};

/// What changes when a file is written, or another is put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Stamp {
    /// Follows links: ACME clients change where theirs lead.
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Stamp {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified_s: file.mtime(),
            modified_ns: file.mtime_nsec(),
        })
    }
}

type Stamps = [Option<Stamp>; 2];

/// What a look found.
#[derive(Debug)]
pub(super) enum Change {
    /// Nothing to speak of.
    None,
    /// A new pair, which is in use from here on.
    Taken(Validity),
    /// A new pair that is of no use. The old one stays in use.
    Refused(anyhow::Error),
}

/// A chain and its key, looked at from time to time.
#[derive(Debug)]
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Of the pair that is in use.
    used: Stamps,
    /// Of a pair that was of no use at the last look: the second file may be on its way.
    doubtful: Option<Stamps>,
    /// Of the pair that was refused last. It is tried again, and not spoken of:
    /// it may begin a minute from now.
    refused: Option<Stamps>,
}

impl Files {
    /// Takes what is there for what is in use. It is to be read after this: what
    /// is written in between is then a change.
    pub(crate) fn new(certificate: PathBuf, key: PathBuf) -> Self {
        let mut files = Files {
            certificate,
            key,
            used: [None; 2],
            doubtful: None,
            refused: None,
        };
        files.used = files.stamps();
        files
    }

    /// Looks at the files, and takes a new pair into use. One that is of no
    /// use is spoken of if it is the same at the next look, or at once with `asked`.
    pub(super) fn look(&mut self, live: &Live, now: SystemTime, asked: bool) -> Change {
        let stamps = self.stamps();
        if stamps == self.used {
            self.doubtful = None;
            return Change::None;
        }
        let error = match self.load(now) {
            Ok(identity) => {
                let validity = identity.validity;
                match live.set(identity) {
                    Ok(()) => {
                        self.used = stamps;
                        self.doubtful = None;
                        self.refused = None;
                        return Change::Taken(validity);
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let is_sure = self.doubtful.replace(stamps) == Some(stamps);
        let is_told = self.refused == Some(stamps);
        if asked || is_sure && !is_told {
            self.refused = Some(stamps);
            return Change::Refused(error);
        }
        Change::None
    }

    fn load(&self, now: SystemTime) -> anyhow::Result<Identity> {
        let identity = load(&self.certificate, &self.key)?;
        ensure!(!identity.validity.has_ended(now), "it has expired");
        ensure!(
            identity.validity.not_before <= now,
            "it begins in the future"
        );
        Ok(identity)
    }

    fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|path| Stamp::of(path).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tls::certificate::parse;
    use crate::tls::{Names, dev, load_or_make};

    #[test]
    fn a_new_pair_is_taken_and_a_bad_one_is_refused_once_and_changes_nothing() {
        let now = SystemTime::now();
        let folder = std::env::temp_dir().join(format!("conclave-files-{}", std::process::id()));
        let pair = |test: &str| {
            let folder = folder.join(test);
            fs::create_dir_all(&folder).unwrap();
            let names = Names::from(["localhost".to_owned()]);
            let identity = load_or_make(&folder, &names, now).unwrap();
            (folder, identity)
        };
        let [(used, old), (new, _), (newest, _)] = ["used", "new", "newest"].map(pair);
        let (certificate, key) = (used.join("dev-certificate.pem"), used.join("dev-key.pem"));
        let live = Live::of(old).unwrap();
        let mut files = Files::new(certificate.clone(), key.clone());
        let mut look = |asked| files.look(&live, now, asked);
        assert!(matches!(look(false), Change::None));

        // The key comes a moment later.
        fs::copy(new.join("dev-certificate.pem"), &certificate).unwrap();
        assert!(matches!(look(false), Change::None));
        fs::copy(new.join("dev-key.pem"), &key).unwrap();
        assert!(matches!(look(false), Change::Taken(_)));
        assert!(matches!(look(false), Change::None));

        // It never comes.
        fs::copy(newest.join("dev-certificate.pem"), &certificate).unwrap();
        assert!(matches!(look(false), Change::None));
        assert!(matches!(look(false), Change::Refused(_)));
        assert!(matches!(look(false), Change::None), "said once");
        fs::write(&key, "nothing").unwrap();
        for _ in 0..2 {
            assert!(
                matches!(look(true), Change::Refused(_)),
                "who asks is told at once, and again"
            );
        }
        fs::remove_file(&key).unwrap();
        assert!(matches!(look(true), Change::Refused(_)));
        assert!(
            live.validity()
                .is_some_and(|validity| !validity.has_ended(now))
        );

        // Put right by a rename, as ACME clients do.
        fs::rename(newest.join("dev-key.pem"), &key).unwrap();
        assert!(matches!(look(false), Change::Taken(_)));
        let years = now + Duration::from_secs(400 * 24 * 3600);
        fs::copy(new.join("dev-certificate.pem"), &certificate).unwrap();
        fs::copy(new.join("dev-key.pem"), &key).unwrap();
        assert!(matches!(files.look(&live, years, true), Change::Refused(_)));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_pair_that_begins_in_a_minute_is_refused_and_taken_in_a_minute() {
        let now = SystemTime::now();
        let folder = std::env::temp_dir().join(format!("conclave-early-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let names = Names::from(["localhost".to_owned()]);
        let live = Live::of(load_or_make(&folder, &names, now).unwrap()).unwrap();
        let (certificate, key) = (
            folder.join("dev-certificate.pem"),
            folder.join("dev-key.pem"),
        );
        let mut files = Files::new(certificate.clone(), key.clone());
        let other = Names::from(["other.example.org".to_owned()]);
        let (text, key_text) = dev::make(&other, now).unwrap();
        let begin = parse(&text, &key_text).unwrap().validity.not_before;
        fs::write(&certificate, text).unwrap();
        fs::write(&key, key_text).unwrap();
        let before = begin - Duration::from_secs(60);
        assert!(matches!(files.look(&live, before, false), Change::None));
        assert!(matches!(
            files.look(&live, before, false),
            Change::Refused(_)
        ));
        assert!(matches!(files.look(&live, before, false), Change::None));
        assert!(matches!(files.look(&live, begin, false), Change::Taken(_)));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_written_while_the_first_pair_is_read_is_a_change() {
        let now = SystemTime::now();
        let folder = std::env::temp_dir().join(format!("conclave-racing-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let names = Names::from(["localhost".to_owned()]);
        let first = load_or_make(&folder, &names, now).unwrap();
        let (certificate, key) = (
            folder.join("dev-certificate.pem"),
            folder.join("dev-key.pem"),
        );
        let mut files = Files::new(certificate.clone(), key.clone());
        let (text, key_text) = dev::make(&names, now).unwrap();
        fs::write(&certificate, text).unwrap();
        fs::write(&key, key_text).unwrap();
        let live = Live::of(first).unwrap();
        assert!(matches!(files.look(&live, now, false), Change::Taken(_)));
        fs::remove_dir_all(folder).unwrap();
    }
}
