//! Plays CDI's DataVolume controller and its importers: claim, fill, report. Writes claims and DataVolume status.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::catalogue::IMAGE_LABEL;
use super::plan::{self, IMMEDIATE, Refusal, Report, Source};
use crate::sim::SimError;
use crate::sim::csi::content::{Content, of_snapshot, volume_of};
use crate::sim::engine::{Change, Context, Keeper, Kind, Next, Seen};
use crate::sim::faults::Reach;
use crate::sim::guest::{WRITTEN, Written};
use crate::sim::kubelet::owner;
use crate::sim::value::{Key, Look};

/// Pause before an importer that failed is started again; doubles up to [`LONGEST`].
const RESTART: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Size of an image without a disk behind it.
const IMAGE_SIZE: &str = "4Gi";
/// What an importer says when it cannot fetch its image.
const IMPORT_ERROR: &str = "Unable to connect to http data source: connection refused";

/// Keeps the DataVolumes.
pub(crate) struct DataVolumes {
    context: Arc<Context>,
}

/// A source that can be read, and its size if it has one.
struct Resolved {
    source: Source,
    size: Option<String>,
}

impl DataVolumes {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn say(&self, volume: &Seen, report: &Report<'_>) -> Result<(), SimError> {
        let status = plan::status(volume, report, Timestamp::now());
        self.context.merge_status(Kind::DataVolume, volume, status).await
    }

    async fn pend(&self, volume: &Seen, refusal: &Refusal) -> Result<Next, SimError> {
        let report = Report {
            phase: "Pending",
            progress: "N/A",
            restarts: 0,
            bound: (false, refusal.0, &refusal.1),
            running: (false, "", ""),
            ready: false,
        };
        self.say(volume, &report).await?;
        Ok(Next::OnChange)
    }

    /// Follows the reference to something that can be read.
    fn resolve(&self, volume: &Seen) -> Result<Resolved, Refusal> {
        let world = &self.context.world;
        let mut source = plan::source(volume);
        if let Source::Reference(key) = &source {
            let Some(data_source) = world.get(Kind::DataSource, key) else {
                return Err(Refusal("NotFound", format!("DataSource {key} not found")));
            };
            if data_source.condition("Ready") != "True" {
                return Err(Refusal(
                    "NotReady",
                    format!("DataSource {key} is not ready to be cloned"),
                ));
            }
            if !data_source.label(IMAGE_LABEL).is_empty() {
                return Ok(Resolved {
                    source: Source::Image,
                    size: Some(IMAGE_SIZE.into()),
                });
            }
            source = plan::source(&data_source);
        }
        let size = match &source {
            Source::CloneOfClaim(key) => {
                let Some(claim) = world.get(Kind::Claim, key) else {
                    return Err(Refusal(
                        "CloneSourceNotFound",
                        format!("Source PVC {key} not found"),
                    ));
                };
                Some(claim.text("/spec/resources/requests/storage").to_owned())
            }
            Source::CloneOfSnapshot(key) => {
                let Some(snapshot) = world.get(Kind::Snapshot, key) else {
                    return Err(Refusal(
                        "CloneSourceNotFound",
                        format!("Source snapshot {key} not found"),
                    ));
                };
                Some(snapshot.text("/status/restoreSize").to_owned()).filter(|size| !size.is_empty())
            }
            Source::Reference(key) => {
                return Err(Refusal(
                    "NotReady",
                    format!("DataSource {key} refers to another DataSource"),
                ));
            }
            Source::None => {
                return Err(Refusal(
                    "ErrClaimNotValid",
                    "the DataVolume names no source".into(),
                ));
            }
            Source::Blank | Source::Image | Source::Upload => None,
        };
        Ok(Resolved { source, size })
    }

