//! What is broken: read from ConfigMap `faults` in namespace `raidc-lab`, key `faults.json`. Watches that one object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde::{Deserialize, Serialize};

use super::engine::{Change, Context};
use super::places::Places;
use super::value::Key;

/// Namespace of the switches.
pub const NAMESPACE: &str = "raidc-lab";
/// Name of the ConfigMap with the switches.
pub const CONFIG_MAP: &str = "faults";
/// Its key with the JSON form of [`Faults`].
pub const CONFIG_KEY: &str = "faults.json";

/// The switches. Everything absent works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// Sites without power.
    pub site_off: BTreeSet<String>,
    /// Hosts without power.
    pub node_off: BTreeSet<String>,
    /// Groups of sites that cannot reach each other. The control plane is with the first group; a site that is in
    /// no group reaches all. Hosts in other groups go on running but are not heard of.
    pub partition: Vec<BTreeSet<String>>,
    /// DataVolumes (`namespace/name`, or `*`) whose import fails.
    pub import_error: BTreeSet<String>,
    /// ReplicationSources (`namespace/name`, or `*`) whose transfer never ends.
    pub sync_stuck: BTreeSet<String>,
    /// Added to each import, in milliseconds.
    pub slow_import: u64,
}

/// Whether a host runs and is heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    On,
    /// Runs, but the control plane does not hear of it.
    CutOff,
    Off,
}

impl Faults {
    /// State of a host of a site.
    pub(crate) fn host(&self, site: &str, node: &str) -> Reach {
        if self.site_off.contains(site) || self.node_off.contains(node) {
            Reach::Off
        } else if self.heard(site) {
            Reach::On
        } else {
            Reach::CutOff
        }
    }

    /// Whether a site has power.
    pub(crate) fn site_on(&self, site: &str) -> bool {
        !self.site_off.contains(site)
    }

    /// Whether the control plane can use a site.
    pub(crate) fn site_reached(&self, site: &str) -> bool {
        self.site_on(site) && self.heard(site)
    }

    /// Whether two sites have power and a way to each other.
    pub(crate) fn linked(&self, a: &str, b: &str) -> bool {
        let (left, right) = (self.group(a), self.group(b));
        self.site_on(a) && self.site_on(b) && (left.is_none() || right.is_none() || left == right)
    }

    /// Whether an import fails.
    pub(crate) fn import_fails(&self, volume: &Key) -> bool {
        names(&self.import_error, volume)
    }

    /// Whether a transfer never ends.
    pub(crate) fn sync_hangs(&self, source: &Key) -> bool {
        names(&self.sync_stuck, source)
    }

    fn group(&self, site: &str) -> Option<usize> {
        self.partition.iter().position(|group| group.contains(site))
    }

    fn heard(&self, site: &str) -> bool {
        self.group(site).is_none_or(|group| group == 0)
    }

    /// Added to each import.
    pub(crate) fn slow_import(&self) -> Duration {
        Duration::from_millis(self.slow_import)
    }
}

fn names(set: &BTreeSet<String>, key: &Key) -> bool {
    set.contains("*") || set.contains(&key.to_string())
}

#[derive(Default)]
struct State {
    faults: Arc<Faults>,
    boots: BTreeMap<String, u32>,
    stopped: BTreeMap<String, Timestamp>,
}

/// The switches as they are now, and what their past left behind.
#[derive(Default)]
pub(crate) struct Broken {
    state: Mutex<State>,
}

impl Broken {
    /// The switches.
    pub(crate) fn now(&self) -> Arc<Faults> {
        self.lock().faults.clone()
    }

    /// How often a host was switched on again: whatever ran before the last time is dead.
    pub(crate) fn boots(&self, node: &str) -> u32 {
        self.lock().boots.get(node).copied().unwrap_or_default()
    }

    /// When a host lost its power, if it has none.
    pub(crate) fn stopped(&self, node: &str) -> Option<Timestamp> {
        self.lock().stopped.get(node).copied()
    }

