//! The demo: brings up the lab, installs, applies `examples/`, shows progress and ends with what the cluster says. Starts
//! processes that outlive it; `down` ends them.

use crate::certificate;
use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::controller::Detached;
use crate::controller::NAMESPACE;
use crate::controller::SERVICE_ACCOUNT;
use crate::controller::program;
use crate::error::Error;
use crate::install;
use crate::recount;
use crate::servers;
use crate::tables;
use raidc_crds::condition;
use raidc_lab::LabError;
use raidc_lab::Running;
use raidc_lab::daemon;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// File in the lab's folder that says which process is the controller.
const RECORD: &str = "controller.json";
/// Name of the demo's lab.
const LAB: &str = "demo";
/// Servers that must be Ready at the end.
const AT_LEAST: usize = 40;
/// Longest that the servers may take on a busy machine with two cores.
const WITHIN: Duration = Duration::from_mins(10);

/// Colocations of `examples/`, all of which must be Ready at the end.
const COLOCATIONS: usize = 6;

/// The controller that the demo left running.
#[derive(Serialize, Deserialize)]
struct Left {
    process: Running,
    listen: String,
}

/// How long each phase took, in the order in which they ran.
pub struct Phases {
    list: Vec<(String, Duration)>,
    since: Instant,
}

impl Phases {
    /// Begins with phases that ran before this program.
    #[must_use]
    pub fn after(list: Vec<(String, Duration)>) -> Self {
        Self {
            list,
            since: Instant::now(),
        }
    }

    fn end(&mut self, name: &str) {
        let took = self.since.elapsed();
        println!("   {name}: {:.1} s", took.as_secs_f64());
        self.list.push((name.to_owned(), took));
        self.since = Instant::now();
    }
}

/// Brings the demo up and tells what came of it.
pub async fn up(mut phases: Phases) -> Result<(), Error> {
    down().await?;
    println!("-- a real control plane on loopback, with four simulated sites");
    lab(&["up", LAB, "--profile", "full"]).await?;
    let cluster = Cluster::connect(folder().join("admin.kubeconfig"), folder()).await?;
    phases.end("control plane up");

    println!("-- our charts, by Helm");
    install::charts(&cluster, &[]).await?;
    phases.end("charts installed");

    println!("-- the controller, under the chart's service account");
    let kubeconfig = cluster
        .service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT)
        .await?;
    let mut controller = Controller::start_detached(&cluster, &kubeconfig, LAB)?;
    record(&controller)?;
    let servers = tokio::select! {
        servers = applied(&cluster, &mut phases) => servers?,
        ended = controller.ended() => return Err(ended),
    };

    let view = recount::View::read(&cluster).await?;
    tables::print(&view);
    let proof = certificate::verify(&cluster).await?;
    recount::compare(&view)?;
    let shared = recount::shared(&view);
    println!(
        "\nCertificate: {} single losses checked by the independent checker against what is in the cluster: every protected\n\
         server has a place in each of them. Rack table: equal to a recount from the cluster's objects.\n\
         {} copies or reserves share a site or a shared risk with their original.",
        proof.scenarios,
        shared.len()
    );
    if !shared.is_empty() {
        return Err(Error::Wrong(shared.join("; ")));
    }
    println!("\nHow long it took:");
    for (name, took) in &phases.list {
        println!("  {:>7.1} s  {name}", took.as_secs_f64());
    }
    tables::further(&cluster, servers, view.colocations.len());
    Ok(())
}

/// Applies `examples/` and waits for all that they ask for. How many servers there are.
async fn applied(cluster: &Cluster, phases: &mut Phases) -> Result<usize, Error> {
    println!("-- examples/, verbatim");
    let files = install::examples(cluster).await?;
    phases.end(&format!("{files} example files applied"));
    let servers = watch_progress(cluster).await?;
    servers::colocations(cluster, COLOCATIONS, WITHIN).await?;
    phases.end("servers and colocations Ready");
    wait_for_copies(cluster).await?;
    phases.end("copies made");
    Ok(servers.len())
}

/// Writes down which process is the controller, so that `down` ends that one and no other.
fn record(controller: &Detached) -> Result<(), Error> {
    let process = controller.child.id();
    let process = process.and_then(|process| Running::of("controller", process));
    let left = Left {
        process: process.ok_or_else(|| {
            Error::Wrong(format!(
                "the controller ended at once; its log is {}",
                controller.log.display()
            ))
        })?,
        listen: controller.listen.clone(),
    };
    let record = folder().join(RECORD);
    let text = serde_json::to_string(&left).map_err(|e| Error::Wrong(e.to_string()))?;
    std::fs::write(&record, text).map_err(Error::file(&record))
}

/// Ends what `up` left running. Ends nothing else.
pub async fn down() -> Result<(), Error> {
    let record = folder().join(RECORD);
    if let Ok(text) = std::fs::read_to_string(&record) {
        if let Ok(left) = serde_json::from_str::<Left>(&text) {
            left.process.terminate();
        }
        std::fs::remove_file(&record).map_err(Error::file(&record))?;
    }
    match daemon::down(LAB).await {
        Err(LabError::Unknown(_)) => Ok(()),
        done => Ok(done?),
    }
}

async fn lab(args: &[&str]) -> Result<(), Error> {
    let program = program("raidc-lab")?;
    let status = Command::new(&program)
        .args(args)
        .status()
        .await
        .map_err(Error::file(&program))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Command {
            command: format!("raidc-lab {}", args.join(" ")),
            output: format!("{status}"),
        })
    }
}

fn folder() -> PathBuf {
    install::repository().join(".lab").join(LAB)
}

async fn watch_progress(cluster: &Cluster) -> Result<Vec<raidc_crds::VirtualServer>, Error> {
    let mut said = String::new();
    servers::until(cluster, "every server is Ready", WITHIN, |servers| {
        let count = |kind| servers.iter().filter(|s| servers::holds(s, kind)).count();
        let line = format!(
            "   {:>3} servers: {:>3} placed, {:>3} provisioned, {:>3} Ready, {:>3} protected",
            servers.len(),
            count(condition::PLACED),
            count(condition::PROVISIONED),
            count(condition::READY),
            count(condition::PROTECTED),
        );
        if line != said {
            println!("{line}");
            said = line;
        }
        servers::every(servers, condition::READY, AT_LEAST)
    })
    .await
}

async fn wait_for_copies(cluster: &Cluster) -> Result<(), Error> {
    let mut said = BTreeSet::new();
    servers::until(cluster, "every copy is made", WITHIN, |servers| {
        let protected: Vec<_> = servers
            .iter()
            .filter(|s| {
                s.status
                    .as_ref()
                    .is_some_and(|status| !status.copy_sites.is_empty())
            })
            .cloned()
            .collect();
        let line = protected
            .iter()
            .filter(|s| servers::holds(s, condition::PROTECTED))
            .count();
        if said.insert(line) {
            println!("   {line:>3} of {} copies proven", protected.len());
        }
        servers::every(&protected, condition::PROTECTED, 1)
    })
    .await
    .map(|_| ())
}
