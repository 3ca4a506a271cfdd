//! Files that hold secrets.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes of such a file; thousands of users fit.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file that holds a secret.
///
/// # Errors
/// When it cannot be read, or everybody may read it. The text names neither
/// the file nor what is in it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let mut file = fs::File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(format!(
            "everybody may open it (mode {mode:04o}); chmod 600 ends that"
        ));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err("it has more than a MiB".to_owned());
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    Ok(text)
}
