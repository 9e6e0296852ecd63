//! The letters that Maskline has sent in development: files in a folder, read each time they are looked at.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use mail_parser::{Address, MessageParser};
use serde::Serialize;

/// The longest letter that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// How many files are looked at, the newest first.
const LOOKED_AT: usize = 500;

/// A letter.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Letter {
    pub(crate) id: String,
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The links in the text, in order.
    pub(crate) links: Vec<String>,
}

/// A piece of a letter's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) is_link: bool,
}

/// The letters in a folder, the latest first. What is no letter is passed over.
pub(crate) fn letters(folder: &Path) -> Vec<Letter> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .filter_map(|path| Some((fs::metadata(&path).ok()?, path)))
        .filter(|(facts, _)| facts.is_file() && facts.len() <= LONGEST)
        .filter_map(|(facts, path)| Some((facts.modified().ok()?, path)))
        .collect();
    files.sort();
    files.reverse();
    files.truncate(LOOKED_AT);
    files.into_iter().filter_map(|(written, path)| read(&path, written.into())).collect()
}

/// The letters to an address, the latest first.
pub(crate) fn letters_to(folder: &Path, address: &str) -> Vec<Letter> {
    let mut letters = letters(folder);
    letters.retain(|letter| letter.to.iter().any(|to| to.eq_ignore_ascii_case(address.trim())));
    letters
}

fn read(path: &Path, written: DateTime<Utc>) -> Option<Letter> {
    let bytes = fs::read(path).ok()?;
    let message = MessageParser::default().parse(&bytes)?;
    let text = message.body_text(0).unwrap_or_default().replace("\r\n", "\n");
    let sent = message.date().and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0));
    Some(Letter {
        id: path.file_stem()?.to_string_lossy().into_owned(),
        at: Some(sent.unwrap_or(written)),
        from: addresses(message.from()).join(", "),
        to: addresses(message.to()),
        subject: message.subject().unwrap_or("(no subject)").to_owned(),
        links: pieces(&text)
            .into_iter()
            .filter(|piece| piece.is_link)
            .map(|piece| piece.text.to_owned())
            .collect(),
        text,
    })
}

fn addresses(header: Option<&Address>) -> Vec<String> {
    let all = header.into_iter().flat_map(Address::iter);
    all.filter_map(|address| address.address().map(str::to_owned)).collect()
}

/// Cuts a text into links and what stands between them.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = ["http://", "https://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, from_link) = rest.split_at(start);
        let end = from_link
            .find(|character: char| character.is_whitespace() || "<>\"".contains(character))
            .unwrap_or(from_link.len());
        let link = from_link[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        pieces.push(Piece { text: before, is_link: false });
        pieces.push(Piece { text: link, is_link: true });
        rest = &from_link[link.len()..];
    }
    pieces.push(Piece { text: rest, is_link: false });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_end_where_people_end_them() {
        let text = "Open http://127.0.0.1:8080/sign-up/abc?x=1. Or <https://example.com/>, please";
        let links: Vec<_> =
            pieces(text).into_iter().filter(|piece| piece.is_link).map(|it| it.text).collect();
        assert_eq!(links, ["http://127.0.0.1:8080/sign-up/abc?x=1", "https://example.com/"]);
        let joined: String = pieces(text).iter().map(|piece| piece.text).collect();
        assert_eq!(joined, text);
        assert_eq!(pieces("javascript:alert(1)").len(), 1);
    }

    #[test]
    fn letters_are_found_by_address_and_what_is_no_letter_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "1.eml",
            "From: Maskline <maskline@localhost>\r\nTo: Ada <ada@example.com>\r\nSubject: =?utf-8?b?V8OkaGxl?=\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             Follow http://127.0.0.1:8080/account/links/abc=\r\ndef\r\n",
        );
        write("2.eml", "");
        write("3.txt", "To: ada@example.com\r\n\r\nno letter");
        write("4.eml", "To: bob@example.com\r\n\r\nfor Bob");
        let letters = letters_to(folder.path(), "ADA@example.com ");
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].subject, "Wähle");
        assert_eq!(letters[0].links, ["http://127.0.0.1:8080/account/links/abcdef"]);
        assert!(letters_to(folder.path(), "nobody@example.com").is_empty());
        assert!(letters_to(&folder.path().join("missing"), "ada@example.com").is_empty());
    }
}
