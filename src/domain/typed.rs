//! The digits and signs that people type or paste, in the writing of any script, as plain ASCII.
//!
//! One function for phone numbers, codes and whatever else is typed in digits. It must not know what the text means: what
//! it has no plain form for stays as it is, and whoever reads the text refuses it.

/// The zero of every row of decimal digits (general category Nd of Unicode 16); the other nine follow it.
const ZEROS: [u32; 76] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da,
    0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0,
    0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0,
    0x1e5f1, 0x1e950, 0x1fbf0,
];

/// The text with ASCII digits, dashes, blanks, brackets, dots, slashes and plus signs for those of every script, and
/// without marks that nobody sees. U+202E, which turns the order of digits around, and control characters stay.
pub fn plain(text: &str) -> String {
    text.chars().filter(|character| !is_invisible(*character)).map(plain_character).collect()
}

fn plain_character(character: char) -> char {
    match character {
        ' '..='~' => digit_or_same(character),
        '\u{58a}'
        | '\u{5be}'
        | '\u{1400}'
        | '\u{1806}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{207b}'
        | '\u{208b}'
        | '\u{2212}'
        | '\u{2500}'
        | '\u{2796}'
        | '\u{2e17}'
        | '\u{2e1a}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{2e40}'
        | '\u{2e5d}'
        | '\u{301c}'
        | '\u{3030}'
        | '\u{30a0}'
        | '\u{30fc}'
        | '\u{3161}'
        | '\u{fe31}'
        | '\u{fe32}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{ff0d}'
        | '\u{ff70}'
        | '\u{2d7}'
        | '\u{10d6e}'
        | '\u{10ead}' => '-',
        '\u{2053}' | '\u{223c}' | '\u{ff5e}' => '~',
        '\u{ff0b}' | '\u{fe62}' | '\u{2795}' => '+',
        '\u{ff08}' | '\u{fe59}' => '(',
        '\u{ff09}' | '\u{fe5a}' => ')',
        '\u{ff3b}' => '[',
        '\u{ff3d}' => ']',
        '\u{ff0e}' | '\u{2024}' | '\u{30fb}' | '\u{ff65}' | '\u{b7}' | '\u{2022}' | '\u{2027}' => '.',
        '\u{ff0f}' | '\u{2044}' | '\u{2215}' => '/',
        other if other.is_whitespace() && !other.is_control() => ' ',
        other => digit_or_same(other),
    }
}

fn digit_or_same(character: char) -> char {
    let code = u32::from(character);
    let row = ZEROS.partition_point(|zero| *zero <= code);
    let value = row.checked_sub(1).map(|row| code - ZEROS[row]);
    value.filter(|value| *value < 10).and_then(|value| char::from_digit(value, 10)).unwrap_or(character)
}

/// Marks without a shape of their own, which programs put around and into what is copied out of them.
fn is_invisible(character: char) -> bool {
    // General category Cf of Unicode 16, and what has no shape by Default_Ignorable_Code_Point.
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202d}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    fn of_category(name: &str) -> Vec<char> {
        let parsed = regex_syntax::parse(&format!(r"\p{{{name}}}")).unwrap();
        let HirKind::Class(Class::Unicode(class)) = parsed.into_kind() else { panic!("{name}") };
        class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect()
    }

    #[test]
    fn digits_of_every_script_are_digits() {
        let digits = of_category("Nd");
        assert!(digits.len() >= 760);
        for row in digits.chunks(10) {
            assert_eq!(plain(&String::from_iter(row)), "0123456789", "{row:?}");
        }
        for no_decimal_digit in ["²", "½", "Ⅳ", "①", "九", "x", "\u{6fa}", "\u{2f}"] {
            assert_eq!(plain(no_decimal_digit), no_decimal_digit);
        }
    }

    #[test]
    fn dashes_and_blanks_of_every_script_are_dashes_and_blanks() {
        for dash in of_category("Pd").into_iter().chain("−ーｰㅡ─".chars()) {
            assert_eq!(plain(&dash.to_string()), "-", "{dash:?}");
        }
        for blank in of_category("Zs") {
            assert_eq!(plain(&blank.to_string()), " ", "{blank:?}");
        }
        assert_eq!(plain("＋４４（０）２０．７９／４６～１［２］"), "+44(0)20.79/46~1[2]");
    }

    #[test]
    fn marks_that_nobody_sees_are_left_out_and_what_turns_text_around_is_not() {
        let others = "\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{3164}\u{fe0f}\u{ffa0}\u{fffc}\u{e0100}";
        let turned = |mark: &char| *mark != '\u{202e}';
        for mark in of_category("Cf").into_iter().filter(turned).chain(others.chars()) {
            assert_eq!(plain(&format!("{mark}41{mark}5{mark}")), "415", "{mark:?}");
        }
        for kept in ["\u{202e}", "\u{0}", "\n", "\t", "é"] {
            assert_eq!(plain(kept), kept);
        }
    }
}
