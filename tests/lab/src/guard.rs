//! Children that the kernel ends with this process, also when it is killed. Starts processes.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

type Request = (Command, Sender<std::io::Result<Child>>);

/// `program` so that the kernel kills it with whoever starts it (`setpriv --pdeathsig`); its process id is the child's.
/// None where that tool is missing. To be started by [`spawn`].
#[must_use]
pub fn by_the_kernel(program: &Path) -> Option<Command> {
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists())?;
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    Some(command)
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