    async fn make_claim(&self, volume: &Seen, resolved: &Resolved) -> Result<Next, SimError> {
        let context = &self.context;
        let class = [
            volume.text("/spec/storage/storageClassName"),
            volume.text("/spec/pvc/storageClassName"),
        ]
        .concat();
        let profile = context.world.get(Kind::StorageProfile, &Key::cluster(&class));
        // An importer's pod would be the first consumer: it runs on some host of the class.
        let faults = context.faults();
        let up = |name: &str, host: &crate::sim::places::Host| faults.host(&host.site, name) == Reach::On;
        let immediate = volume.note(IMMEDIATE) == "true";
        let node = if immediate {
            context.places.host_for(&class, up)
        } else {
            None
        };
        match plan::claim(volume, profile.as_ref(), resolved.size.as_deref(), node) {
            Ok(claim) => {
                context.create(Kind::Claim, &volume.key().ns, claim).await?;
                Ok(Next::OnChange)
            }
            Err(refusal) => self.pend(volume, &refusal).await,
        }
    }

    /// A claim that waits for a host although it was to be filled at once.
    async fn choose_host(&self, volume: &Seen, claim: &Seen) -> Result<(), SimError> {
        let selected = crate::sim::csi::provision::SELECTED_NODE;
        if volume.note(IMMEDIATE) != "true" || !claim.note(selected).is_empty() {
            return Ok(());
        }
        let faults = self.context.faults();
        let up = |name: &str, host: &crate::sim::places::Host| faults.host(&host.site, name) == Reach::On;
        if let Some(node) = self
            .context
            .places
            .host_for(claim.text("/spec/storageClassName"), up)
        {
            let patch = json!({"metadata": {"annotations": {selected: node}}});
            self.context.merge(Kind::Claim, claim, patch).await?;
        }
        Ok(())
    }

    async fn fill(&self, volume: &Seen, claim: &Seen, resolved: &Resolved) -> Result<Next, SimError> {
        let context = &self.context;
        let name = volume.key().name;
        let (scheduled, in_progress) = plan::phases(&resolved.source);
        let bound = claim.text("/status/phase") == "Bound";
        let message = format!("PVC {name} {}", if bound { "Bound" } else { "Pending" });
        let mut report = Report {
            phase: scheduled,
            progress: "N/A",
            restarts: volume.at("/status/restartCount").as_i64().unwrap_or_default(),
            bound: (bound, if bound { "Bound" } else { "Pending" }, &message),
            running: (false, "", ""),
            ready: false,
        };
        if !bound {
            self.choose_host(volume, claim).await?;
            let waits = claim.note(crate::sim::csi::provision::SELECTED_NODE).is_empty();
            report.phase = if waits && volume.note(IMMEDIATE) != "true" {
                "WaitForFirstConsumer"
            } else {
                scheduled
            };
            self.say(volume, &report).await?;
            return Ok(Next::OnChange);
        }
        if resolved.source == Source::Upload {
            report.phase = "UploadReady";
            report.running = (true, "Pod is running", "");
            self.say(volume, &report).await?;
            return Ok(Next::OnChange);
        }
        report.phase = in_progress;
        if resolved.source == Source::Image && context.faults().import_fails(&volume.key()) {
            return self.fail(volume, report).await;
        }
        let delay = context.delays.import + context.faults().slow_import();
        if let Some(left) = context.waiting(volume.uid(), "import", delay) {
            report.progress = "0.0%";
            report.running = (true, "Pod is running", "");
            self.say(volume, &report).await?;
            return Ok(Next::After(left));
        }
        self.copy(&resolved.source, claim).await?;
        report.phase = "Succeeded";
        report.progress = "100.0%";
        report.running = (false, "Completed", "Import Complete");
        report.ready = true;
        self.say(volume, &report).await?;
        Ok(Next::OnChange)
    }

    /// The importer's pod fails and is started again, later each time.
    async fn fail(&self, volume: &Seen, mut report: Report<'_>) -> Result<Next, SimError> {
        self.context.reset(volume.uid(), "import");
        let pause = RESTART
            .saturating_mul(1 << report.restarts.clamp(0, 6))
            .min(LONGEST);
        let left = self.context.waiting(volume.uid(), "import-restart", pause);
        if left.is_none() || report.restarts == 0 {
            report.restarts += 1;
            self.context.reset(volume.uid(), "import-restart");
        }
        report.running = (false, "Error", IMPORT_ERROR);
        self.say(volume, &report).await?;
        Ok(Next::After(left.unwrap_or(pause)))
    }

