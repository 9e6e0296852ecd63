//! The program as people run it: in a folder of its own, on ports of its own, and gone at the end with all it started.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(1);

/// A folder in which the program is run, and where it shall listen.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) simulator: SocketAddr,
}

impl Installation {
    pub(crate) fn new() -> Self {
        // Open to pass through, as PostgreSQL runs as somebody else where we are root.
        let folder =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        Self { folder, address: free_address(), simulator: free_address() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program in this folder, with no setting from outside.
    pub(crate) fn bare(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("MASKLINE_") || name.starts_with("TROPO_") || name == "DATABASE_URL" {
                command.env_remove(&*name);
            }
        }
        command
    }

    /// A folder, and a script with arguments that is run there as somebody who is not root, as PostgreSQL and its kin
    /// want it: where we are root, as PostgreSQL's own user.
    pub(crate) fn without_root(&self, name: &str, script: &str, arguments: &[&str]) -> (PathBuf, Command) {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        let mut command = self.bare("sh");
        command.args(["-c", script, "sh", folder.to_str().unwrap()]).args(arguments);
        if fs::metadata(&folder).unwrap().uid() == 0 {
            let id = |which| {
                let output = self.bare("id").args([which, "postgres"]).output().unwrap();
                String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
            };
            let (user, group) = (id("-u"), id("-g"));
            chown(&folder, Some(user), Some(group)).unwrap();
            command.uid(user).gid(group);
        }
        (folder, command)
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.bare(env!("CARGO_BIN_EXE_maskline"));
        command.args(arguments).env("MASKLINE_LISTEN", self.address.to_string());
        command.env("MASKLINE_SIMULATOR_LISTEN", self.simulator.to_string());
        Running::start(command.envs(variables.iter().copied()))
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        self.start(arguments, variables).ended().await
    }

    /// The process of the private database, if its file names one.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        let file = fs::read_to_string(self.path("var/postgres/data/postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok()
    }

    /// The process of the private database, once it is another one.
    pub(crate) async fn postmaster_after(&self, before: u32) -> u32 {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(process) = self.postmaster().filter(|process| *process != before) {
                return process;
            }
            assert!(Instant::now() < patience, "nobody has started the database again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(process) = self.postmaster() {
            send("QUIT", process);
            let patience = Instant::now() + PATIENCE;
            while is_alive(process) && Instant::now() < patience {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// What a program has said.
#[derive(Clone, Default)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
}

/// How a program ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program that runs until it is stopped or forgotten.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<Said>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Said::default()));
        let readers = vec![
            read(child.stdout.take().unwrap(), said.clone(), |said| &mut said.out),
            read(child.stderr.take().unwrap(), said.clone(), |said| &mut said.err),
        ];
        Self { child, said, readers }
    }

    pub(crate) fn said(&self) -> Said {
        self.said.lock().unwrap().clone()
    }

    /// What it has said, once these words are among it.
    pub(crate) async fn until(&mut self, words: &str) -> Said {
        let patience = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().unwrap();
            let said = self.said();
            if said.out.contains(words) || said.err.contains(words) {
                return said;
            }
            let in_time = ended.is_none() && Instant::now() < patience;
            assert!(in_time, "no {words:?} ({ended:?}) in:\n{}\n{}", said.out, said.err);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, self.child.id());
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let patience = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let said = self.said();
            assert!(Instant::now() < patience, "it goes on:\n{}\n{}", said.out, said.err);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let said = self.said();
        Ended { code: status.code(), out: said.out, err: said.err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(
    stream: impl Read + Send + 'static,
    said: Arc<Mutex<Said>>,
    part: impl Fn(&mut Said) -> &mut String + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap() + "\n";
            part(&mut said.lock().unwrap()).push_str(&line);
        }
    })
}

/// Sends a signal to a process that a test has started.
pub(crate) fn send(signal: &str, process: u32) {
    let _: bool = shell(&format!("kill -{signal} {process}"));
}

/// Whether a process runs; one that is dead but not asked after does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let arguments = fs::read(format!("/proc/{process}/cmdline"));
    shell(&format!("kill -0 {process}")) && arguments.map_or(true, |arguments| !arguments.is_empty())
}

fn shell(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).stderr(Stdio::null()).status().unwrap().success()
}

/// An address that nobody listens on, below the ports that the system gives away by itself, so that it stays free while
/// a program is started again.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + process::id() * 31;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(next % 12_000).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
