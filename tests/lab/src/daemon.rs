//! Labs that outlive a command: the record that a lab keeps of itself, and finding, awaiting and ending labs by it.
//! Runs processes and writes files.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal as listen};

use crate::error::{LabError, chain};
use crate::fleet::{FleetSpec, Profile};
use crate::lab::Lab;
use crate::options::{LabOptions, check_name, default_folder, labs_folder};
use crate::process::{identity, signal, tail};
use crate::supervisor::Running;
use crate::up::create_private;

/// How long a daemon has to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// How often the daemon looks after its lab.
const LOOK: Duration = Duration::from_secs(1);
const FILE: &str = "state.json";
const LOG: &str = "daemon.log";
/// Locked for as long as somebody holds the lab.
pub(crate) const LOCK: &str = "lock";

/// What a lab says of itself in `.lab/<name>/state.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabState {
    /// The lab's name.
    pub name: String,
    /// The process that holds the lab.
    pub daemon: Running,
    /// Whether it can be used.
    pub ready: bool,
    /// Progress, one line per phase and per line of a build.
    pub progress: Vec<String>,
    /// Why it cannot be used, or not any more.
    pub error: Option<String>,
    /// The processes of the control plane.
    pub parts: Vec<Running>,
    /// Which controllers are real.
    pub profile: Profile,
    /// The hardware that is played.
    pub fleet: FleetSpec,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Whether the folder stays when the lab ends.
    #[serde(default)]
    pub keep: bool,
}

impl LabState {
    /// The record of a lab; `None` if there is none.
    pub fn read(name: &str) -> Result<Option<Self>, LabError> {
        check_name(name)?;
        let path = default_folder(name).join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| LabError::Manifest {
                    path,
                    reason: error.to_string(),
                }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LabError::file("read", path)(error)),
        }
    }

    /// The record of a lab whose daemon lives.
    pub fn running(name: &str) -> Result<Self, LabError> {
        let state = Self::read(name)?.filter(Self::alive);
        state.ok_or_else(|| LabError::Unknown(name.to_owned()))
    }

    /// Every lab that has a record.
    pub fn all() -> Result<Vec<Self>, LabError> {
        let folder = labs_folder();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LabError::file("list", folder)(error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| check_name(name).is_ok()).collect();
        names.sort();
        names
            .iter()
            .filter_map(|name| Self::read(name).transpose())
            .collect()
    }

    /// Whether the daemon still is the process that wrote this.
    pub fn alive(&self) -> bool {
        self.daemon.is_alive()
    }

    /// Which of its processes are running now.
    pub fn living_parts(&self) -> BTreeMap<&str, u32> {
        let living = |part: &&Running| identity(part.pid).as_deref() == Some(part.identity.as_str());
        self.parts
            .iter()
            .filter(living)
            .map(|part| (part.part.as_str(), part.pid))
            .collect()
    }

    /// Replaces the file in one step, so that no reader sees half of it.
    fn write(&self, dir: &Path) -> Result<(), LabError> {
        let next = dir.join(".state.json.next");
        let text = serde_json::json!(self).to_string();
        std::fs::write(&next, text).map_err(LabError::file("write", &next))?;
        std::fs::rename(&next, dir.join(FILE)).map_err(LabError::file("write", next))
    }
}

