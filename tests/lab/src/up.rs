//! Bringing a lab up, phase by phase. Runs processes, writes files and talks to the API server.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::sync::watch;

use crate::access::Access;
use crate::audit;
use crate::certs::{Pki, write_private};
use crate::control_plane::{ControlPlane, ControlPlanePorts};
use crate::controllers::Controllers;
use crate::daemon::LOCK;
use crate::error::{LabError, chain};
use crate::fleet::{FleetSpec, Profile};
use crate::kubeconfig::{self, Credential};
use crate::kubevirt;
use crate::lab::{Lab, Simulator};
use crate::options::LabOptions;
use crate::parts::{Parts, cache};
use crate::ports::Ports;
use crate::seed::Seed;
use crate::sim::{self, SimConfig};
use crate::supervisor::Supervisor;
use crate::waiting::until;

impl Lab {
    /// Brings a lab up; seconds if the real parts are in the cache, minutes if they must be built first. Its progress
    /// goes to standard error.
    pub async fn up(options: LabOptions) -> Result<Self, LabError> {
        let name = options.name.clone();
        Self::up_telling(options, |line| eprintln!("{name}: {line}")).await
    }

    /// The same, telling each phase when it is done and the progress of a build.
    pub async fn up_telling(options: LabOptions, tell: impl Fn(&str)) -> Result<Self, LabError> {
        options.validate()?;
        let dir = options.folder();
        let lock = claim(&options.name, &dir)?;
        let mut clock = PhaseClock::new(&tell);

        let parts = Parts::ensure(options.profile, &tell).await?;
        clock.done("parts found");
        let logs = dir.join("logs");
        create_private(&logs)?;
        create_private(&dir.join("run"))?;
        let pki = Pki::create(&dir.join("pki"))?;
        let mut taken = Ports::new(&cache().join("ports"))?;
        let supervisor = Supervisor::new(&logs);
        let mut guard = Guard(Some(supervisor.clone()));
        clock.done("certificates made");

        let on = take_ports(&mut taken)?;
        let seed = Seed::ensure(&parts, &pki, on).await?;
        seed.plant(&dir.join("etcd"))?;
        clock.done("seed planted");

        let plane = ControlPlane {
            parts: &parts,
            pki: &pki,
            dir: &dir,
            ports: on,
        };
        let client = start_api_server(&plane, &supervisor).await?;
        supervisor.start(plane.controllers())?;
        supervisor.start(plane.scheduler())?;
        seed.served(&client, || supervisor.check()).await?;
        let config = kubeconfig::config(&dir.join("admin.kubeconfig")).await?;
        let access = Access {
            dir,
            fleet: options.fleet.clone(),
            parts,
            pki,
            config,
        };
        clock.done("control plane ready");

        let full = options.profile == Profile::Full;
        kubevirt::configure(&client, &access.parts, &access.pki, full).await?;
        let simulator = start_simulator(&options, &access.config, &supervisor)?;
        if full {
            let controllers = Controllers {
                access: &access,
                client: &client,
                supervisor: &supervisor,
            };
            controllers.start(&mut taken).await?;
        }
        clock.done(if full {
            "KubeVirt and VolSync ready"
        } else {
            "KubeVirt configured"
        });

        let check = || supervisor.check().and_then(|()| simulator.check());
        tokio::try_join!(
            nodes_ready(&client, &options.fleet, check),
            accounts_made(&client, check)
        )?;
        clock.done("hosts ready");

        guard.0 = None;
        let (name, keep, phases) = (options.name, options.keep, clock.phases);
        Ok(Self {
            name,
            keep,
            access,
            supervisor,
            simulator,
            phases,
            _ports: taken,
            _lock: lock,
        })
    }
}

/// Waits until every host of the fleet is a ready node.
async fn nodes_ready(
    client: &Client,
    fleet: &FleetSpec,
    check: impl Fn() -> Result<(), LabError>,
) -> Result<(), LabError> {
    let nodes: Api<Node> = Api::all(client.clone());
    let wanted = fleet.hosts();
    until("all hosts as ready nodes", check, || async {
        let list = nodes
            .list(&ListParams::default())
            .await
            .map_err(|error| chain(&error))?;
        let ready = list.items.iter().filter(|node| is_ready(node)).count() as u64;
        if ready >= wanted {
            Ok(())
        } else {
            Err(format!("{ready} of {wanted}"))
        }
    })
    .await
}

/// Waits until the controller-manager has given every namespace its default account: without it no pod is taken.
async fn accounts_made(client: &Client, check: impl Fn() -> Result<(), LabError>) -> Result<(), LabError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let accounts: Api<ServiceAccount> = Api::all(client.clone());
    let default = ListParams::default().fields("metadata.name=default");
    until("the default account of every namespace", check, || async {
        let wanted = namespaces
            .list_metadata(&ListParams::default())
            .await
            .map_err(|error| chain(&error))?;
        let found = accounts
            .list_metadata(&default)
            .await
            .map_err(|error| chain(&error))?;
        let (wanted, found) = (wanted.items.len(), found.items.len());
        if found >= wanted {
            Ok(())
        } else {
            Err(format!("{found} of {wanted}"))
        }
    })
    .await
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// Ends the processes if coming up fails half-way.
struct Guard(Option<Supervisor>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.0 {
            supervisor.stop();
        }
    }
}

