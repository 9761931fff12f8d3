//! etcd's data with every CRD already in it, made once per set of parts and copied into each lab: taking in the CRDs
//! costs the API server more than all the rest of coming up. Runs processes and does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::certs::Pki;
use crate::control_plane::{ControlPlane, ControlPlanePorts};
use crate::error::{LabError, chain};
use crate::faults::{self, FaultSet};
use crate::objects::{apply, from_json, read, versions};
use crate::parts::{Parts, cache};
use crate::supervisor::Supervisor;
use crate::up::{create_private, start_api_server};
use crate::waiting::until;
use crate::{kubevirt, volsync};

/// Raise when what is put into the seed changes.
const LAYOUT: u32 = 1;
/// Namespaces that every lab has.
const NAMESPACES: [&str; 6] = [
    kubevirt::NAMESPACE,
    "cdi",
    volsync::NAMESPACE,
    "raidc-system",
    "raidc-images",
    faults::NAMESPACE,
];
const CRDS: [&str; 4] = ["kubevirtCrds", "cdiCrds", "snapshotCrds", "volsyncCrds"];

/// Group and version → plurals that must be served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Served(BTreeMap<String, BTreeSet<String>>);

/// A copy of etcd's data to start from.
pub(crate) struct Seed {
    folder: PathBuf,
}

impl Seed {
    /// The seed of these parts; made if there is none yet, by one lab at a time.
    pub(crate) async fn ensure(parts: &Parts, pki: &Pki, on: ControlPlanePorts) -> Result<Self, LabError> {
        let seeds = cache().join("seeds");
        create_private(&seeds)?;
        let folder = seeds.join(stamp(parts));
        let seed = Self {
            folder: folder.clone(),
        };
        if folder.exists() {
            return Ok(seed);
        }
        let lock = lock(&seeds).await?;
        // Another lab may have made it while this one waited.
        if folder.exists() {
            return Ok(seed);
        }
        let work = seeds.join(".work");
        if work.exists() {
            std::fs::remove_dir_all(&work).map_err(LabError::file("remove", &work))?;
        }
        create_private(&work)?;
        make(parts, pki, on, &work).await?;
        std::fs::rename(&work, &folder).map_err(LabError::file("rename", work))?;
        drop(lock);
        Ok(seed)
    }

    /// Copies etcd's data to `target`, which must not exist.
    pub(crate) fn plant(&self, target: &Path) -> Result<(), LabError> {
        copy(&self.folder.join("etcd"), target)
    }

    /// Waits until the API server serves what the seed holds.
    pub(crate) async fn served(
        &self,
        client: &Client,
        check: impl Fn() -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        let path = self.folder.join("served.json");
        let text = std::fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
        let wanted: Served = serde_json::from_str(&text).map_err(|error| LabError::Manifest {
            path,
            reason: error.to_string(),
        })?;
        wanted.wait(client, check).await
    }
}

impl Served {
    /// Asks discovery rather than the CRDs: those are megabytes.
    async fn wait(&self, client: &Client, check: impl Fn() -> Result<(), LabError>) -> Result<(), LabError> {
        for (group_version, plurals) in &self.0 {
            until(&format!("{group_version} being served"), &check, || async {
                let list = client.list_api_group_resources(group_version).await;
                let list = list.map_err(|error| chain(&error))?;
                let found: BTreeSet<String> = list.resources.into_iter().map(|one| one.name).collect();
                let absent: Vec<&str> = plurals.difference(&found).map(String::as_str).collect();
                if absent.is_empty() {
                    Ok(())
                } else {
                    Err(format!("no {}", absent.join(", ")))
                }
            })
            .await?;
        }
        Ok(())
    }
}

/// The parts' folders are named after everything that decides what is in them.
fn stamp(parts: &Parts) -> String {
    let mut hash = Sha256::new();
    hash.update(LAYOUT.to_be_bytes());
    hash.update(format!("{NAMESPACES:?} {parts:?}").as_bytes());
    let first = hash
        .finalize()
        .iter()
        .take(8)
        .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    format!("{first:016x}")
}

/// Waits for the lock without blocking the thread: the holder may be another lab of the same test.
async fn lock(seeds: &Path) -> Result<File, LabError> {
    let path = seeds.join(".lock");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(LabError::file("open", &path))?;
    let free = || async { file.try_lock().map_err(|_| "another lab is making it".to_owned()) };
    until("the turn to make the labs' seed", || Ok(()), free).await?;
    Ok(file)
}

/// Ends etcd and the API server, whatever happens.
struct Stop<'a>(&'a Supervisor);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn make(parts: &Parts, pki: &Pki, on: ControlPlanePorts, work: &Path) -> Result<(), LabError> {
    let supervisor = Supervisor::new(work);
    // etcd writes its log before it answers, and the kernel keeps what a killed process wrote.
    let stop = Stop(&supervisor);
    let plane = ControlPlane {
        parts,
        pki,
        dir: work,
        ports: on,
    };
    let client = start_api_server(&plane, &supervisor).await?;
    let served = install(&client, parts).await?;
    served.wait(&client, || supervisor.check()).await?;
    drop(stop);
    let path = work.join("served.json");
    std::fs::write(&path, json!(served).to_string()).map_err(LabError::file("write", path))?;
    for entry in std::fs::read_dir(work).map_err(LabError::file("list", work))? {
        let path = entry.map_err(LabError::file("list", work))?.path();
        if path.is_file() && !path.ends_with("served.json") {
            std::fs::remove_file(&path).map_err(LabError::file("remove", path))?;
        }
    }
    Ok(())
}

async fn install(client: &Client, parts: &Parts) -> Result<Served, LabError> {
    let mut objects = Vec::new();
    for part in CRDS {
        objects.extend(read(parts.manifest(part)?)?);
    }
    let mut served = Served::default();
    for (group_version, plural) in objects.iter().flat_map(versions) {
        served
            .0
            .entry(group_version)
            .or_default()
            .insert(plural.to_owned());
    }
    for name in NAMESPACES {
        objects.push(from_json(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        )?);
    }
    apply(client, objects).await?;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": faults::CONFIG_MAP, "namespace": faults::NAMESPACE},
        "data": {faults::CONFIG_KEY: faults::text(&FaultSet::default())},
    });
    apply(client, vec![from_json(map)?]).await?;
    Ok(served)
}

fn copy(from: &Path, to: &Path) -> Result<(), LabError> {
    create_private(to)?;
    for entry in std::fs::read_dir(from).map_err(LabError::file("list", from))? {
        let path = entry.map_err(LabError::file("list", from))?.path();
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(LabError::file("copy", path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parts_never_share_a_seed() {
        let parts = |path: &str| -> Parts {
            let json = json!({"bin": {"etcd": path}, "manifests": {}, "versions": {}});
            serde_json::from_value(json).expect("as the build script writes it")
        };
        assert_eq!(stamp(&parts("/a")), stamp(&parts("/a")));
        assert_ne!(stamp(&parts("/a")), stamp(&parts("/b")));
    }

    #[test]
    fn a_copy_has_every_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("a/b")).expect("room for it");
        std::fs::write(from.join("a/b/c"), "x").expect("room for it");
        copy(&from, &to).expect("a copy");
        assert_eq!(
            std::fs::read_to_string(to.join("a/b/c")).expect("it is there"),
            "x"
        );
    }
}