/// Starts a daemon for a lab and waits until it is ready, telling its progress. `program` is this program.
pub async fn up(program: &Path, options: &LabOptions, tell: impl Fn(&str)) -> Result<LabState, LabError> {
    options.validate()?;
    let dir = default_folder(&options.name);
    if LabState::read(&options.name)?.is_some_and(|state| state.alive()) {
        return Err(LabError::Held(options.name.clone()));
    }
    create_private(&dir)?;
    let record = dir.join(FILE);
    if record.exists() {
        std::fs::remove_file(&record).map_err(LabError::file("remove", record))?;
    }
    let log = dir.join(LOG);
    let out = std::fs::File::create(&log).map_err(LabError::file("write", &log))?;
    let err = out.try_clone().map_err(LabError::file("write", &log))?;
    let fleet = dir.join("fleet.json");
    let text = serde_json::json!(options.fleet).to_string();
    std::fs::write(&fleet, text).map_err(LabError::file("write", &fleet))?;
    let mut command = Command::new(program);
    let profile = if options.profile == Profile::Full {
        "full"
    } else {
        "light"
    };
    command
        .args(["run", &options.name, "--profile", profile, "--fleet"])
        .arg(&fleet);
    if options.keep {
        command.arg("--keep");
    }
    command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0);
    let mut daemon = command.spawn().map_err(|source| LabError::Start {
        part: "the lab's daemon".to_owned(),
        program: program.to_owned(),
        source,
    })?;
    let failed = |reason: String| LabError::Daemon {
        name: options.name.clone(),
        reason,
        log: log.clone(),
    };
    let mut told = 0;
    loop {
        let ended = daemon
            .try_wait()
            .map_err(LabError::file("wait for the daemon of", &dir))?;
        if let Some(state) = LabState::read(&options.name)? {
            for line in state.progress.iter().skip(told) {
                tell(line);
            }
            told = told.max(state.progress.len());
            if let Some(error) = state.error {
                return Err(failed(error));
            }
            if state.ready {
                return Ok(state);
            }
        }
        if let Some(status) = ended {
            return Err(failed(format!("its process ended ({status}): {}", tail(&log, 5))));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Holds a lab until it is told to end (SIGTERM, SIGINT), loses a part that it needs, or its folder is removed.
pub async fn run(options: LabOptions) -> Result<(), LabError> {
    options.validate()?;
    let failed = |source| LabError::File {
        what: "listen for signals to",
        path: options.folder(),
        source,
    };
    let mut terminate = listen(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = listen(SignalKind::interrupt()).map_err(failed)?;
    // The terminal from which it was started may go away.
    let mut hangup = listen(SignalKind::hangup()).map_err(failed)?;
    let dir = options.folder();
    create_private(&dir)?;
    let pid = std::process::id();
    let daemon = Running {
        part: "daemon".to_owned(),
        pid,
        identity: identity(pid).unwrap_or_default(),
    };
    let state = std::sync::Mutex::new(LabState {
        name: options.name.clone(),
        daemon,
        ready: false,
        progress: Vec::new(),
        error: None,
        parts: Vec::new(),
        profile: options.profile,
        fleet: options.fleet.clone(),
        kubeconfig: dir.join("admin.kubeconfig"),
        keep: options.keep,
    });
    let change = |change: &dyn Fn(&mut LabState)| {
        let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut state);
        state.write(&dir)
    };
    let tell = |line: &str| {
        tracing::info!("{line}");
        if let Err(error) = change(&|state| state.progress.push(line.to_owned())) {
            tracing::warn!("{}", chain(&error));
        }
    };
    change(&|_| ())?;
    let coming = Lab::up_telling(options.clone(), tell);
    let lab = tokio::select! {
        lab = coming => lab,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let lab = match lab {
        Ok(lab) => lab,
        Err(error) => {
            change(&|state| state.error = Some(chain(&error)))?;
            return Err(error);
        }
    };
    change(&|state| {
        state.parts = lab.running();
        state.ready = true;
    })?;
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {}
            _ = tick.tick() => {}
        }
        if !dir.exists() {
            break;
        }
        if let Err(error) = lab.check() {
            let told = chain(&error);
            tracing::error!("{told}");
            change(&|state| {
                state.ready = false;
                state.error = Some(told.clone());
            })?;
            // The folder stays for whoever looks for the cause.
            return Err(error);
        }
        let parts = lab.running();
        change(&|state| state.parts.clone_from(&parts))?;
    }
    lab.down().await
}

/// Ends a lab and removes its folder unless it is to be kept; only processes that it recorded as its own are sent signals.
pub async fn down(name: &str) -> Result<(), LabError> {
    let dir = default_folder(name);
    let state = match LabState::read(name) {
        Ok(Some(state)) => state,
        Ok(None) | Err(LabError::Manifest { .. }) => return remains(name, &dir).await,
        Err(error) => return Err(error),
    };
    signal(state.daemon.pid, &state.daemon.identity, Signal::TERM, false);
    let deadline = Instant::now() + GRACE;
    while state.alive() && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    // Killing the daemon kills its parts; what is left was recorded with its start time.
    signal(state.daemon.pid, &state.daemon.identity, Signal::KILL, false);
    for part in &state.parts {
        signal(part.pid, &part.identity, Signal::KILL, true);
    }
    let deadline = Instant::now() + GRACE;
    while (state.alive() || !state.living_parts().is_empty()) && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    if !state.living_parts().is_empty() {
        let left: Vec<String> = state
            .living_parts()
            .iter()
            .map(|(part, pid)| format!("{part} ({pid})"))
            .collect();
        return Err(LabError::Late {
            what: "the end of its processes".into(),
            after: GRACE,
            last: left.join(", "),
        });
    }
    if state.keep {
        return Ok(());
    }
    remove(&dir).await
}

/// Removes the folder of a lab of which there is no record, as an end between two steps or a full disk leaves it, once nobody holds it.
async fn remains(name: &str, dir: &Path) -> Result<(), LabError> {
    if !dir.exists() {
        return Err(LabError::Unknown(name.to_owned()));
    }
    let path = dir.join(LOCK);
    // Held until the folder is gone, so that no lab begins in it meanwhile.
    let _lock = match std::fs::File::open(&path) {
        Ok(lock) => {
            lock.try_lock().map_err(|_| LabError::Held(name.to_owned()))?;
            Some(lock)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(LabError::file("open", path)(error)),
    };
    remove(dir).await
}

async fn remove(dir: &Path) -> Result<(), LabError> {
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LabError::file("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_without_a_record_never_stands_in_the_way_of_the_next_lab() {
        let name = format!("t-remains-{}", std::process::id());
        let dir = default_folder(&name);
        for record in [None, Some("{\"name\": ")] {
            create_private(&dir.join("logs")).expect("a folder");
            if let Some(half) = record {
                std::fs::write(dir.join(FILE), half).expect("half a record");
            }
            let lock = std::fs::File::create(dir.join(LOCK)).expect("a lock");
            lock.try_lock().expect("it is free");
            let held = down(&name).await.expect_err("somebody holds it");
            assert!(matches!(held, LabError::Held(_)) && dir.exists(), "{held}");
            drop(lock);
            down(&name).await.expect("nobody holds it");
            assert!(!dir.exists());
        }
        let unknown = down(&name).await.expect_err("there is none");
        assert!(matches!(unknown, LabError::Unknown(_)), "{unknown}");
    }
}
