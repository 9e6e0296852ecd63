//! What an operator sees: metrics that Prometheus understands, and nobody else can read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;

use maskline::web;
use reqwest::Method;
use serde_json::json;

use crate::support::{CALLER, Client, OUR_APPLICATION, Options, Page, REAL, TestApp};

/// What a scrape says of one metric.
#[derive(Default)]
struct Described {
    kind: String,
    help: String,
    /// The value of each of its series, by the whole name with labels.
    series: BTreeMap<String, f64>,
}

/// A scrape, metric by metric, as the text format of `OpenMetrics` has it.
pub(crate) struct Scrape(BTreeMap<String, Described>);

impl Scrape {
    pub(crate) fn read(text: &str) -> Self {
        let mut metrics = BTreeMap::<String, Described>::new();
        let (body, end) = text.split_at(text.len() - "# EOF\n".len());
        assert_eq!(end, "# EOF\n", "it was cut short");
        for line in body.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                let mut words = about.splitn(3, ' ');
                let (what, name, text) =
                    (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                let metric = metrics.entry(name.to_owned()).or_default();
                match what {
                    "HELP" => text.clone_into(&mut metric.help),
                    "TYPE" => text.clone_into(&mut metric.kind),
                    "UNIT" => assert!(name.ends_with(&format!("_{text}")), "{line}"),
                    _ => panic!("{line}"),
                }
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let metric = metrics.iter_mut().find(|(described, metric)| {
                    let rest = name.strip_prefix(described.as_str());
                    rest.is_some_and(|rest| suffixes(&metric.kind).contains(&rest))
                });
                let (_, metric) = metric.unwrap_or_else(|| panic!("nothing describes {line}"));
                assert!(metric.series.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line}");
            }
        }
        Self(metrics)
    }

    fn value(&self, series: &str) -> Option<f64> {
        self.0.values().find_map(|metric| metric.series.get(series).copied())
    }

    /// The names by which series can be asked for.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.all_series().map(|series| bare(series).to_owned()).collect()
    }

    /// The metrics themselves: those of a histogram are one.
    pub(crate) fn families(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// The metric that a series of that name belongs to.
    pub(crate) fn family(&self, name: &str) -> Option<String> {
        let mut found = self.0.iter();
        let has = |metric: &Described| metric.series.keys().any(|series| bare(series) == name);
        found.find(|(_, metric)| has(metric)).map(|(family, _)| family.clone())
    }

    /// Whether a series of that name has the label with that word.
    pub(crate) fn has(&self, name: &str, label: &str, word: &str) -> bool {
        let pair = format!("{label}=\"{word}\"");
        self.all_series().any(|series| bare(series) == name && series.contains(&pair))
    }

    /// Whether any series has such a label.
    pub(crate) fn has_label(&self, label: &str) -> bool {
        let (first, further) = (format!("{{{label}=\""), format!(",{label}=\""));
        self.all_series().any(|series| series.contains(&first) || series.contains(&further))
    }

    fn all_series(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(|metric| metric.series.keys())
    }
}

/// The name of a series without its labels.
fn bare(series: &str) -> &str {
    series.split('{').next().unwrap()
}

/// What stands behind the name of a metric of that kind in the names of its series.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => panic!("no kind of ours: {kind}"),
    }
}

/// Prometheus, where an operator has it.
pub(crate) struct Prometheus {
    url: String,
    server: actix_web::dev::ServerHandle,
}

