//! The options of a dialled address, behind semicolons: `+14155551212;postd=1234pp56;pause=5s`.

/// Something that happens once the address has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tone {
    /// So many milliseconds pass.
    Pause(u64),
    /// These keys are dialled.
    Keys(String),
}

/// The longest pause, in milliseconds.
const LONGEST_PAUSE: u64 = 600_000;

/// What is dialled after the answer: `pause` first (in `s` or `ms`), then `postd`, in which each `p` is a second.
/// Options of other names, as SIP addresses have them, are none of the dialling.
pub(super) fn tones(to: &str) -> Vec<Tone> {
    let option = |name: &str| {
        let options = to.split(';').skip(1).filter_map(|option| option.split_once('='));
        options.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    let Some((_, digits)) = option("postd") else { return Vec::new() };
    let mut tones: Vec<Tone> =
        option("pause").and_then(|(_, pause)| milliseconds(pause)).map(Tone::Pause).into_iter().collect();
    for character in digits.chars() {
        match (character, tones.last_mut()) {
            ('p' | 'P', Some(Tone::Pause(pause))) => *pause = (*pause + 1000).min(LONGEST_PAUSE),
            ('p' | 'P', _) => tones.push(Tone::Pause(1000)),
            ('0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d', Some(Tone::Keys(keys))) => keys.push(character),
            ('0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d', _) => tones.push(Tone::Keys(character.into())),
            _ => {}
        }
    }
    tones
}

/// `5s`, `5000ms`; a number alone is of seconds.
fn milliseconds(text: &str) -> Option<u64> {
    let (digits, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1000),
        (None, None) => (text, 1000),
    };
    Some(digits.trim().parse::<u64>().ok()?.saturating_mul(factor).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documentation's own examples, which it says do the same.
    #[test]
    fn digits_are_dialled_after_their_pauses() {
        let keys = |keys: &str| Tone::Keys(keys.to_owned());
        let documented = vec![Tone::Pause(5000), keys("1234"), Tone::Pause(2000), keys("56")];
        for to in [
            "+14155551212;postd=1234pp56;pause=5s",
            "+14155551212;pause=5000ms;postd=1234pp56",
            "+14155551212;postd=ppppp1234pp56",
            "tel:+14155551212; PostD=1234pp56; pause=5",
        ] {
            assert_eq!(tones(to), documented, "{to}");
        }
        assert_eq!(tones("+14155551212;postd=9#"), [keys("9#")]);
        assert_eq!(tones("+14155551212;postd=1;pause=99999999999s")[0], Tone::Pause(LONGEST_PAUSE));
        for nothing in ["+14155551212", "sip:a@example.com;transport=tcp", "+14155551212;pause=5s", ";postd="]
        {
            assert_eq!(tones(nothing), [], "{nothing}");
        }
    }
}
