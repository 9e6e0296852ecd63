//! What a browser calls itself, in two words, for the list of where somebody is signed in.
//!
//! It is a hint for its owner: anybody can send any name.

/// Marks of browsers, the most special first: most of them also say that they are Chrome and Safari. On iOS each has a mark
/// of its own.
const BROWSERS: [(&str, &str); 24] = [
    ("EdgiOS/", "Edge"),
    ("EdgA/", "Edge"),
    ("Edg/", "Edge"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("OPX/", "Opera"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("UCBrowser/", "UC Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Brave/", "Brave"),
    ("GSA/", "the Google app"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox Focus"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// Marks of systems, the most special first.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("iPod", "iPod"),
    ("Android", "Android"),
    ("CrOS", "Chromebook"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
];

/// The browser and the system that a `User-Agent` header names.
pub(super) fn name(agent: &str) -> String {
    let first = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (first(&BROWSERS), first(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Another browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers as the browsers' own documentation gives them.
    #[test]
    fn browsers_are_called_by_their_own_names() {
        const IPHONE: &str =
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
        const IPAD: &str =
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
        const ANDROID: &str =
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)";
        const WINDOWS: &str =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
        for (system, browser, shown) in [
            (IPHONE, "CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
            (IPHONE, "FxiOS/127.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
            (IPHONE, "Version/17.0 EdgiOS/125.0.2535.96 Mobile/15E148 Safari/605.1.15", "Edge on iPhone"),
            (IPHONE, "Version/17.4 Mobile/15E148 Safari/604.1 OPT/4.7.0", "Opera on iPhone"),
            (IPHONE, "Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15", "DuckDuckGo on iPhone"),
            (IPHONE, "GSA/322.0.641567810 Mobile/15E148 Safari/604.1", "the Google app on iPhone"),
            (IPHONE, "Version/17.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
            (IPAD, "CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1", "Chrome on iPad"),
            (ANDROID, "Chrome/126.0.0.0 Mobile Safari/537.36 EdgA/125.0.2535.96", "Edge on Android"),
            (
                ANDROID,
                "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (ANDROID, "Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
            (WINDOWS, "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.56", "Edge on Windows"),
            (WINDOWS, "Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0", "Opera on Windows"),
            (WINDOWS, "Chrome/126.0.0.0 Safari/537.36", "Chrome on Windows"),
        ] {
            assert_eq!(name(&format!("{system} {browser}")), shown);
        }
        let desktop = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0";
        assert_eq!(name(desktop), "Firefox on Mac");
        assert_eq!(
            name("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/126.0.0.0"),
            "Chrome on Chromebook"
        );
        assert_eq!((name("curl/8.8.0"), name("")), ("curl".to_owned(), "Another browser".to_owned()));
    }
}
