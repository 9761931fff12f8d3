//! Children that the kernel ends with this process, also when it is killed. Starts processes.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use rustix::process::{Pid, Signal};

type Request = (Command, Sender<std::io::Result<Child>>);

/// Ends its child's group when the parent's pid is gone; `$1` is that pid, the rest the command.
pub(crate) const WATCHED: &str = r#"
parent=$1; shift
"$@" &
child=$!
while kill -0 "$parent" 2>/dev/null; do
  kill -0 "$child" 2>/dev/null || { wait "$child"; exit $?; }
  sleep 1
done
kill -9 0
"#;

/// `program` in a process group of its own that ends with whoever starts it: killed by the kernel (`setpriv --pdeathsig`), or by a
/// shell that watches this process where that tool is missing. The child may be that shell, so what is meant for the program goes to the
/// group: [`end`], [`pause`], [`resume`]. To be started by [`spawn`].
#[must_use]
pub fn command(program: &Path) -> Command {
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists());
    let mut command = match setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]);
            command
        }
        None => watched(std::process::id()),
    };
    command.arg(program).process_group(0);
    command
}

/// A shell that runs what is added as arguments for as long as a process lives.
fn watched(parent: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", WATCHED, "sh", &parent.to_string()]);
    command
}

/// Ends the group of a child at once, as a crash would, and waits until the child is gone. Nothing happens to one that has ended.
pub fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        // It may end meanwhile: nothing is left to do then.
        let _gone = to_group(child.id(), Signal::KILL);
        let _status = child.wait();
    }
}

/// Stops the group of a process where it stands. False when there is none.
#[must_use]
pub fn pause(id: u32) -> bool {
    to_group(id, Signal::STOP)
}

/// Lets a group go on that was stopped by [`pause`]. False when there is none.
#[must_use]
pub fn resume(id: u32) -> bool {
    to_group(id, Signal::CONT)
}

pub(crate) fn to_group(id: u32, signal: Signal) -> bool {
    let group = i32::try_from(id).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| rustix::process::kill_process_group(group, signal).is_ok())
}

/// Starts a command on a thread that lives as long as this process: the kernel counts the *thread* that started a child
/// as its parent.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(command: Command) -> std::io::Result<Child> {
    static STARTER: OnceLock<Sender<Request>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // The asker waits; if it is gone, dropping the child would leave it running, so it is ended.
                if let Err(unread) = answer.send(command.spawn())
                    && let Ok(mut child) = unread.0
                {
                    let _ended = child.kill();
                }
            }
        });
        sender
    });
    let (answer, child) = channel();
    let gone = || std::io::Error::other("the thread that starts processes has ended");
    starter.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::identity;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn without_setpriv_an_ended_child_never_leaves_its_program_running() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let note = folder.path().join("pid");
        let mut command = watched(std::process::id());
        command
            .args(["sh", "-c", "echo $$ > \"$0\"; exec sleep 600"])
            .arg(&note)
            .stdout(Stdio::null())
            .process_group(0);
        let mut child = spawn(command).expect("sh starts");
        let deadline = Instant::now() + Duration::from_secs(20);
        let program: u32 = loop {
            if let Ok(text) = std::fs::read_to_string(&note)
                && let Ok(pid) = text.trim().parse()
            {
                break pid;
            }
            assert!(Instant::now() < deadline, "the program does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_ne!(program, child.id(), "the child is the shell");
        assert!(pause(child.id()) && resume(child.id()));
        end(&mut child);
        // Whoever inherits it reaps it a moment later.
        while identity(program).is_some() {
            assert!(Instant::now() < deadline, "the program outlives its guard");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        end(&mut child);
    }
}