    /// Takes in new switches. False when nothing changed.
    pub(crate) fn set(&self, faults: Faults, places: &Places, now: Timestamp) -> bool {
        let mut state = self.lock();
        if *state.faults == faults {
            return false;
        }
        for (node, host) in &places.hosts {
            let before = state.faults.host(&host.site, node) == Reach::Off;
            let after = faults.host(&host.site, node) == Reach::Off;
            if after && !before {
                state.stopped.insert(node.clone(), now);
            } else if before && !after {
                state.stopped.remove(node);
                *state.boots.entry(node.clone()).or_default() += 1;
            }
        }
        state.faults = Arc::new(faults);
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the switches until the task is dropped. Unreadable switches leave the former ones in force.
pub(crate) async fn keep(context: Arc<Context>) {
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), NAMESPACE);
    let only = watcher::Config::default().fields(&format!("metadata.name={CONFIG_MAP}"));
    let mut events = watcher(api, only).default_backoff().boxed();
    let mut found = false;
    while let Some(event) = events.next().await {
        let faults = match event {
            Ok(watcher::Event::Init) => {
                found = false;
                continue;
            }
            Ok(watcher::Event::InitApply(map) | watcher::Event::Apply(map)) => {
                found = true;
                read(&map)
            }
            Ok(watcher::Event::InitDone) if found => continue,
            Ok(watcher::Event::InitDone | watcher::Event::Delete(_)) => Ok(Faults::default()),
            Err(_) => continue,
        };
        match faults {
            Ok(faults) => {
                if context.broken.set(faults, &context.places, Timestamp::now()) {
                    tracing::info!(faults = ?context.faults(), "faults changed");
                    context.world.tell(&Change::Faults);
                }
            }
            Err(error) => {
                tracing::error!(%error, "{NAMESPACE}/{CONFIG_MAP} is not readable; the former faults stay")
            }
        }
    }
}

fn read(map: &ConfigMap) -> Result<Faults, serde_json::Error> {
    let data = map.data.as_ref().and_then(|data| data.get(CONFIG_KEY));
    data.map_or_else(|| Ok(Faults::default()), |text| serde_json::from_str(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetSpec;

    fn faults(json: &str) -> Faults {
        serde_json::from_str(json).expect("faults")
    }

    #[test]
    fn a_cut_off_host_is_not_an_off_host() {
        let f = faults(r#"{"partition": [["a", "b"], ["c"]], "siteOff": ["b"], "nodeOff": ["a-r1-h1"]}"#);
        assert_eq!(f.host("a", "a-r1-h2"), Reach::On);
        assert_eq!(f.host("a", "a-r1-h1"), Reach::Off);
        assert_eq!(f.host("b", "b-r1-h1"), Reach::Off);
        assert_eq!(f.host("c", "c-r1-h1"), Reach::CutOff);
        assert_eq!(f.host("elsewhere", "x"), Reach::On);
        assert!(!f.linked("a", "c") && f.linked("c", "c") && !f.linked("a", "b"));
        assert!(f.linked("elsewhere", "a") && f.linked("elsewhere", "c"));
        assert!(f.site_on("c") && !f.site_reached("c"));
    }

    #[test]
    fn a_misspelt_switch_is_refused_rather_than_ignored() {
        assert!(serde_json::from_str::<Faults>(r#"{"sitesOff": ["a"]}"#).is_err());
    }

    #[test]
    fn what_ran_before_a_power_cut_is_known_to_be_dead() {
        let places = Places::new(&FleetSpec::sized(2, 1, 1, 4, 8));
        let broken = Broken::default();
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        assert!(broken.set(faults(r#"{"siteOff": ["site-1"]}"#), &places, at));
        assert!(!broken.set(faults(r#"{"siteOff": ["site-1"]}"#), &places, at));
        assert_eq!(
            (broken.stopped("site-1-r1-h1"), broken.boots("site-1-r1-h1")),
            (Some(at), 0)
        );
        assert_eq!(broken.stopped("site-2-r1-h1"), None);
        assert!(broken.set(Faults::default(), &places, at));
        assert_eq!(
            (broken.stopped("site-1-r1-h1"), broken.boots("site-1-r1-h1")),
            (None, 1)
        );
    }

    #[test]
    fn a_star_names_everything() {
        let f = faults(r#"{"importError": ["*"], "syncStuck": ["t/a"]}"#);
        assert!(f.import_fails(&Key::new("x", "y")));
        assert!(f.sync_hangs(&Key::new("t", "a")) && !f.sync_hangs(&Key::new("t", "b")));
    }
}
