//! The `postgres` process on one place: makes its data, starts it, sees how it is, stops it.
//!
//! Whoever calls these holds the turn, except to ask for the state.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::account::Account;
use super::place::{PORT, Place, make_for};
use super::programs::Programs;
use super::{ClusterError, Settings};

/// The database's own name for the one who owns everything in it.
pub(super) const ROLE: &str = "maskline";
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
const LINES_TO_SHOW: usize = 15;
/// The log of an earlier time is put aside beyond this size, in bytes.
const LARGE_LOG: u64 = 4 << 20;

/// Runs `postgres` and stops it when the pipe that it reads closes, which the system sees to however we end.
const GUARDIAN: &str = "exec 3<&0
\"$@\" </dev/null 3<&- &
server=$!
{ read -r _; kill -INT $server; } <&3 &
watcher=$!
wait $server
ended=$?
kill $watcher 2>/dev/null
exit $ended";

/// How it stands with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing runs.
    Absent,
    /// It starts or stops.
    Busy,
    /// It takes connections.
    Ready,
}

/// One `postgres` on one place, running or not.
pub(super) struct Server {
    pub(super) account: Account,
    pub(super) programs: Programs,
    pub(super) place: Place,
    pub(super) durable: bool,
    pub(super) tied: bool,
}

impl Server {
    pub(super) fn new(account: Account, programs: Programs, place: Place, settings: &Settings) -> Self {
        let (durable, tied) = (settings.durable, settings.tied_to_this_process);
        Self { account, programs, place, durable, tied }
    }

    /// Makes the data unless they are there. They are made aside and renamed, so half of them is never taken for all.
    pub(super) fn make_data(&self) -> Result<(), ClusterError> {
        let (data, unfinished) = (self.place.data(), self.place.unfinished_data());
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let mut made = self.initialise(&unfinished, "C.UTF-8")?;
        if !made.status.success() && String::from_utf8_lossy(&made.stderr).contains("locale") {
            made = self.initialise(&unfinished, "C")?;
        }
        succeeded("initdb", &made)?;
        fs::rename(&unfinished, &data).map_err(ClusterError::at(&data))?;
        self.place.sync().map_err(ClusterError::at(&data))
    }

