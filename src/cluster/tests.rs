//! The private database with a real PostgreSQL, killed and moved about.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::server::postmaster;
use super::{Cluster, ClusterError, Settings, start};

/// A folder that the user who runs PostgreSQL can pass through.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    folder
}

fn kept(directory: impl Into<PathBuf>) -> Settings {
    Settings { directory: directory.into(), durable: false, tied_to_this_process: false }
}

fn durable(directory: impl Into<PathBuf>) -> Settings {
    Settings { durable: true, ..kept(directory) }
}

fn tied(directory: impl Into<PathBuf>) -> Settings {
    Settings { tied_to_this_process: true, ..kept(directory) }
}

fn psql(cluster: &Cluster, mut command: Command, statement: &str) -> Output {
    command.args(["-XAtqd", &cluster.url("postgres"), "-c", statement]).output().unwrap()
}

fn query(cluster: &Cluster, statement: &str) -> String {
    let output = psql(cluster, Command::new(cluster.server.programs.path("psql")), statement);
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn runs(cluster_data: &Path) -> bool {
    postmaster(cluster_data).is_some()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10));
    }
}

fn process_of(data: &Path) -> String {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().to_owned()
}

fn kill_hard(data: &Path) {
    let process = process_of(data);
    assert!(Command::new("sh").args(["-c", "kill -KILL $1", "sh", &process]).status().unwrap().success());
    eventually("the server outlives kill -9", || !runs(data));
}

fn we_are_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Holds a cluster in a process of its own, so that it can be killed; the next line is its use.
struct Holder {
    process: Child,
    started: bool,
}

