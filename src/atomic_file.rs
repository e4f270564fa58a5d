//! Files that are either complete or not there.

use crate::{
    failpoint,
    failure::{Failure, Result},
};
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

/// Writes `path` through `fill`: a temporary file beside it (`<name>.tmp`) is written, synced and renamed, then the
/// folder is synced. Returns the size in bytes.
///
/// # Errors
/// The file cannot be written; what was there before is untouched, and the temporary file is removed.
pub fn write_atomic(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<u64> {
    let temporary = temporary(path);
    let failed = |error: std::io::Error| Failure::output(format!("{}: could not be written: {error}", path.display()));
    let subject = path.to_string_lossy();
    let written = || -> Result<u64> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(true).open(&temporary).map_err(failed)?;
        failpoint::reach("write.begun", &subject);
        fill(&mut file).map_err(|failure| {
            Failure::output(format!("{}: could not be written: {}", path.display(), failure.message))
        })?;
        file.sync_all().map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        failpoint::reach("write.filled", &subject);
        std::fs::rename(&temporary, path).map_err(failed)?;
        failpoint::reach("write.renamed", &subject);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(bytes)
    };
    written().inspect_err(|_| {
        // Removing is a courtesy; the error that matters is the first one.
        let _ = std::fs::remove_file(&temporary);
    })
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}
