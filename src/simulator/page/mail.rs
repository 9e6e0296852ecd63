//! The mailbox: letters that Maskline has sent in development.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use super::frame::Frame;
use super::{Moment, page};
use crate::simulator::fields::Fields;
use crate::simulator::mailbox::{self, Letter};
use crate::simulator::switchboard::Switchboard;

/// How many letters are shown.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "simulator/mail.html")]
struct MailPage {
    frame: Frame,
    /// Whether there is a folder to look into.
    has_folder: bool,
    /// Only letters to this address are shown.
    to: String,
    letters: Vec<LetterView>,
}

struct LetterView {
    at: Option<Moment>,
    from: String,
    to: String,
    subject: String,
    pieces: Vec<(String, bool)>,
}

impl LetterView {
    fn of(letter: Letter) -> Self {
        let pieces = mailbox::pieces(&letter.text);
        Self {
            at: letter.at.map(Moment::new),
            pieces: pieces.into_iter().map(|piece| (piece.text.to_owned(), piece.is_link)).collect(),
            from: letter.from,
            to: letter.to.join(", "),
            subject: letter.subject,
        }
    }
}

/// `GET /mail`
pub(super) async fn show(board: Data<Switchboard>, request: HttpRequest) -> HttpResponse {
    let to = Fields::from_form(request.query_string().as_bytes()).get("to").unwrap_or_default().to_owned();
    let folder = board.settings.mail_dir.as_deref();
    let letters = match folder {
        Some(folder) if to.is_empty() => mailbox::letters(folder),
        Some(folder) => mailbox::letters_to(folder, &to),
        None => Vec::new(),
    };
    page(&MailPage {
        frame: Frame::of(&board, "mail"),
        has_folder: folder.is_some(),
        letters: letters.into_iter().take(SHOWN).map(LetterView::of).collect(),
        to,
    })
}