impl Holder {
    fn of(directory: &Path, tied: bool) -> Self {
        let mut process = Command::new("/proc/self/exe")
            .args(["--exact", "cluster::tests::holds_a_cluster", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(process.stdin.as_mut().unwrap(), "{tied} {}", directory.display()).unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let told = lines.map(Result::unwrap).find(|line| line.contains("holds, started: "));
        let started = told.expect("the holder got no cluster").ends_with("true");
        Self { process, started }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
#[ignore = "not a test: other tests run it as a process of its own"]
fn holds_a_cluster() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (is_tied, directory) = line.trim().split_once(' ').unwrap();
    let settings = if is_tied == "true" { tied(directory) } else { kept(directory) };
    let cluster = start(&settings).unwrap();
    println!("\nholds, started: {}", cluster.started());
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn keeps_what_was_stored_and_runs_only_while_used() {
    let folder = folder();
    let settings = durable(folder.path().join("var/postgres"));
    let first = start(&settings).unwrap();
    assert!(first.started());
    assert_eq!(first.notice(), None);
    query(&first, "create table stored as select 'kept' as text");
    drop(first);
    assert!(!runs(&settings.directory.join("data")));
    // What PostgreSQL says, and who may connect, is not for other users of the machine.
    fs::set_permissions(settings.directory.join("log"), Permissions::from_mode(0o644)).unwrap();

    let second = start(&settings).unwrap();
    let entries = fs::read_dir(&settings.directory).unwrap().map(Result::unwrap);
    let files: Vec<_> = entries.filter(|entry| entry.file_type().unwrap().is_file()).collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().mode() & 0o137, 0, "{file:?}");
    }
    assert_eq!(query(&second, "select text from stored"), "kept");
    assert_eq!(query(&second, "show fsync"), "on");
    assert_eq!(query(&second, "show server_encoding"), "UTF8");
}

#[test]
fn is_joined_by_others_and_stopped_by_the_last() {
    let folder = folder();
    let settings = kept(folder.path());
    let first = start(&settings).unwrap();
    let second = start(&settings).unwrap();
    assert!(!second.started());
    drop(first);
    assert_eq!(query(&second, "select 'still there'"), "still there");
    let third = start(&settings).unwrap();
    assert!(!third.started());
    drop(second);
    assert_eq!(query(&third, "select 'still there'"), "still there");
    drop(third);
    assert!(!runs(&folder.path().join("data")));
}

#[test]
fn many_who_come_at_once_start_it_once() {
    let folder = folder();
    let all: Vec<Cluster> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(|| start(&kept(folder.path())).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(all.iter().filter(|cluster| cluster.started()).count(), 1);
    assert_eq!(query(&all[5], "select 1"), "1");
    std::thread::scope(|scope| {
        for cluster in all {
            scope.spawn(|| drop(cluster));
        }
    });
    assert!(!runs(&folder.path().join("data")));
}

#[test]
fn opens_no_port() {
    let folder = folder();
    let cluster = start(&tied(folder.path())).unwrap();
    assert_eq!(query(&cluster, "show listen_addresses"), "");
}

#[test]
fn comes_back_with_everything_after_the_server_was_killed() {
    let folder = folder();
    let cluster = start(&durable(folder.path())).unwrap();
    assert!(!cluster.ensure_running().unwrap());
    query(&cluster, "create table stored as select 'before the crash' as text");
    kill_hard(&folder.path().join("data"));
    assert!(cluster.ensure_running().unwrap());
    assert!(!cluster.ensure_running().unwrap());
    assert_eq!(query(&cluster, "select text from stored"), "before the crash");

    kill_hard(&folder.path().join("data"));
    let other = start(&durable(folder.path())).unwrap();
    assert!(other.started());
    assert_eq!(query(&cluster, "select text from stored"), "before the crash");
}

#[test]
fn starts_although_a_stranger_has_the_number_of_the_killed_server() {
    let folder = folder();
    let data = folder.path().join("data");
    let cluster = start(&kept(folder.path())).unwrap();
    kill_hard(&data);
    let mut stranger = cluster.server.account.command("sleep").arg("600").spawn().unwrap();
    let number = process_of(&data);
    let lock_of_the_socket = folder.path().join("socket/.s.PGSQL.5432.lock");
    for file in [data.join("postmaster.pid"), lock_of_the_socket] {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(&number));
        fs::write(&file, text.replacen(&number, &stranger.id().to_string(), 1)).unwrap();
    }
    let running = cluster.ensure_running();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(running.unwrap());
    assert_eq!(query(&cluster, "select 1"), "1");
}

#[test]
fn a_server_left_by_a_killed_process_is_adopted_and_stopped_in_the_end() {
    let folder = folder();
    let data = folder.path().join("data");
    let holder = Holder::of(folder.path(), false);
    assert!(holder.started);
    holder.kill();
    assert!(runs(&data));
    let heir = start(&kept(folder.path())).unwrap();
    assert!(!heir.started());
    assert_eq!(query(&heir, "select 1"), "1");
    drop(heir);
    assert!(!runs(&data));
}

#[test]
fn outlives_the_process_that_started_it_while_another_uses_it() {
    let folder = folder();
    let first = start(&kept(folder.path())).unwrap();
    let holder = Holder::of(folder.path(), false);
    assert!(!holder.started);
    drop(first);
    assert!(runs(&folder.path().join("data")));
    holder.kill();
    drop(start(&kept(folder.path())).unwrap());
    assert!(!runs(&folder.path().join("data")));
}

#[test]
fn a_tied_one_ends_with_its_process_and_is_cleared_away_by_the_next() {
    let folder = folder();
    let holder = Holder::of(folder.path(), true);
    let left = processes(folder.path()).pop().unwrap();
    assert!(runs(&left.join("data")));
    holder.kill();
    eventually("the server outlives its process", || !runs(&left.join("data")));
    let next = start(&tied(folder.path())).unwrap();
    assert!(!left.exists());
    drop(next);
    assert_eq!(processes(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn tied_ones_in_one_directory_do_not_share_anything() {
    let folder = folder();
    let first = start(&Settings { durable: true, ..tied(folder.path()) }).unwrap();
    let second = start(&tied(folder.path())).unwrap();
    assert!(second.started());
    query(&first, "create table stored as select 1");
    assert_eq!(query(&second, "select to_regclass('stored') is null"), "t");
    // It can be started again, too, with what it held.
    kill_hard(&first.server.place.data());
    assert!(first.ensure_running().unwrap());
    assert_eq!(query(&first, "select count(*) from stored"), "1");
}

fn processes(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

#[test]
fn a_first_start_that_was_cut_off_is_done_again() {
    let folder = folder();
    fs::create_dir(folder.path().join("data.unfinished")).unwrap();
    fs::write(folder.path().join("data.unfinished/PG_VERSION"), "15").unwrap();
    let cluster = start(&kept(folder.path())).unwrap();
    assert_eq!(query(&cluster, "select 1"), "1");
}

#[test]
fn a_long_path_gets_a_short_socket_and_says_so() {
    let folder = folder();
    let directory = folder.path().join("very".repeat(30));
    let cluster = start(&tied(&directory)).unwrap();
    assert_eq!(query(&cluster, "select 1"), "1");
    let short = cluster.server.place.socket.parent().unwrap().to_owned();
    assert!(cluster.notice().unwrap().contains(short.to_str().unwrap()), "{:?}", cluster.notice());
    assert_eq!(fs::metadata(&short).unwrap().mode() & 0o066, 0);
    drop(cluster);
    assert!(!short.exists());
}

#[test]
fn a_trap_laid_where_the_short_socket_goes_is_refused() {
    let folder = folder();
    let directory = folder.path().join("very".repeat(30));
    let cluster = start(&kept(&directory)).unwrap();
    let short = cluster.server.place.socket.parent().unwrap().to_owned();
    drop(cluster);
    fs::remove_dir_all(&short).unwrap();
    symlink(folder.path(), &short).unwrap();
    let refused = start(&kept(&directory)).err();
    fs::remove_file(&short).unwrap();
    assert!(matches!(&refused, Some(ClusterError::NotOurs(path)) if *path == short), "{refused:?}");
}

#[test]
fn odd_letters_in_the_path_do_no_harm() {
    let folder = folder();
    let cluster = start(&tied(folder.path().join("a \"quoted\", 100% österreich?&'s"))).unwrap();
    assert_eq!(query(&cluster, "select 1"), "1");
}

#[test]
fn data_of_another_version_are_refused_with_both_versions_named() {
    let folder = folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = start(&kept(folder.path())).err().unwrap();
    let ClusterError::OtherVersion { made_by, found, .. } = &error else { panic!("{error}") };
    assert_eq!(made_by, "9");
    assert!(found.parse::<u32>().is_ok_and(|version| version > 9) || found.contains(", "), "{found}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = folder();
    drop(start(&kept(folder.path())).unwrap());
    let control = folder.path().join("data/global/pg_control");
    fs::remove_file(control).unwrap();
    let error = start(&kept(folder.path())).err().unwrap();
    assert!(error.to_string().contains("pg_control"), "{error}");
}

#[test]
fn where_the_account_cannot_enter_the_data_lie_elsewhere_and_it_says_so() {
    if !we_are_root() {
        return; // PostgreSQL then runs as ourselves, who made the directory.
    }
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let settings = kept(folder.path().join("postgres"));
    let cluster = start(&settings).unwrap();
    assert_eq!(query(&cluster, "select 1"), "1");
    let elsewhere = cluster.server.place.data().parent().unwrap().to_owned();
    assert!(!elsewhere.starts_with(folder.path()));
    let notice = cluster.notice().unwrap().to_owned();
    assert!(notice.contains(elsewhere.to_str().unwrap()), "{notice}");
    let again = start(&settings).unwrap();
    assert!(!again.started());
    query(&again, "create table kept ()");
    drop((cluster, again));
    let later = start(&settings).unwrap();
    assert_eq!(query(&later, "select count(*) from kept"), "0");
    drop(later);

    // Whoever removes the directory begins again, there too.
    fs::remove_dir_all(&settings.directory).unwrap();
    let new = start(&settings).unwrap();
    let newer = new.server.place.data().parent().unwrap().to_owned();
    assert_ne!(newer, elsewhere);
    drop(new);
    fs::remove_dir_all(elsewhere).unwrap();
    fs::remove_dir_all(newer).unwrap();
}

#[test]
fn another_user_of_the_machine_is_refused_even_at_an_open_socket() {
    if !we_are_root() {
        return; // Only root can act as another user.
    }
    let folder = folder();
    let cluster = start(&tied(folder.path())).unwrap();
    for path in [&cluster.server.place.socket, &cluster.server.place.socket_file()] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let mut stranger = Command::new("setpriv");
    stranger.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    stranger.arg(cluster.server.programs.path("psql"));
    let output = psql(&cluster, stranger, "select 1");
    assert!(!output.status.success() && output.stdout.is_empty());
    // The same question from the same program is answered where root asks it.
    assert_eq!(query(&cluster, "select 1"), "1");
}
