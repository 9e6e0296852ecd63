//! How variables are written in a file: `NAME=value` as systemd.exec(5) describes it under `EnvironmentFile=`.
//!
//! Nothing is expanded: `$`, `` ` `` and `%` are letters like others. What systemd would skip without a word, or would read
//! otherwise than most people mean it, is refused with its line: no command and no service starts with half of a
//! password.

use std::io::{self, ErrorKind};
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

/// One variable, and which part of the text sets it: whole lines, with the line break that ends them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) span: Range<usize>,
}

/// A line that does not mean the same to everybody. Names the variable, but no value.
#[derive(Debug, thiserror::Error)]
#[error("line {line} {what}")]
pub(super) struct Unclear {
    line: usize,
    what: String,
}

/// What may stand around names and values.
const BLANK: [char; 2] = [' ', '\t'];
const LINE_BREAK: [char; 2] = ['\n', '\r'];
/// What a backslash keeps within double quotes; before anything else it is a letter itself.
const KEPT: [char; 4] = ['"', '\\', '`', '$'];

/// The assignments of a text, in its order.
pub(super) fn parse(text: &str) -> Result<Vec<Assignment>, Unclear> {
    if let Some(place) = text.find('\0') {
        return Err(Unclear {
            line: text[..place].lines().count().max(1),
            what: "has a NUL in it".to_owned(),
        });
    }
    let mut found = Vec::new();
    let mut scanner = Scanner { text, rest: text.char_indices().peekable() };
    while let Some(start) = scanner.place() {
        let assignment =
            scanner.line().map_err(|what| Unclear { line: text[..start].lines().count() + 1, what })?;
        found.extend(assignment.map(|(name, value)| {
            let end = scanner.place().unwrap_or(text.len());
            Assignment { name, value, span: start..end }
        }));
    }
    Ok(found)
}

/// A value as it is written in a file, so that it is read again as it is; what could break out of its line is refused.
pub(super) fn quoted(value: &str) -> io::Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,:/+=@".contains(&byte);
    if value.chars().any(char::is_control) {
        Err(io::Error::new(ErrorKind::InvalidInput, "a value has a line break or another control character"))
    } else if value.bytes().all(plain) {
        Ok(value.to_owned())
    } else if value.contains('\'') {
        let escape = |letter| [KEPT.contains(&letter).then_some('\\'), Some(letter)].into_iter().flatten();
        Ok(format!("\"{}\"", value.chars().flat_map(escape).collect::<String>()))
    } else {
        Ok(format!("'{value}'"))
    }
}

