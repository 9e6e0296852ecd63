//! Load: as much as there can be, by `wrk`; or so much a second, which `wrk` cannot do.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use tokio::runtime::Runtime;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 32;

/// How a round went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) answers: f64,
    pub(crate) per_second: f64,
    /// Milliseconds within which half of the answers came.
    pub(crate) p50: f64,
    /// Milliseconds within which 99 of 100 came.
    pub(crate) p99: f64,
    /// Answers that were not 200, and requests without an answer.
    pub(crate) failed: f64,
}

/// Calls, or whatever is posted, a second, and for how many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
}

/// What is posted: its type, and headers beside.
pub(crate) struct Kind<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) headers: &'a [(&'a str, String)],
}

/// Who posts at a steady pace: hands, of which each has a thread and a connection of its own and does one thing at a time.
pub(crate) struct Hands(Vec<Hand>);

struct Hand {
    runtime: Runtime,
    http: reqwest::Client,
}

/// Whether each was answered well, and how long after it was due.
type Answered = Vec<(bool, Duration)>;

impl Hands {
    /// So many hands. To make them takes longer than to post something.
    pub(crate) fn new(count: usize) -> anyhow::Result<Self> {
        let hand = || -> anyhow::Result<Hand> {
            // The server closes a connection that was not used for some seconds.
            let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(2));
            let http = http.redirect(reqwest::redirect::Policy::none()).build()?;
            Ok(Hand { runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?, http })
        };
        (0..count).map(|_| hand()).collect::<Result<_, _>>().map(Self)
    }

    /// Posts so many bodies a second, whether or not the earlier ones are answered as long as hands are free, and counts the
    /// time of each from when it was due.
    pub(crate) fn steady(
        &self,
        url: &str,
        pace: Pace,
        kind: &Kind<'_>,
        body: impl Fn(u32) -> String + Sync,
    ) -> anyhow::Result<Round> {
        let start = Instant::now() + Duration::from_millis(20);
        let (body, count) = (&body, self.0.len());
        let answered = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (nth, hand) in self.0.iter().enumerate() {
                threads.push(scope.spawn(move || hand.post(url, kind, body, pace, (start, nth, count))));
            }
            let joined =
                threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a hand panicked")));
            joined.collect::<anyhow::Result<Vec<Answered>>>()
        })?;
        let took = start.elapsed().as_secs_f64();
        let failed = answered.iter().flatten().filter(|(good, _)| !good).count();
        let mut times: Vec<f64> =
            answered.iter().flatten().map(|(_, time)| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let within = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
        let count = f64::from(pace.per_second * pace.seconds);
        let failed = u32::try_from(failed)?.into();
        Ok(Round { answers: count, per_second: count / took, p50: within(50), p99: within(99), failed })
    }
}

impl Hand {
    /// Posts what is its part: from the so-manieth on, each so-manieth.
    fn post(
        &self,
        url: &str,
        kind: &Kind<'_>,
        body: &impl Fn(u32) -> String,
        pace: Pace,
        (start, first, step): (Instant, usize, usize),
    ) -> Answered {
        let mut answered = Answered::new();
        for nth in (0..pace.per_second * pace.seconds).skip(first).step_by(step) {
            let mut request = self.http.post(url).header("content-type", kind.content_type).body(body(nth));
            for (name, value) in kind.headers {
                request = request.header(*name, value.replace("@NTH@", &(nth % 250).to_string()));
            }
            let due = start + Duration::from_secs(1) * nth / pace.per_second;
            // The runtime's own timers tick by the millisecond.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let good = self.runtime.block_on(async {
                match request.send().await {
                    Ok(answer) => answer.status() == 200 && answer.bytes().await.is_ok(),
                    Err(_) => false,
                }
            });
            answered.push((good, due.elapsed()));
        }
        answered
    }
}

/// Posts sessions to an address for so many seconds. Each connection pauses for so many milliseconds between two of them, on
/// average.
pub(crate) fn sessions(url: &str, masks: u32, seconds: u32, pause: u32) -> anyhow::Result<Round> {
    static SEED: AtomicU32 = AtomicU32::new(0);
    let seed = SEED.fetch_add(1, Ordering::Relaxed).to_string();
    wrk(&[], url, seconds, &[&script("session.json"), &masks.to_string(), &seed, &pause.to_string()])
}

/// Asks for a page for so many seconds, as fast as it is answered.
pub(crate) fn pages(url: &str, cookie: &str, seconds: u32) -> anyhow::Result<Round> {
    wrk(&["-H", &format!("Cookie: {cookie}")], url, seconds, &[])
}

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/relay").join(name).display().to_string()
}

fn wrk(more: &[&str], url: &str, seconds: u32, arguments: &[&str]) -> anyhow::Result<Round> {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s", &script("load.lua")]);
    command.args(more).arg(url);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    let output = command.output().context("wrk does not start; script/bootstrap bench installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("relay: "));
    let line = line.with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
    let figures: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [answers, microseconds, p50, p99, bad, broken] = figures[..] else {
        anyhow::bail!("wrk told {line}");
    };
    ensure!(answers > 0.0, "nothing was answered: {text}");
    let per_second = answers / (microseconds / 1e6);
    Ok(Round { answers, per_second, p50: p50 / 1e3, p99: p99 / 1e3, failed: bad + broken })
}
