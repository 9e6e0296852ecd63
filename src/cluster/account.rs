//! As which user PostgreSQL runs: as ourselves, or, as it refuses root, as somebody without privileges.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ClusterError;

const ROOT: u32 = 0;
/// Who runs PostgreSQL where we are root, first come first served.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user who runs PostgreSQL and owns its data.
pub(super) struct Account {
    /// The name by which the machine knows the user.
    pub(super) name: String,
    uid: u32,
    gid: u32,
    /// Our own user id.
    pub(super) ours: u32,
}

impl Account {
    /// Ourselves, or, where we are root, the owner of the data if there are any, or somebody without privileges.
    pub(super) fn find(data: &Path) -> Result<Self, ClusterError> {
        let ours = number(&["-u"]).ok_or(ClusterError::Nameless)?;
        if ours != ROOT {
            return ask(&["-un"]).and_then(|name| Self::named(&name, ours)).ok_or(ClusterError::Nameless);
        }
        let owner = fs::metadata(data).map(|data| data.uid()).ok().filter(|uid| *uid != ROOT);
        owner
            .and_then(|uid| ask(&["-un", &uid.to_string()]))
            .into_iter()
            .chain(UNPRIVILEGED.map(str::to_owned))
            .find_map(|name| Self::named(&name, ours))
            .ok_or(ClusterError::NobodyToRunIt)
    }

    fn named(name: &str, ours: u32) -> Option<Self> {
        Some(Self { name: name.to_owned(), uid: number(&["-u", name])?, gid: number(&["-g", name])?, ours })
    }

    /// Whether PostgreSQL runs as another user than we do.
    pub(super) fn differs(&self) -> bool {
        self.uid != self.ours
    }

    /// A command that this user will run, from a directory that everybody may enter, and out of reach of the
    /// settings (`PGPORT` and the like) that a developer's shell may hold.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command.stdin(Stdio::null());
        if self.differs() {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a directory of ours to this user.
    pub(super) fn give(&self, directory: &Path) -> std::io::Result<()> {
        if self.differs() { chown(directory, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Lets this user read a file of ours that nobody else reads (mode 0640).
    pub(super) fn share(&self, file: &Path) -> std::io::Result<()> {
        if self.differs() {
            chown(file, None, Some(self.gid))?;
        }
        fs::set_permissions(file, Permissions::from_mode(0o640))
    }

    /// Whether this user can reach a directory and write into it.
    pub(super) fn may_write(&self, directory: &Path) -> bool {
        self.command("test").arg("-w").arg(directory).status().is_ok_and(|status| status.success())
    }
}

fn number(arguments: &[&str]) -> Option<u32> {
    ask(arguments)?.parse().ok()
}

fn ask(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
