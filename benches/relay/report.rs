//! What was measured, as a table in Markdown.

use std::process::Command;

use crate::load::Round;

/// The middle one of some figures, with the least and the greatest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], least: figures[0], greatest: figures[figures.len() - 1] }
    }

    fn shown(&self, digits: usize) -> String {
        let Self { median, least, greatest } = self;
        if (greatest - least).abs() < f64::EPSILON {
            format!("{median:.digits$}")
        } else {
            format!("{median:.digits$} ({least:.digits$} to {greatest:.digits$})")
        }
    }
}

/// How a round went for calls, and for the bare handler at the same time.
pub(crate) struct Both {
    pub(crate) ours: Round,
    pub(crate) bare: Round,
}

/// What was measured, line by line, and what was answered meanwhile.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    notes: Vec<String>,
    /// Calls that were answered and must be written down.
    pub(crate) calls: f64,
    /// Requests that were not answered as they should.
    pub(crate) failed: f64,
}

impl Report {
    /// Calls that the server answered.
    pub(crate) fn answered(&mut self, rounds: &[Round]) {
        self.calls += rounds.iter().map(|round| round.answers - round.failed).sum::<f64>();
        self.failed += rounds.iter().map(|round| round.failed).sum::<f64>();
    }

    /// How many a second, and how long they took.
    pub(crate) fn rate(&mut self, name: &str, rounds: &[Round]) {
        let rate = Spread::of(rounds.iter().map(|round| round.per_second));
        let middle = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure)).median;
        let (p50, p99) = (middle(|round| round.p50), middle(|round| round.p99));
        self.line(name, &format!("{} a second; p50 {p50:.2} ms, p99 {p99:.2} ms", rate.shown(0)), "");
    }

    /// How long the answers to calls took, beside those of the bare handler.
    pub(crate) fn latency(&mut self, name: &str, rounds: &[Both], target: &str) {
        let of = |figure: fn(&Both) -> f64| Spread::of(rounds.iter().map(figure));
        for Both { ours, bare } in rounds {
            self.answered(&[*ours]);
            self.failed += bare.failed;
        }
        let p50 = of(|both| both.ours.p50).median;
        let (p99, bare) = (of(|both| both.ours.p99).shown(2), of(|both| both.bare.p99).shown(2));
        let ratio = of(|both| both.ours.p99 / both.bare.p99).shown(2);
        let figures = format!("p50 {p50:.2} ms, p99 {p99} ms; bare handler beside it {bare} ms; **{ratio}**");
        self.line(name, &figures, target);
    }

    /// A figure of its own.
    pub(crate) fn figure(&mut self, name: &str, figure: Spread, unit: &str) {
        let (unit, target) = unit.split_once(", ").unwrap_or((unit, ""));
        self.line(name, &format!("{} {unit}", figure.shown(2)), target);
    }

    /// One thing beside another that ran in turn with it.
    pub(crate) fn ratio(&mut self, name: &str, ratio: Spread, target: &str) {
        self.line(name, &format!("**{}**", ratio.shown(3)), target);
    }

    /// A sentence below the table.
    pub(crate) fn note(&mut self, sentence: String) {
        self.notes.push(sentence);
    }

    fn line(&mut self, name: &str, figures: &str, target: &str) {
        println!("{name}: {figures} {target}");
        self.lines.push(format!("| {name} | {figures} | {target} |"));
    }

    /// The table.
    pub(crate) fn tell(&self) {
        println!("| | measured (least to most) | wanted |");
        println!("|---|---|---|");
        self.lines.iter().for_each(|line| println!("{line}"));
        self.notes.iter().for_each(|note| println!("\n{note}"));
    }
}

/// How busy the machine is: how many processes wanted to run, on average of the last minute.
pub(crate) fn load() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()
}

/// The machine, in a line.
pub(crate) fn machine(cores: usize, postgres: &str) -> String {
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let (model, rustc) = (model.unwrap_or("unknown"), rustc.trim());
    format!("{cores} cores ({model}), {rustc}, PostgreSQL {postgres} with fsync, all on one machine")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
