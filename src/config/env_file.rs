//! Files of variables: read, and changed line by line so that comments and everything else stay.
//!
//! A file means here what it means to systemd (`EnvironmentFile=`), so that one file serves both; how it is written
//! `assignments` knows. Knows no settings. What is written is for its owner's eyes alone (mode 0600).

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

use super::assignments;
use super::reader::Variables;
use crate::secrets;

/// The variables of a file, none if there is no file. An error names the line, but not what is written there.
pub(super) fn read(path: &Path) -> io::Result<Variables> {
    let text = match text(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Variables::new()),
        read => read?,
    };
    parse(&text)
}

fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(fs::read(path)?).map_err(|error| {
        let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = sound.split(|byte| *byte == b'\n').count();
        let what = format!("line {line} is not in UTF-8: save the file in this encoding");
        io::Error::new(ErrorKind::InvalidData, what)
    })
}

/// The variables of a text; the last value of a name counts.
pub(super) fn parse(text: &str) -> io::Result<Variables> {
    let assignments = assignments::parse(text).map_err(invalid)?;
    Ok(assignments.into_iter().map(|assignment| (assignment.name, assignment.value)).collect())
}

fn invalid(error: assignments::Unclear) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Sets variables in a file, which is made if it is not there: a reader sees the file before or after, never half.
pub(super) fn set(path: &Path, variables: &[(&str, &str)]) -> io::Result<()> {
    // A link stays a link, and what it leads to is changed.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = match text(&path) {
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

/// The text with the variables set: in the lines where a name stands, else at the end.
fn with(text: &str, variables: &[(&str, &str)]) -> io::Result<String> {
    let mut text = text.to_owned();
    for (name, value) in variables {
        let line = format!("{name}={}\n", assignments::quoted(value)?);
        let known = assignments::parse(&text).map_err(invalid)?;
        // The last one counts, so the ones before it may stay.
        if let Some(last) = known.into_iter().rfind(|known| known.name == *name) {
            text.replace_range(last.span, &line);
        } else {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&line);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keeps_every_other_line_and_hides_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let before = "# mine\nTROPO_USERNAME=ada\n\n  TROPO_VOICE_TOKEN = \"old\nTROPO_VOICE_TOKEN=mine\" \n\
                      #TROPO_PASSWORD=\nLAST='a b'";
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
        assert_eq!(text, "A=1\nA=3\n");
        assert_eq!(parse(&text).unwrap()["A"], "3");
    }

    #[test]
    fn whatever_is_set_is_read_again_as_it_was() {
        for value in ["", "pa$word1", "a'b\"", "it's \\ `here` $HOME", " # ", "; x", "\\", "ö€😀", "a=b", "'"]
        {
            let text = with("A=1\n# \nB=2\r\n", &[("A", value), ("C", value)]).unwrap();
            let read = parse(&text).unwrap();
            assert_eq!((&*read["A"], &*read["B"], &*read["C"]), (value, "2", value), "{text}");
        }
    }

    #[test]
    fn a_value_cannot_bring_a_line_of_its_own() {
        for value in ["a\nDATABASE_URL=postgres://evil", "\r", "a\0"] {
            assert!(with("", &[("A", value)]).is_err(), "{value:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_a_file_that_is_not_there_is_empty() {
        let error = parse("A=1\n\nPASSWORD hunter two\n").unwrap_err().to_string();
        assert!(error.starts_with("line 3 ") && !error.contains("hunter"), "{error}");
        assert!(read(Path::new("/nowhere/.env")).unwrap().is_empty());
    }

    #[test]
    fn a_file_in_another_encoding_is_refused_with_its_line_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let latin = b"A=1\n# \nTROPO_PASSWORD=gr\xfc\xdfe\n";
        fs::write(&path, latin).unwrap();
        for error in [read(&path).unwrap_err(), set(&path, &[("A", "2")]).unwrap_err()] {
            let shown = error.to_string();
            assert!(shown.starts_with("line 3 is not in UTF-8") && !shown.contains("gr"), "{shown}");
        }
        assert_eq!(fs::read(&path).unwrap(), latin);
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