struct Scanner<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl Scanner<'_> {
    /// Where the next letter stands, if there is one.
    fn place(&mut self) -> Option<usize> {
        self.rest.peek().map(|(place, _)| *place)
    }

    fn next(&mut self) -> Option<char> {
        self.rest.next().map(|(_, letter)| letter)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        self.rest.next_if(|(_, letter)| wanted(*letter)).map(|(_, letter)| letter)
    }

    fn skip_blanks(&mut self) {
        while self.next_if(|letter| BLANK.contains(&letter)).is_some() {}
    }

    /// Ends a line, in any of the three ways.
    fn end_line(&mut self) -> bool {
        if self.next_if(|letter| letter == '\r').is_some() {
            self.next_if(|letter| letter == '\n');
            return true;
        }
        self.next_if(|letter| letter == '\n').is_some() || self.rest.peek().is_none()
    }

    /// Reads one line, or several where a value goes on; nothing where it is empty or a comment.
    fn line(&mut self) -> Result<Option<(String, String)>, String> {
        self.skip_blanks();
        if self.end_line() {
            return Ok(None);
        }
        if self.next_if(|letter| letter == '#' || letter == ';').is_some() {
            return self.comment().map(|()| None);
        }
        let name = self.name()?;
        self.skip_blanks();
        let value = match self.next_if(|letter| letter == '\'' || letter == '"') {
            Some('\'') => self.single_quoted(),
            Some(_) => self.double_quoted(),
            None => return self.unquoted(&name).map(|value| Some((name, value))),
        };
        let value = value.ok_or_else(|| format!("begins a quoted value of {name} that does not end"))?;
        self.skip_blanks();
        if self.end_line() {
            return Ok(Some((name, value)));
        }
        Err(format!("has something behind the quoted value of {name}: a comment needs a line of its own"))
    }

    fn comment(&mut self) -> Result<(), String> {
        let mut last = None;
        while !self.end_line() {
            last = self.next();
        }
        // Versions of systemd differ in whether the next line then belongs to the comment.
        if last == Some('\\') { Err("is a comment that ends with a backslash".to_owned()) } else { Ok(()) }
    }

    fn name(&mut self) -> Result<String, String> {
        let mut written = String::new();
        while let Some(letter) = self.next_if(|letter| letter != '=' && !LINE_BREAK.contains(&letter)) {
            written.push(letter);
        }
        let name = written.trim_end_matches(BLANK);
        if self.next_if(|letter| letter == '=').is_none() {
            return Err("is not NAME=value".to_owned());
        }
        if name.starts_with("export ") {
            return Err("begins with `export`, which systemd does not know: leave it out".to_owned());
        }
        if name.starts_with('\u{feff}') {
            return Err("begins with an invisible byte order mark: save the file without it".to_owned());
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty()
            || !name.bytes().all(is_letter)
            || name.starts_with(|first: char| first.is_ascii_digit())
        {
            return Err("is not NAME=value: a name has letters, digits and _ alone".to_owned());
        }
        Ok(name.to_owned())
    }

    fn single_quoted(&mut self) -> Option<String> {
        let start = self.place()?;
        for (place, letter) in self.rest.by_ref() {
            if letter == '\'' {
                return Some(self.text[start..place].to_owned());
            }
        }
        None
    }

    fn double_quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        loop {
            match self.next()? {
                '"' => return Some(value),
                '\\' => match self.next()? {
                    '\n' => {}
                    kept if KEPT.contains(&kept) => value.push(kept),
                    other => value.extend(['\\', other]),
                },
                letter => value.push(letter),
            }
        }
    }

    /// A value that goes to the end of its line. Quotes within it are letters, and a backslash keeps what follows.
    fn unquoted(&mut self, name: &str) -> Result<String, String> {
        let mut value = String::new();
        // How much of the value is there whatever blanks follow.
        let mut firm = 0;
        while !self.end_line() {
            match self.next() {
                Some('\\') => {
                    value.extend(self.next().filter(|letter| !LINE_BREAK.contains(letter)));
                    firm = value.len();
                }
                Some('#') if value.is_empty() || value.ends_with(BLANK) => {
                    let what = "has a # in the value of";
                    return Err(format!(
                        "{what} {name}: put a comment on a line of its own, or a value that has it in quotes"
                    ));
                }
                Some(letter) => {
                    value.push(letter);
                    if !BLANK.contains(&letter) {
                        firm = value.len();
                    }
                }
                None => {}
            }
        }
        value.truncate(firm);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of systemd.exec(5), each with what it makes of a text.
    #[test]
    fn a_file_means_what_it_means_to_systemd() {
        for (text, value) in [
            // Nothing is expanded.
            ("A=pa$word1", "pa$word1"),
            ("A=${HOME}`id`%n~", "${HOME}`id`%n~"),
            ("A=\"pa$word1\"", "pa$word1"),
            ("A='pa$word1'", "pa$word1"),
            // Blanks around names and values go, those within stay.
            ("  A = a  b \t", "a  b"),
            ("A=", ""),
            ("A=\r\n", ""),
            ("A=a\r\nB=b\r\n", "a"),
            ("A=a\rB=b", "a"),
            ("A=' a '  ", " a "),
            // Without quotes, a backslash keeps any letter, and quotes behind the first letter are letters.
            ("A=a\\b\\\\c\\'", "ab\\c'"),
            ("A=it's \"so\"", "it's \"so\""),
            ("A=\\'a", "'a"),
            ("A=a\\ ", "a "),
            ("A=a#b;c", "a#b;c"),
            ("A=b=c", "b=c"),
            ("A=a\\\nb", "ab"),
            ("A=a\\", "a"),
            ("A=\\#a", "#a"),
            // Within single quotes nothing has a meaning, within double quotes a backslash before four letters.
            ("A='a\\\\b\"\n# c'", "a\\\\b\"\n# c"),
            ("A=\"\\\"\\\\\\`\\$\\a\\'\"", "\"\\`$\\a\\'"),
            ("A=\"a\\\nb\nc\"", "ab\nc"),
            ("A='ö€😀'", "ö€😀"),
            // The last one counts, and comments begin with either sign.
            ("A=1\n A=2", "2"),
            ("# A=1\n;A=2\n\n\t# x\nA=3\n#A=4", "3"),
        ] {
            let read = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            let last = read.iter().rfind(|assignment| assignment.name == "A").unwrap();
            assert_eq!(last.value, value, "{text:?}");
            assert!(text[last.span.clone()].trim_start().starts_with('A'), "{text:?}");
        }
    }

    #[test]
    fn what_others_would_read_otherwise_is_refused_with_its_line_and_without_its_value() {
        for (text, line, about) in [
            ("A=1\nexport B=hunter2", 2, "leave it out"),
            ("A=hunter2 # mine", 1, "value of A"),
            ("A=# hunter2", 1, "value of A"),
            ("\n\nA='hunter2' # mine", 3, "quoted value of A"),
            ("A='hunter''2'", 1, "quoted value of A"),
            ("A='hunter2\nB=2", 1, "does not end"),
            ("B=1\r\nA=\"hunter2", 2, "does not end"),
            ("hunter2", 1, "not NAME=value"),
            ("A: hunter2", 1, "not NAME=value"),
            ("A B=hunter2", 1, "not NAME=value"),
            ("1A=hunter2", 1, "not NAME=value"),
            ("=hunter2", 1, "not NAME=value"),
            ("\u{feff}A=hunter2", 1, "byte order mark"),
            ("A=1\nB=hunter2\0", 2, "NUL"),
            ("A='a\nb'\n# hunter2 \\\nB=1", 3, "backslash"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("line {line} ")) && error.contains(about),
                "{text:?}: {error}"
            );
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}