impl Prometheus {
    pub(crate) fn of(app: &TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = web::metrics::serve(listener, app.app.clone()).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, server: handle }
    }

    async fn ask(&self, path: &str) -> Page {
        Page::of(reqwest::get(format!("{}{path}", self.url)).await.unwrap()).await
    }

    pub(crate) async fn scrape(&self) -> Scrape {
        let page = self.ask("/metrics").await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
        Scrape::read(&page.text)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

fn session(id: &str, mask: &str) -> String {
    json!({ "session": { "id": id, "accountId": "33932", "to": { "e164Id": mask }, "from": { "e164Id": CALLER } } })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_tells_what_has_happened_and_holds_no_number() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let prometheus = Prometheus::of(&app);
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let wished = ada.wish(&number, &[("area", "same")]).await.location();
    let waiting = prometheus.scrape().await;
    assert_eq!(waiting.value("maskline_operations{kind=\"buy\",state=\"intended\"}"), Some(1.0));
    assert_eq!(waiting.value("maskline_masks{state=\"requested\"}"), Some(1.0));
    app.clock.advance(chrono::TimeDelta::seconds(90));
    let oldest = "maskline_operation_oldest_seconds{kind=\"buy\",state=\"intended\"}";
    assert_eq!(prometheus.scrape().await.value(oldest), Some(90.0));

    app.work().await;
    let mask = ada.get(&wished).await.between("data-copy=\"", "\"").to_owned();
    app.webhook("/tropo/transfer", session("s1", &mask)).await;
    app.webhook("/tropo/transfer", session("s2", "+14155550149")).await;
    let wrong = app.anonymous().sign_in("ada@example.com", "not the password").await;
    assert_eq!(wrong.status, 422);
    let text = prometheus.ask("/metrics").await.text;
    let told = Scrape::read(&text);
    for (series, value) in [
        ("maskline_calls_total{outcome=\"connected\"}", 1.0),
        ("maskline_calls_total{outcome=\"not_in_service\"}", 1.0),
        ("maskline_calls_total{outcome=\"failed\"}", 0.0),
        ("maskline_call_decision_seconds_count", 2.0),
        ("maskline_sign_in_failures_total{reason=\"wrong\"}", 1.0),
        ("maskline_operations{kind=\"buy\",state=\"intended\"}", 0.0),
        ("maskline_masks{state=\"active\"}", 1.0),
        ("maskline_lost_masks", 0.0),
        ("maskline_database_up", 1.0),
    ] {
        assert_eq!(told.value(series), Some(value), "{series} in\n{text}");
    }
    assert!(told.value("maskline_pool_wait_seconds_count{pool=\"calls\"}") >= Some(2.0), "{text}");
    assert!(told.value("maskline_pool_wait_seconds_count{pool=\"hashing\"}") >= Some(1.0), "{text}");
    assert!(told.value("maskline_http_requests_total{class=\"2xx\"}") > Some(2.0), "{text}");
    for hidden in [&REAL[1..], &CALLER[1..], &mask[1..], "5550101", "ada@"] {
        assert!(!text.contains(hidden), "{hidden} in\n{text}");
    }

    // A release waits from the end of the rest.
    ada.submit(&wished, &format!("{wished}/revocation"), &[]).await;
    let oldest = "maskline_operation_oldest_seconds{kind=\"release\",state=\"intended\"}";
    assert_eq!(prometheus.scrape().await.value(oldest), Some(0.0));
    app.clock.advance(chrono::TimeDelta::days(45) + chrono::TimeDelta::seconds(7));
    assert_eq!(prometheus.scrape().await.value(oldest), Some(7.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_tells_where_the_carrier_and_the_rows_are_at_odds_and_what_was_spent() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let prometheus = Prometheus::of(&app);
    assert_eq!(prometheus.scrape().await.value("maskline_comparison_age_seconds"), None, "none was made");
    let (mut ada, number) = app.with_number("ada", REAL).await;
    for _ in 0..4 {
        ada.wish(&number, &[("area", "same")]).await;
    }
    app.work().await;
    app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!("+13055550150")).await;
    app.app.reconcile(false).await.unwrap();
    app.clock.advance(chrono::TimeDelta::seconds(90));
    let told = prometheus.scrape().await;
    let limits = &app.app.settings().limits;
    for (series, value) in [
        ("maskline_orphans{state=\"seen\"}", Some(1.0)),
        ("maskline_orphans{state=\"kept\"}", Some(0.0)),
        ("maskline_comparison_age_seconds", Some(90.0)),
        ("maskline_comparison_in_doubt", Some(0.0)),
        ("maskline_carrier_settings_fault", Some(0.0)),
        (
            "maskline_spending{period=\"month\",currency=\"USD\"}",
            Some(limits.prices.number_a_month.times(4).plus(limits.prices.code).in_units()),
        ),
        ("maskline_spending_cap{period=\"day\",currency=\"USD\"}", Some(limits.spend.0.in_units())),
        ("maskline_spending_cap{period=\"month\",currency=\"USD\"}", Some(limits.spend.1.in_units())),
    ] {
        assert_eq!(told.value(series), value, "{series}");
    }

    // Three of four are missing: that is not believed. One of them is lost all the same, and is tried for a day.
    let lost = app.database.one("SELECT e164 FROM masks ORDER BY id LIMIT 1").await;
    for number in app.database.rows("SELECT e164 FROM masks ORDER BY id LIMIT 3").await {
        app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &json!(number)).await;
    }
    app.app.reconcile(false).await.unwrap();
    assert_eq!(prometheus.scrape().await.value("maskline_comparison_in_doubt"), Some(1.0));
    app.database.execute(&format!("UPDATE masks SET state = 'lost' WHERE e164 = '{lost}'")).await;
    app.database
        .execute(&format!(
            "UPDATE operations SET state = 'intended', finished_at = NULL FROM masks \
             WHERE masks.id = mask_id AND e164 = '{lost}'"
        ))
        .await;
    app.clock.advance(chrono::TimeDelta::hours(20));
    let told = prometheus.scrape().await;
    let oldest = |kind| format!("maskline_operation_oldest_seconds{{kind=\"{kind}\",state=\"intended\"}}");
    assert_eq!(told.value(&oldest("buy")), Some(0.0), "nobody is alarmed while a lost number is tried");
    assert!(told.value(&oldest("buy_back")) > Some(20.0 * 3600.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_metrics_on_the_public_listener_and_nothing_else_on_theirs() {
    let app = TestApp::start().await;
    let prometheus = Prometheus::of(&app);
    assert_eq!(app.admin().await.get("/metrics").await.status, 404);
    for path in ["/", "/masks", "/metrics/", "/healthz", "/tropo/transfer"] {
        assert_eq!(prometheus.ask(path).await.status, 404, "{path}");
    }
    assert_eq!(Client::new(prometheus.url.clone()).post("/metrics", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_hangs_a_scrape_tells_what_is_known_without_it() {
    let decision_time = Duration::from_secs(1);
    let app = TestApp::with(Options { decision_time, work: false, ..Options::default() }).await;
    let prometheus = Prometheus::of(&app);
    app.line.is_alive(false);
    app.webhook("/tropo/transfer", session("s1", "+14155550149")).await;
    let patience = Duration::from_secs(40);
    let without = tokio::time::timeout(patience, prometheus.scrape()).await.expect("it hangs as well");
    assert_eq!(without.value("maskline_database_up"), Some(0.0));
    assert_eq!(without.value("maskline_calls_total{outcome=\"not_in_service\"}"), Some(1.0));
    assert_eq!(without.value("maskline_lost_masks"), None, "an old figure is told for a new one");
    app.line.is_alive(true);
    app.anonymous().until("/readyz", |page| page.status == 200).await;
    let again = prometheus.scrape().await;
    assert_eq!(again.value("maskline_database_up"), Some(1.0));
    assert_eq!(again.value("maskline_lost_masks"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_named_as_prometheus_wants_it() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let scrape = Prometheus::of(&app).scrape().await;
    assert!(scrape.0.len() > 10, "{:?}", scrape.names());
    for (name, metric) in &scrape.0 {
        let ours = name.starts_with("maskline_") || name == "process_start_time_seconds";
        let plain =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(ours && plain, "{name}");
        assert!(metric.help.len() > 10 && metric.help.ends_with('.'), "{name}: {}", metric.help);
        assert!(!metric.series.is_empty(), "{name} has no series");
        assert!(!name.contains("_total"), "{name}: the format adds it to counters");
        for unit in ["milli", "micro", "nano", "minute", "hour", "kilo", "mega", "percent"] {
            assert!(!name.contains(unit), "{name}: base units alone");
        }
        assert_eq!(
            metric.kind == "histogram",
            name.ends_with("call_decision_seconds") || name.ends_with("pool_wait_seconds")
        );
    }
}
