//! Where this machine keeps the programs of PostgreSQL. Knows no data and no processes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ClusterError;

/// Folders whose entries are versions of PostgreSQL: the folder, how an entry begins, and where its programs lie.
const FAMILIES: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];
const PLAIN: [&str; 4] = ["/usr/local/pgsql/bin", "/usr/libexec/postgresql", "/usr/bin", "/usr/local/bin"];

/// The programs of one version of PostgreSQL.
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The version that made the data, or, where there are none, the first on the path or the newest.
    pub(super) fn find(data: &Path) -> Result<Self, ClusterError> {
        let mut folders = folders().into_iter().filter(|folder| complete(folder));
        let Ok(made_by) = fs::read_to_string(data.join("PG_VERSION")) else {
            return folders.next().map(|folder| Self { folder }).ok_or(ClusterError::NotInstalled);
        };
        let made_by = made_by.trim().to_owned();
        let mut found = Vec::new();
        for folder in folders {
            match major_version(&folder) {
                Some(version) if version == made_by => return Ok(Self { folder }),
                Some(version) if !found.contains(&version) => found.push(version),
                _ => {}
            }
        }
        if found.is_empty() {
            return Err(ClusterError::NotInstalled);
        }
        Err(ClusterError::OtherVersion { directory: data.to_owned(), made_by, found: found.join(", ") })
    }

    /// The path of one program.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = on_the_path().into_iter().collect();
    for (parent, beginning, programs) in FAMILIES {
        let mut versions: Vec<PathBuf> = entries(Path::new(parent))
            .filter(|entry| {
                entry.file_name().is_some_and(|name| name.as_bytes().starts_with(beginning.as_bytes()))
            })
            .collect();
        versions.sort_by_key(|entry| std::cmp::Reverse(trailing_number(entry)));
        folders.extend(versions.into_iter().map(|entry| entry.join(programs)));
    }
    folders.extend(PLAIN.map(PathBuf::from));
    folders
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// 17 of `postgresql@17`, 9 of `9.6`, 0 where there is none.
fn trailing_number(folder: &Path) -> u32 {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let digits: String =
        name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// The folder of the `postgres` that a shell would find, behind any symbolic links.
fn on_the_path() -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", "command -v postgres"]).output().ok()?;
    let path = fs::canonicalize(OsStr::from_bytes(output.stdout.trim_ascii())).ok()?;
    path.parent().map(Path::to_owned)
}

fn complete(folder: &Path) -> bool {
    ["postgres", "initdb", "pg_ctl"].iter().all(|program| folder.join(program).is_file())
}

/// 15 of `postgres (PostgreSQL) 15.13 (Debian …)`.
fn major_version(folder: &Path) -> Option<String> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next().map(str::to_owned)
}
