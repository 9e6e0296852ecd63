//! What was measured, as a table in Markdown.

use std::process::Command;

use crate::load::Round;

/// The middle one of some figures, with the least and the greatest.
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
}

/// The head of the table.
pub(crate) fn head() {
    println!("| | a second (least to most) | p50, ms | p99, ms |");
    println!("|---|---:|---:|---:|");
}

/// A line of the table: the median of the rounds.
pub(crate) fn line(name: &str, rounds: &[Round]) {
    let Spread { median, least, greatest } = Spread::of(rounds.iter().map(|round| round.per_second));
    let middle = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure)).median;
    let range = if rounds.len() > 1 { format!(" ({least:.0} to {greatest:.0})") } else { String::new() };
    let (p50, p99) = (middle(|round| round.p50), middle(|round| round.p99));
    println!("| {name} | {median:.0}{range} | {p50:.2} | {p99:.2} |");
}

/// The line that compares rounds of one thing with those of another that ran beside them.
pub(crate) fn ratio(name: &str, these: &[Round], those: &[Round]) {
    let of =
        |figure: fn(&Round) -> f64| Spread::of(these.iter().zip(those).map(|(a, b)| figure(a) / figure(b)));
    let Spread { median, least, greatest } = of(|round| round.per_second);
    let range =
        if these.len() > 1 { format!("{median:.3} ({least:.3} to {greatest:.3})") } else { String::new() };
    let (p50, p99) = (of(|round| round.p50).median, of(|round| round.p99).median);
    println!("| {name} | {range} | × {p50:.1} | × {p99:.1} |");
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