    fn initialise(&self, directory: &Path, locale: &str) -> Result<Output, ClusterError> {
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(ClusterError::at(directory))?;
        }
        make_for(&self.account, directory)?;
        let mut command = self.account.command(self.programs.path("initdb"));
        command.arg("-D").arg(directory).args(["-U", ROLE, "--encoding=UTF8", "--auth=peer"]);
        command.arg(format!("--locale={locale}")).args((!self.durable).then_some("--no-sync"));
        command.output().map_err(ClusterError::at(self.programs.path("initdb")))
    }

    /// Waits until the database takes connections, starting it where it does not run; what was started, if anything.
    pub(super) fn bring_up(&self) -> Result<Option<Child>, ClusterError> {
        let deadline = Instant::now() + PATIENCE;
        let mut child: Option<Child> = None;
        let mut said_before = 0;
        loop {
            match (self.state(), &mut child) {
                (State::Ready, _) => return Ok(child),
                (State::Absent, None) => {
                    said_before = self.begin_log()?;
                    child = Some(self.spawn()?);
                }
                (State::Absent, Some(started)) => {
                    let ended =
                        started.try_wait().map_err(ClusterError::at(self.programs.path("postgres")))?;
                    let said = self.said_since(said_before);
                    // Those who worked for a killed server need a moment to notice; any other end is final.
                    if ended.is_some() && said.contains("shared memory block") {
                        child = None;
                    } else if ended.is_some() {
                        return Err(ClusterError::Failed { program: "postgres", output: last_lines(&said) });
                    }
                }
                (State::Busy, _) => {}
            }
            if Instant::now() > deadline {
                let output = last_lines(&self.said_since(said_before));
                return Err(ClusterError::Slow {
                    seconds: PATIENCE.as_secs(),
                    log: self.place.log(),
                    output,
                });
            }
            sleep(PAUSE);
        }
    }

    /// How it stands, by the file in which `postgres` tells, and by the socket.
    pub(super) fn state(&self) -> State {
        match postmaster(&self.place.data()) {
            None => State::Absent,
            Some(status) if status == "ready" && UnixStream::connect(self.place.socket_file()).is_ok() => {
                State::Ready
            }
            Some(_) => State::Busy,
        }
    }

    /// Stops the database, sending away those who are connected.
    pub(super) fn stop(&self) -> Result<(), ClusterError> {
        let stop = |mode: &str| {
            let mut command = self.account.command(self.programs.path("pg_ctl"));
            command.arg("stop").arg("-D").arg(self.place.data()).args(["-m", mode, "-w", "-t", "30", "-s"]);
            command.output().map_err(ClusterError::at(self.programs.path("pg_ctl")))
        };
        if postmaster(&self.place.data()).is_none() || stop("fast")?.status.success() {
            return Ok(());
        }
        succeeded("pg_ctl", &stop("immediate")?)
    }

    fn spawn(&self) -> Result<Child, ClusterError> {
        self.forget_the_dead();
        self.write_access()?;
        let log = OpenOptions::new().append(true).open(self.place.log());
        let log = log.map_err(ClusterError::at(self.place.log()))?;
        let twin = log.try_clone().map_err(ClusterError::at(self.place.log()))?;
        let program = self.programs.path("postgres");
        let mut command = if self.tied {
            let mut guardian = self.account.command("/bin/sh");
            guardian.args(["-c", GUARDIAN, "sh"]).arg(&program).stdin(Stdio::piped());
            guardian
        } else {
            self.account.command(&program)
        };
        self.configure(&mut command);
        // A group of its own: Ctrl-C in the terminal is for us, and we stop the database when we are done with it.
        command.stdout(log).stderr(twin).process_group(0).spawn().map_err(ClusterError::at(&program))
    }

    fn configure(&self, command: &mut Command) {
        let [access, names] = self.place.access();
        let mut setting = |name: &str, value: &[u8]| {
            let pair = [name.as_bytes(), b"=", value].concat();
            command.arg("-c").arg(std::ffi::OsStr::from_bytes(&pair));
        };
        setting("listen_addresses", b"");
        setting("port", PORT.to_string().as_bytes());
        setting("unix_socket_directories", &quoted(&self.place.socket));
        setting("unix_socket_permissions", b"0700");
        setting("hba_file", access.as_os_str().as_bytes());
        setting("ident_file", names.as_os_str().as_bytes());
        setting("max_connections", b"200");
        setting("shared_buffers", b"64MB");
        setting("timezone", b"UTC");
        setting("log_timezone", b"UTC");
        // Without the details of an error, which hold what users typed.
        setting("log_error_verbosity", b"terse");
        if !self.durable {
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                setting(name, b"off");
            }
        }
        command.arg("-D").arg(self.place.data());
    }

    /// The socket asks the system who is at its other end, and takes the account, ourselves and root. No password lies
    /// anywhere, and a user of the machine who gets at the socket all the same is refused.
    fn write_access(&self) -> Result<(), ClusterError> {
        let [access, names] = self.place.access();
        let users = format!("maskline \"{}\" {ROLE}\nmaskline root {ROLE}\n", self.account.name);
        for (path, text) in [(&access, format!("local all {ROLE} peer map=maskline\n")), (&names, users)] {
            fs::write(path, text).map_err(ClusterError::at(path))?;
            self.account.share(path).map_err(ClusterError::at(path))?;
        }
        Ok(())
    }

    /// `postgres` refuses to start where its files name a process that lives, even if that number has passed to
    /// another process, or to a dead one that its parent has not asked after.
    fn forget_the_dead(&self) {
        let lock_of_the_socket = self.place.socket_file().with_extension(format!("{PORT}.lock"));
        for file in [self.place.data().join("postmaster.pid"), lock_of_the_socket] {
            let named =
                fs::read_to_string(&file).ok().and_then(|text| text.lines().next()?.trim().parse().ok());
            if named.and_then(arguments_of).is_some() {
                drop(fs::remove_file(file));
            }
        }
    }

    /// Makes the log, puts a large one aside, and tells how long it is.
    fn begin_log(&self) -> Result<u64, ClusterError> {
        let log = self.place.log();
        if fs::metadata(&log).is_ok_and(|found| found.len() > LARGE_LOG) {
            fs::rename(&log, log.with_extension("before")).map_err(ClusterError::at(&log))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        let file = options.open(&log).map_err(ClusterError::at(&log))?;
        file.metadata().map(|found| found.len()).map_err(ClusterError::at(&log))
    }

    fn said_since(&self, position: u64) -> String {
        let mut said = Vec::new();
        let read = File::open(self.place.log()).and_then(|mut log| {
            log.seek(SeekFrom::Start(position))?;
            log.read_to_end(&mut said)
        });
        read.map_or_else(|error| error.to_string(), |_| String::from_utf8_lossy(&said).into_owned())
    }
}

/// What the `postgres` on these data says of itself in its file (`starting`, `ready`, `stopping`); nothing if none runs.
pub(super) fn postmaster(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let arguments = arguments_of(lines.next()?.trim().parse().ok()?)?;
    let data = data.as_os_str().as_bytes();
    let serves_these = arguments.windows(data.len()).any(|part| part == data);
    // The eighth line; it is written last.
    serves_these.then(|| lines.nth(6).unwrap_or_default().trim().to_owned())
}

/// With which arguments a process was started; empty for one that is dead but not asked after, none if there is none.
fn arguments_of(process: u32) -> Option<Vec<u8>> {
    if Path::new("/proc/self/cmdline").exists() {
        return fs::read(format!("/proc/{process}/cmdline")).ok();
    }
    let output = Command::new("ps").args(["-o", "args=", "-p", &process.to_string()]).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// As an entry of a list in which commas and quotes have a meaning.
fn quoted(path: &Path) -> Vec<u8> {
    let doubled = path.as_os_str().as_bytes().iter().flat_map(|byte| {
        let times = if *byte == b'"' { 2 } else { 1 };
        std::iter::repeat_n(*byte, times)
    });
    std::iter::once(b'"').chain(doubled).chain(std::iter::once(b'"')).collect()
}

fn succeeded(program: &'static str, output: &Output) -> Result<(), ClusterError> {
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    Err(ClusterError::Failed { program, output: last_lines(&String::from_utf8_lossy(&said)) })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_TO_SHOW)..].join("\n")
}
