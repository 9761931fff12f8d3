//! Where the real binaries and manifests are, and having them built when they are missing. Does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::error::LabError;
use crate::fleet::Profile;

const CONTROL_PLANE: [&str; 5] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
];
const TOOLS: [&str; 1] = ["helm"];
const CONTROLLERS: [&str; 4] = ["virt-api", "virt-controller", "virtctl", "volsync"];
const CRDS: [&str; 5] = [
    "kubevirtCrds",
    "kubevirtRbac",
    "cdiCrds",
    "volsyncCrds",
    "snapshotCrds",
];
const FULL_MANIFESTS: [&str; 4] = [
    "kubevirtWebhooks",
    "kubevirtApiServices",
    "kubevirtExtras",
    "volsyncRbac",
];

/// What the build script left in the cache.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Parts {
    bin: BTreeMap<String, PathBuf>,
    manifests: BTreeMap<String, PathBuf>,
    /// Part → version.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
}

impl Parts {
    /// What a lab of this profile needs; builds what is missing (minutes) and tells the script's progress.
    pub async fn ensure(profile: Profile, tell: impl Fn(&str)) -> Result<Self, LabError> {
        let found = Self::read()?;
        if found.missing(profile).is_empty() {
            return Ok(found);
        }
        Self::build(&[], &tell).await?;
        let built = Self::read()?;
        match built.missing(profile).as_slice() {
            [] => Ok(built),
            missing => Err(LabError::Parts {
                reason: format!("the build ended well but left out {}", missing.join(", ")),
            }),
        }
    }

    /// Runs the build script with `args`; it builds only what is not in the cache.
    pub async fn build(args: &[String], tell: &impl Fn(&str)) -> Result<(), LabError> {
        let script = repository().join("tests/lab/parts/build");
        let start = |source| LabError::Start {
            part: "parts build".to_owned(),
            program: script.clone(),
            source,
        };
        let mut command = Command::new("bash");
        command
            .arg(&script)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(start)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let errors = tokio::spawn(async move {
            let mut kept = Vec::new();
            if let Some(err) = err {
                let mut lines = BufReader::new(err).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    kept.push(line);
                }
            }
            kept.join("\n")
        });
        if let Some(out) = out {
            let mut lines = BufReader::new(out).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tell(&line);
            }
        }
        let status = child.wait().await.map_err(start)?;
        let reason = errors.await.unwrap_or_default();
        if status.success() {
            Ok(())
        } else {
            Err(LabError::Parts {
                reason: format!("{status}: {reason}"),
            })
        }
    }

    pub(crate) fn read() -> Result<Self, LabError> {
        let path = cache().join("parts/current.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(LabError::file("read", path)(error)),
        };
        serde_json::from_str(&text).map_err(|error| LabError::Parts {
            reason: format!("{} is damaged ({error}); delete it", path.display()),
        })
    }

    fn missing(&self, profile: Profile) -> Vec<&'static str> {
        let full = profile == Profile::Full;
        let controllers = if full { &CONTROLLERS[..] } else { &[] };
        let manifests = if full { &FULL_MANIFESTS[..] } else { &[] };
        let absent =
            |map: &BTreeMap<String, PathBuf>, name: &str| map.get(name).is_none_or(|path| !path.exists());
        let bins = CONTROL_PLANE
            .iter()
            .chain(&TOOLS)
            .chain(controllers)
            .filter(|name| absent(&self.bin, name));
        let files = CRDS
            .iter()
            .chain(manifests)
            .filter(|name| absent(&self.manifests, name));
        bins.chain(files).copied().collect()
    }

    /// Path of a binary; a bare name (found on `PATH`) if the parts do not have it.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.bin.get(name).cloned().unwrap_or_else(|| name.into())
    }

    /// The folders in which the binaries are.
    pub(crate) fn folders(&self) -> BTreeSet<PathBuf> {
        self.bin
            .values()
            .filter_map(|path| path.parent())
            .map(Path::to_owned)
            .collect()
    }

    /// A JSON file or a folder of YAML files.
    pub fn manifest(&self, name: &'static str) -> Result<&Path, LabError> {
        self.manifests
            .get(name)
            .map(PathBuf::as_path)
            .ok_or_else(|| LabError::Parts {
                reason: format!("manifest `{name}` is not among the parts; run `raidc-lab parts`"),
            })
    }
}

/// Where parts and port locks are kept, outside every repository.
pub(crate) fn cache() -> PathBuf {
    if let Some(path) = std::env::var_os("RAIDC_CACHE").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/raidc")
}

/// The repository that this crate was compiled in.
pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_listed_but_gone_counts_as_missing() {
        let json = r#"{"bin": {"etcd": "/nonexistent/etcd", "kubectl": "/bin/sh"}, "manifests": {}, "versions": {}}"#;
        let parts: Parts = serde_json::from_str(json).expect("as the build script writes it");
        let missing = parts.missing(Profile::Light);
        assert!(
            missing.contains(&"etcd") && missing.contains(&"cdiCrds"),
            "{missing:?}"
        );
        assert!(
            !missing.contains(&"kubectl") && !missing.contains(&"virt-api"),
            "{missing:?}"
        );
        assert!(parts.missing(Profile::Full).contains(&"virt-api"));
        assert!(parts.manifest("cdiCrds").is_err());
    }
}
