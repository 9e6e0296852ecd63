//! Who may import whom, and which library is named where: the table of `ARCHITECTURE.md`, enforced on the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Each room of the house with the rooms it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("failpoint", &[]),
    ("clock", &["domain"]),
    ("secrets", &["domain"]),
    ("seal", &["domain", "secrets"]),
    ("carrier", &["domain", "secrets"]),
    ("cluster", &[]),
    ("telemetry", &[]),
    ("disk", &["seal"]),
    ("mail", &["domain"]),
    ("metrics", &["domain"]),
    ("db", &["domain", "metrics"]),
    ("app", &["domain", "failpoint", "clock", "secrets", "seal", "carrier", "db", "disk", "mail", "metrics"]),
    ("web", &["domain", "secrets", "app", "carrier", "db", "metrics"]),
    ("worker", &["app"]),
    ("simulator", &["domain", "clock", "secrets"]),
    ("config", &["domain", "failpoint", "secrets", "seal", "carrier", "mail", "telemetry"]),
    (
        "cli",
        &[
            "domain",
            "failpoint",
            "clock",
            "secrets",
            "seal",
            "carrier",
            "cluster",
            "telemetry",
            "mail",
            "metrics",
            "db",
            "app",
            "web",
            "worker",
            "simulator",
            "config",
        ],
    ),
];

/// What of a room may be imported, where that is not all of it.
const ONLY: &[(&str, &str, &[&str])] = &[
    // Pages know rows only as the plain types that `app` hands on.
    ("web", "db", &["DbError", "calls", "letters", "review", "users"]),
    ("web", "carrier", &["Area", "Channel", "tropo"]),
    ("config", "carrier", &["tropo"]),
];

/// Libraries with the rooms that alone may name them.
const NAMED_BY: &[(&str, &[&str])] = &[
    ("phonenumber", &["domain"]),
    ("regex_lite", &["domain"]),
    ("zxcvbn", &["domain"]),
    ("idna", &["domain"]),
    ("argon2", &["secrets"]),
    ("hmac", &["secrets"]),
    ("subtle", &["secrets"]),
    ("rand", &["secrets"]),
    ("chacha20poly1305", &["seal"]),
    ("hkdf", &["seal"]),
    ("sha2", &["secrets", "seal"]),
    ("reqwest", &["carrier", "simulator"]),
    ("lettre", &["mail"]),
    ("listenfd", &["cli"]),
    ("mail_parser", &["simulator"]),
    ("quick_xml", &["simulator"]),
    ("prometheus_client", &["metrics"]),
    ("tracing_subscriber", &["telemetry"]),
    ("diesel", &["db"]),
    ("diesel_migrations", &["db"]),
    ("actix_web", &["web", "simulator", "cli"]),
    ("actix_http", &["web"]),
    ("actix_server", &["web"]),
    ("actix_service", &["web"]),
    ("actix_session", &["web"]),
    ("askama", &["web", "app", "simulator"]),
    ("clap", &["cli"]),
];

/// Paths that one room alone may name.
const PATHS_NAMED_BY: &[(&str, &str)] = &[("std::env", "config"), ("chrono::Utc::now", "clock")];

/// The paths that a file names outside of its tests.
#[derive(Default)]
struct Named(BTreeSet<Vec<String>>);

impl Named {
    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => drop(self.0.insert(with(&name.ident))),
            syn::UseTree::Rename(rename) => drop(self.0.insert(with(&rename.ident))),
            syn::UseTree::Glob(_) => drop(self.0.insert(before.to_vec())),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        // What stands inside of a macro is looked at as words, so that nothing hides there.
        let words = call.tokens.to_string().replace(' ', "");
        for library in NAMED_BY.iter().map(|(library, _)| *library) {
            if words.contains(&format!("{library}::")) {
                self.0.insert(vec![library.to_owned()]);
            }
        }
        syn::visit::visit_macro(self, call);
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Whether a whole file is for tests: declared so by the module above it.
fn is_test_file(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    parts.contains(&"tests") || path.file_name().is_some_and(|name| name == "tests.rs" || name == "fake.rs")
}

/// Every room with what its files name.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, Named)>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    files(&sources, &mut found);
    let mut rooms: BTreeMap<String, Vec<(PathBuf, Named)>> = BTreeMap::new();
    for path in found {
        let inside = path.strip_prefix(&sources).unwrap().to_owned();
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&room.as_str()) || is_test_file(&inside) {
            continue;
        }
        let mut named = Named::default();
        named.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
        rooms.entry(room).or_default().push((inside, named));
    }
    rooms
}

#[test]
fn every_room_is_in_the_table_and_imports_only_what_it_may() {
    let mut breaches = vec![];
    for (room, contents) in rooms() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            panic!("{room} is not in the table");
        };
        for (file, named) in contents {
            for path in named.0.iter().filter(|path| path[0] == "crate" && path.len() > 1 && path[1] != room)
            {
                let restriction = ONLY.iter().find(|(who, whom, _)| *who == room && *whom == path[1]);
                let fits =
                    restriction.is_none_or(|(_, _, what)| path.len() < 3 || what.contains(&path[2].as_str()));
                if !allowed.contains(&path[1].as_str()) || !fits {
                    breaches.push(format!("{}: {}", file.display(), path.join("::")));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn the_table_has_no_circle() {
    // Each room may import only rooms that stand before it.
    for (place, (room, allowed)) in MAY_IMPORT.iter().enumerate() {
        let before: Vec<&str> = MAY_IMPORT[..place].iter().map(|(name, _)| *name).collect();
        for other in *allowed {
            assert!(before.contains(other), "{room} imports {other}, which does not stand before it");
        }
    }
}

#[test]
fn each_library_is_named_only_where_it_belongs() {
    let mut breaches = vec![];
    for (room, contents) in rooms() {
        for (file, named) in contents {
            for path in &named.0 {
                let library = NAMED_BY.iter().find(|(library, _)| *library == path[0]);
                if library.is_some_and(|(_, rooms)| !rooms.contains(&room.as_str())) {
                    breaches.push(format!("{}: {}", file.display(), path.join("::")));
                }
                let joined = path.join("::");
                let alone = PATHS_NAMED_BY.iter().find(|(known, _)| joined.starts_with(known));
                if alone.is_some_and(|(_, owner)| *owner != room) {
                    breaches.push(format!("{}: {joined}", file.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut found = vec![];
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let mut breaches = vec![];
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!") {
            breaches.push(format!("{} does not begin with //!", path.display()));
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
        if code > LONGEST && !is_test_file(&path) {
            breaches.push(format!("{} has {code} lines", path.display()));
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_point_at_which_a_process_can_be_ended_is_in_the_list_and_in_the_sources() {
    let mut found = vec![];
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let mut named = BTreeSet::new();
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let points = text.split("failpoint::here(\"").skip(1);
        named.extend(points.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    let listed: BTreeSet<String> = maskline::failpoint::NAMES.iter().map(ToString::to_string).collect();
    assert_eq!(named, listed);
    assert_eq!(listed.len(), maskline::failpoint::NAMES.len(), "a point is listed twice");
}

/// A file of more lines than this is two.
const LONGEST: usize = 400;
