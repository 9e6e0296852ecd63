//! What an operator watches with: alerts, their runbook and the dashboard speak of metrics that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::metrics::{Prometheus, Scrape};
use crate::support::{Options, TestApp};

/// What may stand in an expression beside metrics.
const WORDS: [&str; 19] = [
    "absent",
    "and",
    "by",
    "changes",
    "count",
    "histogram_quantile",
    "increase",
    "instance",
    "kind",
    "le",
    "max",
    "min",
    "min_over_time",
    "or",
    "pool",
    "rate",
    "sum",
    "time",
    "unless",
];
/// Labels that Prometheus itself adds.
const ITS_LABELS: [&str; 2] = ["instance", "job"];

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|_| panic!("{path}"))
}

async fn scrape() -> Scrape {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    app.app.reconcile(false).await.unwrap();
    Prometheus::of(&app).scrape().await
}

/// One rule, field by field, as it stands in the file.
type Rule = BTreeMap<String, String>;

/// The rules of a file that keeps each field on a line of its own.
fn rules() -> Vec<Rule> {
    let mut rules = Vec::<Rule>::new();
    for line in file("deploy/alerts.yml").lines() {
        let text = line.trim();
        if let Some(name) = text.strip_prefix("- alert: ") {
            rules.push(Rule::from([("alert".to_owned(), name.to_owned())]));
        } else if let (Some(rule), Some((field, value))) = (rules.last_mut(), text.split_once(':')) {
            let value = value.trim().trim_matches('"').to_owned();
            assert!(!["|", ">", "|-", ">-"].contains(&value.as_str()), "{line}: on one line, please");
            assert!(rule.insert(field.to_owned(), value).is_none(), "{line}: twice in {rule:?}");
        } else {
            assert!(rules.is_empty() || text.is_empty(), "{line}: cannot be read");
        }
    }
    rules
}

/// The paragraphs under each heading of the runbook that names an alert.
fn runbook() -> BTreeMap<String, Vec<String>> {
    let text = file("RUNBOOK.md");
    let sections = text.split("\n## ").skip(1).map(|section| {
        let (heading, body) = section.split_once('\n').unwrap();
        let paragraphs = body.split("\n\n").map(|text| text.replace('\n', " ").trim().to_owned());
        (heading.to_owned(), paragraphs.filter(|text| !text.is_empty()).collect())
    });
    sections.collect()
}

/// Every expression of the dashboard, by the title of its panel.
fn panels() -> Vec<(String, Vec<String>)> {
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana-dashboard.json")).unwrap();
    let shown = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let read = shown.map(|panel| {
        let targets = panel["targets"].as_array().unwrap().iter();
        let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
        (panel["title"].as_str().unwrap().to_owned(), expressions)
    });
    read.collect()
}

/// A label and the words that it may have.
type Matcher = (String, Vec<String>);

