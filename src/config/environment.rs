//! Where variables come from: the environment counts before `.env`, and `.env` before the settings of a
//! development start. The only place that asks the process for its environment.
//!
//! The settings of a development start lie in the state folder. They are left aside where a secret key is set
//! outside of them, as that is a deployment of its own; and of a Tropo account, either all comes from there or
//! nothing, so that a real password never meets a simulated address.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::reader::Variables;
use super::{development, env_file, names};

/// The file beside which commands are run.
const FILE: &str = ".env";
/// What says that the account at Tropo is another one.
const ANOTHER_ACCOUNT: [&str; 2] = ["TROPO_URL", "TROPO_USERNAME"];

/// A file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the settings in {path}: {source}")]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

/// The variables for any command.
pub fn read() -> Result<Variables, FileError> {
    let outer = outer()?;
    let path = development::path(&state(&outer));
    if has_secret_key(&outer) {
        return Ok(outer);
    }
    Ok(fallback(outer, env_file::read(&path).map_err(FileError::at(&path))?))
}

/// The variables of a development start, whose settings are made if they are not there. What it talks to is always
/// the simulator, whatever `.env` says of the real Tropo.
pub fn develop() -> Result<Variables, FileError> {
    let mut outer = outer()?;
    let state = state(&outer);
    let path = development::path(&state);
    development::begin(&state).map_err(FileError::at(&path))?;
    outer.remove("TROPO_URL");
    let mut variables = env_file::read(&path).map_err(FileError::at(&path))?;
    if has_secret_key(&outer) {
        variables.remove("MASKLINE_SECRET_KEY");
    }
    variables.extend(outer);
    Ok(variables)
}

/// Keeps what a development start has found at the simulator, for the other commands.
pub fn keep_for_development(variables: &Variables, found: &[(&str, &str)]) -> Result<(), FileError> {
    let path = development::path(&state(variables));
    let known = env_file::read(&path).map_err(FileError::at(&path))?;
    if found.iter().all(|(name, value)| known.get(*name).is_some_and(|known| known == value)) {
        return Ok(());
    }
    env_file::set(&path, found).map_err(FileError::at(&path))
}

/// Keeps settings in `.env`.
pub fn keep(settings: &[(&str, &str)]) -> Result<(), FileError> {
    let path = Path::new(FILE);
    env_file::set(path, settings).map_err(FileError::at(path))
}

/// The settings of this process's own environment among the named ones: another terminal lacks them.
pub fn own(names: &[&'static str]) -> Vec<(&'static str, String)> {
    names.iter().filter_map(|name| Some((*name, env::var(name).ok()?))).collect()
}

/// How this program was called.
pub fn program() -> String {
    env::args().next().unwrap_or_else(|| "maskline".into())
}

/// The socket at which systemd wants to hear how far we are, if it does.
pub fn notify_socket() -> Option<PathBuf> {
    env::var_os("NOTIFY_SOCKET").map(PathBuf::from).filter(|socket| socket.is_absolute())
}

fn outer() -> Result<Variables, FileError> {
    let path = Path::new(FILE);
    let mut variables = env_file::read(path).map_err(FileError::at(path))?;
    let process = env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| names::is_ours(name))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    variables.extend(process);
    // A blank one counts as absent everywhere.
    variables.retain(|_, value| !value.trim().is_empty());
    Ok(variables)
}

fn state(variables: &Variables) -> PathBuf {
    let written = variables.get("MASKLINE_STATE").map(|text| text.trim());
    written.or(names::default("MASKLINE_STATE")).unwrap_or_default().into()
}

fn has_secret_key(variables: &Variables) -> bool {
    ["MASKLINE_SECRET_KEY", "MASKLINE_SECRET_KEY_FILE"].iter().any(|name| variables.contains_key(*name))
}

/// The outer variables over those of a development start.
fn fallback(outer: Variables, mut development: Variables) -> Variables {
    if ANOTHER_ACCOUNT.iter().any(|name| outer.contains_key(*name)) {
        development.retain(|name, _| !name.starts_with("TROPO_"));
    }
    development.extend(outer);
    development
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_real_account_does_not_meet_the_simulated_one() {
        let development = variables(&[("TROPO_URL", "http://127.0.0.1:8081/v1/"), ("MASKLINE_LOG", "debug")]);
        let outer = variables(&[("TROPO_USERNAME", "ada")]);
        let both = fallback(outer, development.clone());
        assert_eq!(both, variables(&[("TROPO_USERNAME", "ada"), ("MASKLINE_LOG", "debug")]));
        let outer = variables(&[("MASKLINE_LOG", "warn")]);
        let both = fallback(outer, development);
        assert_eq!(both, variables(&[("TROPO_URL", "http://127.0.0.1:8081/v1/"), ("MASKLINE_LOG", "warn")]));
    }
}
