//! Load: as much as there can be, by `wrk`; or so much a second, which `wrk` cannot do.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

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

/// Who makes it.
pub(crate) struct Load {
    runtime: Runtime,
    http: reqwest::Client,
}

impl Load {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Ok(Self { runtime, http: http.build()? })
    }

    /// Posts so many bodies a second, whether or not the earlier ones are answered, and counts the time of each from when
    /// it was due.
    pub(crate) fn steady(
        &self,
        url: &str,
        (per_second, seconds): (u32, u32),
        kind: (&str, &[(&str, String)]),
        body: impl Fn(u32) -> String,
    ) -> anyhow::Result<Round> {
        let mut under_way = JoinSet::new();
        let start = Instant::now() + Duration::from_millis(100);
        for nth in 0..per_second * seconds {
            let due = start + Duration::from_secs(1) * nth / per_second;
            let mut request = self.http.post(url).header("content-type", kind.0).body(body(nth));
            for (name, value) in kind.1 {
                request = request.header(*name, value.replace("@NTH@", &(nth % 250).to_string()));
            }
            // The runtime's own timers tick by the millisecond.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let answered = async move {
                let good = match request.send().await {
                    Ok(answer) => answer.status() == 200 && answer.bytes().await.is_ok(),
                    Err(_) => false,
                };
                (good, due.elapsed())
            };
            under_way.spawn_on(answered, self.runtime.handle());
        }
        let answered = self.runtime.block_on(under_way.join_all());
        let took = start.elapsed().as_secs_f64();
        let failed = answered.iter().filter(|(good, _)| !good).count();
        let mut times: Vec<f64> = answered.iter().map(|(_, time)| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let within = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
        let (count, failed) = (f64::from(per_second * seconds), u32::try_from(failed)?);
        Ok(Round {
            answers: count,
            per_second: count / took,
            p50: within(50),
            p99: within(99),
            failed: failed.into(),
        })
    }
}

/// Posts sessions to an address for so many seconds, as fast as they are answered.
pub(crate) fn sessions(url: &str, masks: u32, seconds: u32, seed: u32) -> anyhow::Result<Round> {
    wrk(&[], url, seconds, &[&script("session.json"), &masks.to_string(), &seed.to_string()])
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