/// Times phases and tells them.
struct PhaseClock<'a> {
    tell: &'a dyn Fn(&str),
    since: Instant,
    phases: Vec<(String, Duration)>,
}

impl<'a> PhaseClock<'a> {
    fn new(tell: &'a dyn Fn(&str)) -> Self {
        Self {
            tell,
            since: Instant::now(),
            phases: Vec::new(),
        }
    }

    fn done(&mut self, phase: &str) {
        let took = self.since.elapsed();
        (self.tell)(&format!("{phase} in {:.1} s", took.as_secs_f64()));
        self.phases.push((phase.to_owned(), took));
        self.since = Instant::now();
    }
}

/// Takes the folder for this process and empties it of what an earlier lab left.
fn claim(name: &str, dir: &Path) -> Result<File, LabError> {
    create_private(dir)?;
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    let lock = options.create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(LabError::file("open", &path))?;
    lock.try_lock().map_err(|_| LabError::Held(name.to_owned()))?;
    for entry in std::fs::read_dir(dir).map_err(LabError::file("list", dir))? {
        let path = entry.map_err(LabError::file("list", dir))?.path();
        // The daemon's own files are written by whoever holds the lab from outside.
        if [LOCK, "state.json", "daemon.log", "fleet.json"]
            .iter()
            .any(|kept| path.ends_with(kept))
        {
            continue;
        }
        let gone = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        gone.map_err(LabError::file("remove", path))?;
    }
    Ok(lock)
}

/// Creates a folder that only its owner can look into: it holds keys.
pub(crate) fn create_private(dir: &Path) -> Result<(), LabError> {
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(LabError::file("create", dir))
}

fn take_ports(ports: &mut Ports) -> Result<ControlPlanePorts, LabError> {
    Ok(ControlPlanePorts {
        etcd: ports.take()?,
        etcd_peer: ports.take()?,
        api: ports.take()?,
        controllers: ports.take()?,
        scheduler: ports.take()?,
    })
}

/// Starts etcd and the API server and waits until it answers.
pub(crate) async fn start_api_server(
    plane: &ControlPlane<'_>,
    supervisor: &Supervisor,
) -> Result<Client, LabError> {
    let (dir, port) = (plane.dir, plane.ports.api);
    let accounts = [
        ("admin", "admin"),
        ("controller-manager", "kube-controller-manager"),
        ("scheduler", "kube-scheduler"),
    ];
    for (file, who) in accounts {
        let path = dir.join(format!("{file}.kubeconfig"));
        kubeconfig::write(&path, plane.pki, port, &Credential::Certificate(who))?;
    }
    write_private(&dir.join("audit-policy.yaml"), &audit::policy())?;
    supervisor.start(plane.etcd())?;
    supervisor.start(plane.api_server())?;
    let client = kubeconfig::client(kubeconfig::config(&dir.join("admin.kubeconfig")).await?)?;
    until(
        "the API server's /readyz",
        || supervisor.check(),
        || async {
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .map_err(|error| error.to_string())?;
            client
                .request_text(request)
                .await
                .map(drop)
                .map_err(|error| chain(&error))
        },
    )
    .await?;
    Ok(client)
}

fn start_simulator(
    options: &LabOptions,
    config: &kube::Config,
    supervisor: &Supervisor,
) -> Result<Simulator, LabError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("lab-simulator")
        .enable_all()
        .build()
        .map_err(LabError::file("start the threads of", options.folder()))?;
    let (cancel, cancelled) = watch::channel(false);
    let error = Arc::new(Mutex::new(None));
    let (told, config) = (Arc::clone(&error), config.clone());
    let (fleet, profile, delays) = (options.fleet.clone(), options.profile, options.delays.clone());
    runtime.spawn(async move {
        // The client's own tasks must live on these threads, so it is made here.
        let end = match kubeconfig::client(config.clone()) {
            Ok(admin) => {
                let config = SimConfig {
                    admin,
                    handler: config,
                    fleet,
                    profile,
                    delays,
                };
                sim::run(config, cancelled.clone())
                    .await
                    .map_err(|error| chain(&error))
            }
            Err(error) => Err(chain(&error)),
        };
        if !*cancelled.borrow() {
            let why = end
                .err()
                .unwrap_or_else(|| "it returned although nobody cancelled it".to_owned());
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
    });
    runtime.spawn(supervisor.clone().watch());
    Ok(Simulator {
        runtime: Some(runtime),
        cancel,
        error,
    })
}
