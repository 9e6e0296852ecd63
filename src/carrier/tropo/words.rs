//! Other people's words made safe: for a log or an error of ours, and for Tropo's voice.
//!
//! Knows texts only, not where they come from.

/// The most that is kept of what somebody says, in characters.
const LONGEST_REMARK: usize = 160;

/// The longest word that is kept; tokens are longer.
const LONGEST_WORD: usize = 20;

/// What Tropo says about an error, without what may be a number, an address or a token: words of letters stay,
/// all else becomes `…`.
pub(super) fn remark(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|character: char| ".,;:!?()'\"".contains(character));
        let plain = bare.chars().count() <= LONGEST_WORD && bare.chars().all(char::is_alphabetic);
        match (plain, kept.last()) {
            (true, _) => kept.push(word),
            (false, Some(&"…")) => {}
            (false, _) => kept.push("…"),
        }
    }
    kept.join(" ").chars().take(LONGEST_REMARK).collect()
}

/// A text that Tropo may speak or send: letters, digits, blanks and plain punctuation, so that it can be neither
/// an address to fetch nor markup.
pub(super) fn spoken(text: &str) -> String {
    let mut spoken = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '’' | '‘' => spoken.push('\''),
            '.' | ',' | '?' | '!' | '\'' | '-' => spoken.push(character),
            other if other.is_alphanumeric() => spoken.push(other),
            _ if spoken.is_empty() || spoken.ends_with(' ') => {}
            _ => spoken.push(' '),
        }
    }
    spoken.truncate(spoken.trim_end().len());
    spoken
}

/// A text for a phone's screen: what can be spoken, the signs of the line that gives a one-time code to a web site, and
/// line breaks.
pub(super) fn texted(text: &str) -> String {
    let line = |line: &str| -> String {
        let kept = |sign: &char| sign.is_alphanumeric() || " .,?!'-@#:".contains(*sign);
        line.chars().filter(kept).collect()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_holds_no_number_address_or_token() {
        assert_eq!(
            remark("no numbers available for the parameters specified"),
            "no numbers available for the parameters specified"
        );
        assert_eq!(
            remark(
                "number +14075550123 or (407) 555 0123 at https://u:p@host/?token=ab, voiceUrl (required)."
            ),
            "number … or … at … voiceUrl (required)."
        );
        assert_eq!(remark(&"a".repeat(88)), "…");
        assert_eq!(remark("a line\r\nanother\u{0}"), "a line …");
        assert!(remark(&"word ".repeat(500)).chars().count() <= LONGEST_REMARK);
    }

    #[test]
    fn a_text_keeps_the_line_for_the_web_site_and_no_markup() {
        let text = "123456 is your code.\r\n\r\n@masks.example.com #123456";
        assert_eq!(texted(text), "123456 is your code.\n\n@masks.example.com #123456");
        assert_eq!(texted("<b>\u{0}\u{202e}http://x/</b>"), "bhttp:xb");
    }

    #[test]
    fn what_is_spoken_is_never_an_address_or_markup() {
        for (text, said) in [
            ("Your code is 1, 2, 3.", "Your code is 1, 2, 3."),
            ("http://evil.example/a.mp3", "http evil.example a.mp3"),
            ("<speak><audio src=\"x\"/></speak>", "speak audio src x speak"),
            ("Grüße & Küsse; «ok»", "Grüße Küsse ok"),
            ("it’s\u{0}\u{202e} me\r\n", "it's me"),
            ("&lt;speak&gt;", "lt speak gt"),
            ("[f32]{}", "f32"),
            ("  ", ""),
        ] {
            assert_eq!(spoken(text), said, "{text:?}");
        }
    }
}
