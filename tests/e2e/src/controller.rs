//! The controller as a process under the chart's service account. Starts and ends processes.

use crate::cluster::Cluster;
use crate::error::Error;
use raidc_lab::guard;
use std::fs::File;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

/// Namespace in which the charts are installed.
pub const NAMESPACE: &str = "raidc-system";
/// Service account of the chart.
pub const SERVICE_ACCOUNT: &str = "raidc-controller";
/// The same as the API server's audit log writes it.
pub const USER: &str = "system:serviceaccount:raidc-system:raidc-controller";

/// Nobody restarts the demo's controller, so its lease outlives any pause of a busy machine.
const DETACHED_LEASE_SECONDS: u32 = 60;

/// Lines of its log that are told when the demo's controller ends.
const TAIL_LINES: usize = 15;

/// Between two looks whether a replica has ended.
const LOOK: Duration = Duration::from_millis(200);

/// A replica of the controller. When it ends by itself (which it does when its claim has passed, as on a machine that is too busy to
/// answer in time) it is started again, as a Deployment's pod is. Dropping it kills it without warning, as a crash would.
pub struct Controller {
    child: Arc<Mutex<Child>>,
    /// Dropped to end the keeper.
    stop: Option<Sender<()>>,
    restarts: Arc<AtomicUsize>,
    keeper: Option<JoinHandle<()>>,
    /// Where it logs.
    pub log: PathBuf,
    /// Address of its health and metrics page.
    pub listen: String,
}

/// A replica that outlives this process, and that nobody starts again.
pub struct Detached {
    /// The process. Dropping it does not end it.
    pub child: tokio::process::Child,
    /// Where it logs.
    pub log: PathBuf,
    /// Address of its health and metrics page.
    pub listen: String,
}

impl Detached {
    /// Waits until it ends, and says how: it is not meant to.
    pub async fn ended(&mut self) -> Error {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Error::Wrong(format!(
            "the controller ended ({how}); {} ends with:\n{}",
            self.log.display(),
            raidc_lab::tail(&self.log, TAIL_LINES)
        ))
    }
}

impl Controller {
    /// Starts one replica. `identity` tells replicas apart in the lease, which another may take over after `lease_seconds`; `more` are
    /// further flags.
    pub fn start(
        cluster: &Cluster,
        kubeconfig: &Path,
        identity: &str,
        lease_seconds: u32,
        more: &[&str],
    ) -> Result<Self, Error> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let log = cluster.dir().join(format!("controller-{identity}.log"));
        let spawn = {
            let (kubeconfig, identity) = (kubeconfig.to_path_buf(), identity.to_owned());
            let (listen, log) = (listen.clone(), log.clone());
            let more: Vec<String> = more.iter().map(|flag| (*flag).to_owned()).collect();
            move || {
                let program = program("raidc-controller")?;
                // Killed with us, so that a test that is killed leaves no controller behind.
                let mut command = command(
                    guard::command(&program),
                    &kubeconfig,
                    &identity,
                    &listen,
                    &log,
                    lease_seconds,
                )?;
                command.args(&more);
                guard::spawn(command).map_err(Error::file(&log))
            }
        };
        let child = Arc::new(Mutex::new(spawn()?));
        let restarts = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let keeper = {
            let (child, restarts) = (Arc::clone(&child), Arc::clone(&restarts));
            std::thread::spawn(move || {
                // A timeout is the next look; anything else is the end.
                while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
                    if matches!(child.try_wait(), Ok(Some(_)))
                        && let Ok(next) = spawn()
                    {
                        *child = next;
                        restarts.fetch_add(1, Ordering::AcqRel);
                    }
                }
            })
        };
        Ok(Self {
            child,
            stop: Some(stop),
            restarts,
            keeper: Some(keeper),
            log,
            listen,
        })
    }

    /// Starts one that outlives this process.
    pub fn start_detached(cluster: &Cluster, kubeconfig: &Path, identity: &str) -> Result<Detached, Error> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let log = cluster.dir().join(format!("controller-{identity}.log"));
        let start = Command::new(program("raidc-controller")?);
        let mut command = command(start, kubeconfig, identity, &listen, &log, DETACHED_LEASE_SECONDS)?;
        command.process_group(0);
        let child = tokio::process::Command::from(command)
            .spawn()
            .map_err(Error::file(&log))?;
        Ok(Detached { child, log, listen })
    }

    /// Ends it at once, as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// How often it has ended by itself and was started again.
    #[must_use]
    pub fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Acquire)
    }

    /// Process id, to stop it and let it go on ([`guard::pause`], [`guard::resume`]).
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    fn end(&mut self) {
        // First the keeper, so that what is killed is not started again.
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked keeps nothing.
            let _ended = keeper.join();
        }
        guard::end(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(
    mut command: Command,
    kubeconfig: &Path,
    identity: &str,
    listen: &str,
    log: &Path,
    lease_seconds: u32,
) -> Result<Command, Error> {
    let out: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(Error::file(log))?;
    let err = out.try_clone().map_err(Error::file(log))?;
    command
        .args([
            "--namespace",
            NAMESPACE,
            "--identity",
            identity,
            "--listen",
            listen,
            "--lease-seconds",
            &lease_seconds.to_string(),
        ])
        .env("KUBECONFIG", kubeconfig)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    Ok(command)
}

/// A program of ours, next to the one that runs now (or one folder up: tests run from `deps`).
pub fn program(name: &str) -> Result<PathBuf, Error> {
    let here = std::env::current_exe().map_err(Error::file(name))?;
    let beside = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    beside.ok_or_else(|| Error::NotBuilt(PathBuf::from(name)))
}

fn free_port() -> Result<u16, Error> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").map_err(Error::file("127.0.0.1:0"))?;
    Ok(socket.local_addr().map_err(Error::file("127.0.0.1:0"))?.port())
}
