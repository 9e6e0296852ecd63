//! Files of variables: read, and changed line by line so that comments and everything else stay.
//!
//! Knows no settings. What is written is for its owner's eyes alone (mode 0600).

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

use super::reader::Variables;
use crate::secrets;

/// The variables of a file, none if there is no file. An error tells the line, but not what is written there.
pub(super) fn read(path: &Path) -> io::Result<Variables> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Variables::new()),
        read => read?,
    };
    parse(&text)
}

/// The variables of a text, the last of a name counts.
pub(super) fn parse(text: &str) -> io::Result<Variables> {
    dotenvy::from_read_iter(text.as_bytes())
        .map(|item| item.map_err(|error| unreadable(text, &error)))
        .collect()
}

fn unreadable(text: &str, error: &dotenvy::Error) -> io::Error {
    let dotenvy::Error::LineParse(bad, _) = error else { return io::Error::other("it cannot be read") };
    let bad = bad.lines().next().unwrap_or_default();
    let line = text.lines().position(|line| line.contains(bad)).map_or(0, |place| place + 1);
    io::Error::new(ErrorKind::InvalidData, format!("line {line} is not NAME=value"))
}

/// Sets variables in a file, which is made if it is not there: a reader sees the file before or after, never half.
pub(super) fn set(path: &Path, variables: &[(&str, &str)]) -> io::Result<()> {
    // A link stays a link, and what it leads to is changed.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read?,
    };
    replace(&path, &with(&before, variables)?)
}

/// Puts a text in the place of a file.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.unfinished", secrets::random_token()));
    let written = write_new(&unfinished, text, path).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write_new(unfinished: &Path, text: &str, old: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(old)
        && old.uid() != file.metadata()?.uid()
    {
        chown(unfinished, Some(old.uid()), Some(old.gid()))?;
    }
    file.sync_all()
}

/// The text with the variables set: in the line where a name stands, else at the end.
fn with(text: &str, variables: &[(&str, &str)]) -> io::Result<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (name, value) in variables {
        let line = format!("{name}={}", quoted(value)?);
        let mut places = (0..lines.len()).rev().filter(|place| sets(&lines[*place], name));
        // The last one counts, so the ones before it may stay.
        match places.next() {
            Some(place) => lines[place] = line,
            None => lines.push(line),
        }
    }
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

fn sets(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// A value as it may stand in the file; what could break out of its line is refused.
fn quoted(value: &str) -> io::Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,:/+=@".contains(&byte);
    if value.bytes().all(plain) {
        Ok(value.to_owned())
    } else if value.contains(|letter: char| letter == '\'' || letter.is_control()) {
        Err(io::Error::new(ErrorKind::InvalidInput, "a value has a quotation mark or a line break"))
    } else {
        Ok(format!("'{value}'"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keeps_every_other_line_and_hides_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let before =
            "# mine\nTROPO_USERNAME=ada\n\nexport TROPO_VOICE_TOKEN=old # why\n#TROPO_PASSWORD=\nLAST='a b'";
        fs::write(&path, before).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        set(&path, &[("TROPO_VOICE_TOKEN", "new"), ("TROPO_PASSWORD", "a $b #c"), ("TROPO_VOICE", "x")])
            .unwrap();
        let after = fs::read_to_string(&path).unwrap();
        assert_eq!(
            after,
            "# mine\nTROPO_USERNAME=ada\n\nTROPO_VOICE_TOKEN=new\n#TROPO_PASSWORD=\nLAST='a b'\n\
             TROPO_PASSWORD='a $b #c'\nTROPO_VOICE=x\n"
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let read = read(&path).unwrap();
        assert_eq!((&*read["TROPO_PASSWORD"], &*read["LAST"]), ("a $b #c", "a b"));
    }

    #[test]
    fn what_is_set_is_what_counts_even_where_a_name_stands_twice() {
        let text = with("A=1\nA=2\n", &[("A", "3")]).unwrap();
        assert_eq!(parse(&text).unwrap()["A"], "3");
    }

    #[test]
    fn a_value_cannot_bring_a_line_of_its_own() {
        for value in ["a\nDATABASE_URL=postgres://evil", "a'b\"", "\r"] {
            assert!(with("", &[("A", value)]).is_err(), "{value:?}");
        }
    }

    #[test]
    fn an_unreadable_line_is_named_by_its_number_only() {
        let error = parse("A=1\n\nPASSWORD hunter two\n").unwrap_err().to_string();
        assert_eq!(error, "line 3 is not NAME=value");
        assert!(read(Path::new("/nowhere/.env")).unwrap().is_empty());
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("settings"), folder.path().join(".env"));
        fs::write(&file, "A=1\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        set(&link, &[("A", "2")]).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "A=2\n");
    }
}