/// An expression, taken apart: every name in it, each with what its labels must be.
fn selected(expression: &str) -> Vec<(String, Vec<Matcher>)> {
    let mut found = Vec::<(String, Vec<Matcher>)>::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if first.is_ascii_alphabetic() {
            found.push((rest[..length].to_owned(), vec![]));
            rest = &rest[length..];
        } else if let Some((labels, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            found.last_mut().unwrap().1 = labels.split(',').map(matcher).collect();
            rest = after;
        } else if let Some((_, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            rest = after;
        } else {
            rest = &rest[if length > 0 { length } else { first.len_utf8() }..];
        }
    }
    found
}

/// A label and the words it may have, of `label="word"` or `label=~"word|word"`.
fn matcher(text: &str) -> Matcher {
    let (label, words) = text.split_once('=').unwrap_or_else(|| panic!("{text}"));
    let words = words.trim_start_matches('~').strip_prefix('"').and_then(|words| words.strip_suffix('"'));
    let words = words.unwrap_or_else(|| panic!("{text}"));
    (label.trim().to_owned(), words.split('|').map(str::to_owned).collect())
}

/// Names in an expression that are neither metrics nor words of the language, and words that no label has.
fn unknown(expression: &str, scrape: &Scrape) -> Vec<String> {
    let names = scrape.names();
    let mut unknown = vec![];
    for (name, labels) in selected(expression) {
        let is_series = names.contains(&name);
        if !is_series && name != "up" && !WORDS.contains(&name.as_str()) && !scrape.has_label(&name) {
            unknown.push(name.clone());
        }
        for (label, words) in labels.iter().filter(|(label, _)| !ITS_LABELS.contains(&label.as_str())) {
            let lacks = |word: &&String| !scrape.has(&name, label, word);
            unknown.extend(words.iter().filter(lacks).map(|word| format!("{name}{{{label}={word}}}")));
        }
    }
    unknown
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_asks_for_metrics_that_there_are_and_says_what_it_is_about() {
    let (rules, scrape) = (rules(), scrape().await);
    assert!(rules.len() > 10, "{rules:?}");
    let mut names = BTreeSet::new();
    for rule in &rules {
        let name = &rule["alert"];
        assert!(names.insert(name), "{name} twice");
        assert!(name.strip_prefix("Maskline").is_some_and(|rest| rest.len() > 3), "{name}");
        assert_eq!(unknown(&rule["expr"], &scrape), Vec::<String>::new(), "{name}");
        assert!(rule["for"].ends_with('m') && rule["summary"].len() > 20, "{rule:?}");
        assert!(["critical", "warning"].contains(&rule["severity"].as_str()), "{rule:?}");
        assert_eq!(rule["runbook_url"], format!("RUNBOOK.md#{}", name.to_lowercase()));
    }
}

#[test]
fn each_alert_has_its_paragraph_and_each_paragraph_its_alert() {
    let runbook = runbook();
    let alerts: BTreeSet<String> = rules().iter().map(|rule| rule["alert"].clone()).collect();
    assert_eq!(runbook.keys().cloned().collect::<BTreeSet<_>>(), alerts);
    for (alert, paragraphs) in &runbook {
        assert_eq!(paragraphs.len(), 1, "{alert}: one paragraph, please");
        let places = ["**For people:**", "**See why:**", "**Do:**"].map(|part| paragraphs[0].find(part));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{alert}: {}", paragraphs[0]);
        for link in paragraphs[0].split("](#").skip(1) {
            let link = link.split(')').next().unwrap();
            assert!(alerts.iter().any(|alert| alert.to_lowercase() == link), "{alert}: #{link}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_every_metric_and_no_other() {
    let (panels, scrape) = (panels(), scrape().await);
    let mut shown = BTreeSet::new();
    for (title, expressions) in &panels {
        assert!(!expressions.is_empty(), "{title} is empty");
        for expression in expressions {
            assert_eq!(unknown(expression, &scrape), Vec::<String>::new(), "{title}");
            shown.extend(selected(expression).into_iter().filter_map(|(name, _)| scrape.family(&name)));
        }
    }
    assert_eq!(shown, scrape.families());
}

#[test]
fn panels_have_a_place_and_an_id_of_their_own() {
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana-dashboard.json")).unwrap();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(places.insert(place), "two panels at {place:?}: {panel}");
        }
        let is_described = panel["description"].as_str().is_some_and(|text| text.ends_with('.'));
        assert!(panel["type"] == "row" || is_described, "{panel}");
    }
}

#[test]
fn what_is_asked_of_metrics_is_read_strictly() {
    let text = "# HELP maskline_things Things.\n# TYPE maskline_things counter\n\
                maskline_things_total{sort=\"good\"} 1\n# EOF\n";
    let scrape = Scrape::read(text);
    let good = "sum by (sort) (rate(maskline_things_total{sort=~\"good\",instance=\"a\"}[5m])) > 0.5";
    assert_eq!(unknown(good, &scrape), Vec::<String>::new());
    assert_eq!(unknown("maskline_things > 1e3", &scrape), ["maskline_things"]);
    let bad = "rate(maskline_things_total{sort=~\"good|bad\"}[5m])";
    assert_eq!(unknown(bad, &scrape), ["maskline_things_total{sort=bad}"]);
    assert_eq!(unknown("maximum(up)", &scrape), ["maximum"]);
}

#[test]
fn the_units_for_systemd_set_what_the_server_knows_and_listen_on_loopback_alone() {
    let (socket, service) = (file("deploy/maskline.socket"), file("deploy/maskline.service"));
    let has = |unit: &str, line: &str| unit.lines().any(|other| other == line);
    let known = file(".env.example");
    let set: Vec<&str> = service.lines().filter_map(|line| line.strip_prefix("Environment=")).collect();
    assert!(!set.is_empty());
    for (name, value) in set.iter().map(|setting| setting.split_once('=').unwrap()) {
        assert!(known.contains(&format!("#{name}=")), "{name}");
        assert!(!name.ends_with("LISTEN") || value.starts_with("127.0.0.1:"), "{name}={value}");
    }
    let listens = socket.lines().filter_map(|line| line.strip_prefix("ListenStream="));
    assert_eq!(listens.collect::<Vec<_>>(), ["127.0.0.1:8080"]);
    let lines = [
        "Type=notify",
        "Sockets=maskline.socket",
        "Requires=maskline.socket",
        "LimitCORE=0",
        "LimitNOFILE=65536",
    ];
    for line in lines {
        assert!(has(&service, line), "{line}");
    }
    assert!(has(&service, "StartLimitIntervalSec=0"), "were systemd to give up, it would close the socket");
}