    /// What the source holds is on the disk now.
    async fn copy(&self, source: &Source, claim: &Seen) -> Result<(), SimError> {
        let written = match source {
            Source::CloneOfClaim(key) => {
                volume_of(&self.context, key).map(|volume| Written::of(&volume).frozen(Timestamp::now()))
            }
            Source::CloneOfSnapshot(key) => match of_snapshot(&self.context, key) {
                Content::Ready(written) => Some(written),
                Content::Wait | Content::NotOurs => None,
            },
            _ => None,
        };
        let (Some(written), Some(volume)) = (written, volume_of(&self.context, &claim.key())) else {
            return Ok(());
        };
        let patch = json!({"metadata": {"annotations": {WRITTEN: written.note()}}});
        self.context.merge(Kind::Volume, &volume, patch).await
    }

    async fn adopt(&self, volume: &Seen, claim: &Seen) -> Result<Next, SimError> {
        let patch = json!({"metadata": {"ownerReferences": [plan::owner(volume)]}});
        self.context.merge(Kind::Claim, claim, patch).await?;
        let bound = claim.text("/status/phase") == "Bound";
        let message = format!("PVC {} {}", claim.key().name, claim.text("/status/phase"));
        let report = Report {
            phase: if bound { "Succeeded" } else { "Pending" },
            progress: if bound { "100.0%" } else { "N/A" },
            restarts: 0,
            bound: (bound, claim.text("/status/phase"), &message),
            running: (false, "", ""),
            ready: bound,
        };
        self.say(volume, &report).await?;
        Ok(Next::OnChange)
    }
}

impl Keeper for DataVolumes {
    const NAME: &'static str = "cdi/data-volumes";

    fn concerned(&self, change: &Change) -> Vec<Key> {
        let world = &self.context.world;
        match change {
            // A claim has its DataVolume's name.
            Change::Object {
                kind: Kind::DataVolume | Kind::Claim,
                key,
                ..
            } => vec![key.clone()],
            Change::Object {
                kind: Kind::DataSource,
                key,
                ..
            } => {
                let waiting = world.find(Kind::DataVolume, "source", &key.to_string());
                let waiting = waiting.iter().filter(|v| v.text("/status/phase") != "Succeeded");
                waiting.map(|volume| volume.key()).collect()
            }
            Change::Object {
                kind: Kind::StorageProfile,
                ..
            }
            | Change::Faults => {
                let all = world.all(Kind::DataVolume);
                let open = all
                    .iter()
                    .filter(|volume| volume.text("/status/phase") != "Succeeded");
                open.map(|volume| volume.key()).collect()
            }
            Change::Object { .. } => vec![],
        }
    }

    async fn look(&self, key: Key) -> Result<Next, SimError> {
        let Some(volume) = self.context.world.get(Kind::DataVolume, &key) else {
            return Ok(Next::OnChange);
        };
        if volume.deleting() || volume.text("/status/phase") == "Succeeded" {
            return Ok(Next::OnChange);
        }
        let claim = self.context.world.get(Kind::Claim, &key);
        if let Some(claim) = &claim {
            let own = owner(claim, "DataVolume").is_some_and(|owner| owner.uid == volume.uid());
            if !own && plan::may_adopt(&volume, claim) {
                return self.adopt(&volume, claim).await;
            }
            if !own {
                let message = format!(
                    "Resource \"{}\" already exists and is not managed by DataVolume",
                    key.name
                );
                return self.pend(&volume, &Refusal("ErrResourceExists", message)).await;
            }
        }
        match (self.resolve(&volume), claim) {
            // A source that vanished while its clone is filled has already been read.
            (Err(refusal), _) => self.pend(&volume, &refusal).await,
            (Ok(resolved), None) => self.make_claim(&volume, &resolved).await,
            (Ok(resolved), Some(claim)) => self.fill(&volume, &claim, &resolved).await,
        }
    }
}
