//! Our charts, installed by real Helm the way the platform team does it. Runs commands.

use crate::cluster::Cluster;
use crate::controller::NAMESPACE;
use crate::error::Error;
use std::path::Path;
use std::path::PathBuf;

/// Root of the repository that this crate was compiled in.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Installs or upgrades both charts. The Deployment has no replica: the controller runs as a process, so that the test
/// can kill it, under the chart's service account, so that the chart's rights are what it has. `more` goes to the operator's chart.
pub async fn charts(cluster: &Cluster, more: &[&str]) -> Result<(), Error> {
    let charts = repository().join("charts");
    let operator = [&["--set", "replicas=0"], more].concat();
    for (release, more) in [("raidc-crds", &[][..]), ("raidc", &operator[..])] {
        let chart = charts.join(release);
        let chart = chart.to_string_lossy();
        let mut args = vec![
            "upgrade",
            "--install",
            release,
            chart.as_ref(),
            "--namespace",
            NAMESPACE,
            "--create-namespace",
        ];
        args.extend(more);
        args.extend(["--wait", "--timeout", "2m"]);
        cluster.helm(&args).await?;
    }
    Ok(())
}

/// Applies the files of `examples/` verbatim, in the order of their names.
pub async fn examples(cluster: &Cluster) -> Result<usize, Error> {
    apply(cluster, |_| true).await
}

/// Applies what the platform team writes (sites, racks, policies, tenants, catalogue), and no server or colocation.
pub async fn platform(cluster: &Cluster) -> Result<usize, Error> {
    apply(cluster, |name| name < "50").await
}

async fn apply(cluster: &Cluster, wanted: impl Fn(&str) -> bool) -> Result<usize, Error> {
    let folder = repository().join("examples");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(Error::file(&folder))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| wanted(&name.to_string_lossy()))
        })
        .collect();
    files.sort();
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(Error::file(file))?;
        crate::servers::retried(&format!("apply {}", file.display()), || cluster.apply(&text)).await?;
    }
    Ok(files.len())
}
