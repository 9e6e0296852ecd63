//! The time zones that a user can choose: the current name of each place, and the older names that lead to it.

use chrono_tz::Tz;

const PLACES: &str = include_str!("time_zones.txt");

/// Every place, by its name in the tz database, as a list is read: by continent, then by the alphabet, and UTC last.
pub fn places() -> impl Iterator<Item = &'static str> {
    lines().filter_map(|mut names| names.next())
}

/// The zone of a name, under its current name where it has an older one; `None` if there is no such zone.
pub fn known(name: &str) -> Option<Tz> {
    let current = lines().find_map(|mut names| {
        let current = names.next()?;
        (current == name || names.any(|older| older == name)).then_some(current)
    });
    current.unwrap_or(name).parse().ok()
}

fn lines() -> impl Iterator<Item = std::str::SplitWhitespace<'static>> {
    PLACES.lines().filter(|line| !line.starts_with('#')).map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_place_is_there_once_under_its_current_name() {
        let places: Vec<&str> = places().collect();
        let distinct: HashSet<&str> = places.iter().copied().collect();
        assert_eq!(places.len(), distinct.len());
        assert!(places.iter().all(|place| known(place).is_some_and(|zone| zone.name() == *place)));
        for place in [
            "Indian/Maldives",
            "Indian/Mauritius",
            "Antarctica/McMurdo",
            "Antarctica/Troll",
            "Arctic/Longyearbyen",
            "America/Argentina/Buenos_Aires",
            "Asia/Kolkata",
            "Europe/Kyiv",
            "Pacific/Kanton",
            "UTC",
        ] {
            assert!(distinct.contains(place), "{place}");
        }
        // Whatever else the tz database knows is an older name of one of them, or no place: `EST`, `Etc/GMT+5`.
        for zone in chrono_tz::TZ_VARIANTS {
            let current = known(zone.name()).unwrap();
            let is_place = zone.name().contains('/') && !zone.name().starts_with("Etc/");
            assert!(distinct.contains(current.name()) || !is_place, "{}", zone.name());
        }
    }

    #[test]
    fn older_names_lead_to_the_current_ones() {
        for (older, current) in [
            ("Asia/Calcutta", "Asia/Kolkata"),
            ("Asia/Saigon", "Asia/Ho_Chi_Minh"),
            ("Asia/Katmandu", "Asia/Kathmandu"),
            ("Asia/Rangoon", "Asia/Yangon"),
            ("Europe/Kiev", "Europe/Kyiv"),
            ("America/Buenos_Aires", "America/Argentina/Buenos_Aires"),
            ("Atlantic/Faeroe", "Atlantic/Faroe"),
            ("US/Pacific", "America/Los_Angeles"),
            ("Etc/UTC", "UTC"),
        ] {
            assert_eq!(known(older).map(Tz::name), Some(current), "{older}");
        }
        assert_eq!(known("Etc/GMT+5").map(Tz::name), Some("Etc/GMT+5"));
        for name in ["", "Mars/Phobos", "Asia/Kolkata ", "asia/kolkata", "#", "../../etc/passwd"] {
            assert_eq!(known(name), None, "{name}");
        }
    }
}
