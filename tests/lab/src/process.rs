//! Child processes that cannot outlive this one. Starts and ends processes.
//!
//! Dropping a [`Process`] ends its whole process group. For the case that this process is itself killed, every
//! child asks the kernel to be killed with its parent ([`guard`]); where that cannot be had, a shell watches the parent
//! instead.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

use crate::error::LabError;
use crate::guard;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 15;

/// A command to run as long as the lab lives.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// Short name, also that of the log.
    pub(crate) part: &'static str,
    /// What to run.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Added to the environment.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Whether it is started again when it ends, as a kubelet would: KubeVirt's controllers end by design when
    /// their configuration changes.
    pub(crate) restart: bool,
}

/// A running part of the control plane.
#[derive(Debug)]
pub(crate) struct Process {
    part: &'static str,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `spec`; standard output and error go to `<logs>/<part>.log`.
    pub(crate) fn start(spec: &Spec, logs: &Path) -> Result<Self, LabError> {
        let log = logs.join(format!("{}.log", spec.part));
        let mut options = OpenOptions::new();
        let out = options
            .create(true)
            .append(true)
            .open(&log)
            .map_err(LabError::file("open", &log))?;
        let err = out.try_clone().map_err(LabError::file("open", &log))?;
        let mut command = guard::command(&spec.program);
        command
            .args(&spec.args)
            .envs(spec.env.iter().map(|(key, value)| (*key, value)));
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = guard::spawn(command).map_err(|source| LabError::Start {
            part: spec.part.to_owned(),
            program: spec.program.clone(),
            source,
        })?;
        Ok(Self {
            part: spec.part,
            log,
            child,
        })
    }

    /// Short name of the part.
    pub(crate) fn part(&self) -> &'static str {
        self.part
    }

    /// Process id, which is also that of its group.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when the process has ended, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<(), LabError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.exited(status)),
            Err(source) => Err(LabError::File {
                what: "wait for the process of",
                path: self.log.clone(),
                source,
            }),
        }
    }

    fn exited(&self, status: ExitStatus) -> LabError {
        LabError::Exited {
            part: self.part.to_owned(),
            status: status.to_string(),
            log: self.log.clone(),
            tail: tail(&self.log, TAIL_LINES),
        }
    }

    /// Asks the kernel to end the whole group; `drop` then waits for it.
    pub(crate) fn kill(&self) {
        // It may have ended already: nothing is left to do then.
        let _gone = guard::to_group(self.child.id(), Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Reaps it; a process that was sent SIGKILL ends without our help.
        let _status = self.child.wait();
    }
}

/// The last `lines` lines of a file, or why there are none.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    const BYTES: u64 = 16 * 1024;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("(no log: {error})"),
    }
}

/// What tells a process from a later one with the same id: when it was started, and its command.
///
/// `None` when there is no such process (or a dead one that is not yet reaped).
pub(crate) fn identity(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold anything, so fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return None;
    }
    // State is field 3 of proc(5), the start time field 22.
    fields.nth(18).map(ToOwned::to_owned)
}

/// Sends a signal to a process, or to its whole group, if it still is the one with that [`identity`].
pub(crate) fn signal(pid: u32, expected: &str, signal: Signal, group: bool) -> bool {
    if identity(pid).as_deref() != Some(expected) {
        return false;
    }
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    if group {
        rustix::process::kill_process_group(pid, signal).is_ok()
    } else {
        rustix::process::kill_process(pid, signal).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::WATCHED;
    use std::process::Command;

    fn sleeper() -> Spec {
        let args = vec!["-c".to_owned(), "echo started; sleep 600 & wait".to_owned()];
        Spec {
            part: "sleeper",
            program: "/bin/sh".into(),
            args,
            env: Vec::new(),
            restart: false,
        }
    }

    #[test]
    fn a_dropped_process_leaves_no_process_behind() {
        let logs = tempfile::tempdir().expect("a temporary folder");
        let mut process = Process::start(&sleeper(), logs.path()).expect("sh starts");
        process.check().expect("it runs");
        let pid = process.pid();
        assert!(identity(pid).is_some());
        drop(process);
        assert_eq!(identity(pid), None);
    }

    #[test]
    fn a_process_that_ends_early_tells_its_last_lines() {
        let logs = tempfile::tempdir().expect("a temporary folder");
        let args = vec!["-c".to_owned(), "echo no such flag >&2; exit 3".to_owned()];
        let spec = Spec {
            part: "broken",
            program: "/bin/sh".into(),
            args,
            env: Vec::new(),
            restart: false,
        };
        let mut process = Process::start(&spec, logs.path()).expect("sh starts");
        let status = process.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(3));
        let error = process.check().expect_err("it has ended").to_string();
        assert!(
            error.contains("broken ended early") && error.contains("no such flag"),
            "{error}"
        );
    }

    #[test]
    fn a_signal_never_reaches_a_process_that_is_not_the_recorded_one() {
        let logs = tempfile::tempdir().expect("a temporary folder");
        let mut process = Process::start(&sleeper(), logs.path()).expect("sh starts");
        let pid = process.pid();
        assert!(
            !signal(pid, "1", Signal::KILL, true),
            "another start time is another process"
        );
        process.check().expect("it still runs");
        let identity = identity(pid).expect("it runs");
        assert!(signal(pid, &identity, Signal::KILL, true));
    }

    #[test]
    fn without_setpriv_a_dead_parent_still_takes_its_children_along() {
        let logs = tempfile::tempdir().expect("a temporary folder");
        let mut parent = Command::new("sleep").arg("600").spawn().expect("sleep starts");
        let args = ["-c", WATCHED, "sh", &parent.id().to_string(), "sleep", "600"].map(str::to_owned);
        let spec = Spec {
            part: "watched",
            program: "/bin/sh".into(),
            args: args.into(),
            env: vec![],
            restart: false,
        };
        let mut process = Process::start(&spec, logs.path()).expect("sh starts");
        process.check().expect("it runs while its parent does");
        parent.kill().expect("it is ours");
        parent.wait().expect("it ends");
        // Killed by its own signal to its group, which is the last thing that it does.
        assert!(!process.child.wait().expect("it ends").success());
        process.check().expect_err("it has ended");
    }

    #[test]
    fn a_missing_program_is_an_error_and_not_a_silent_end() {
        let logs = tempfile::tempdir().expect("a temporary folder");
        let spec = Spec {
            part: "absent",
            program: "/nonexistent/x".into(),
            args: vec![],
            env: vec![],
            restart: false,
        };
        // The guard itself starts, then says that it cannot start the program.
        let mut process = Process::start(&spec, logs.path()).expect("the guard starts");
        process.child.wait().expect("it ends");
        assert!(
            process
                .check()
                .expect_err("it has ended")
                .to_string()
                .contains("/nonexistent/x")
        );
    }
}
