//! VolSync: the pair of objects that keeps one copy of one disk at one other site. Pure; nothing is decided.

use super::Owner;
use super::canonical_mib;
use super::digest;
use raidc_crds::names::COPY_SITE_LABEL;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Longest part of a server's name that a pair's name keeps: VolSync makes names of Services from it, which have 63 characters.
const MAX_SERVER_PART: usize = 24;
/// The user of a disk image: KubeVirt and CDI write disks as 107 (qemu), so the mover must be able to read and write them as such.
const DISK_USER: i64 = 107;
/// Minutes between two copies that divide an hour, so that no gap is longer than the others.
const MINUTES: [i64; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];
/// Hours between two copies that divide a day.
const HOURS: [i64; 8] = [1, 2, 3, 4, 6, 8, 12, 24];

/// One copy of one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Whose disk.
    pub owner: Owner<'a>,
    /// Name of the disk within the server.
    pub disk: &'a str,
    /// Site of the copy.
    pub site: &'a str,
}

/// Where a copy is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Size in MiB; not less than the disk's.
    pub mib: i64,
    /// `Block` or `Filesystem`, as the disk is.
    pub volume_mode: &'a str,
    /// Storage class of the copy's site.
    pub class: &'a str,
    /// Snapshot class there; `None` for the cluster's default.
    pub snapshot_class: Option<&'a str>,
}

/// Where a copy comes from and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// Claim of the disk.
    pub claim: &'a str,
    /// Address at which the destination listens.
    pub address: &'a str,
    /// Port, where VolSync says one.
    pub port: Option<i32>,
    /// Secret that VolSync made for the destination; it is named, never read.
    pub key_secret: &'a str,
    /// Snapshot class at the disk's site; `None` for the cluster's default.
    pub snapshot_class: Option<&'a str>,
    /// Storage class of the volume that lives as long as a transfer; `None` for the disk's own, whose volumes may stay behind.
    pub transfer_class: Option<&'a str>,
    /// Cron schedule; `None` is without pause.
    pub schedule: Option<&'a str>,
}

impl Pair<'_> {
    /// Name of both objects of the pair.
    #[must_use]
    pub fn name(&self) -> String {
        let d = digest(&format!("{}/{}/{}", self.owner.name, self.disk, self.site));
        let server: String = self.owner.name.chars().take(MAX_SERVER_PART).collect();
        format!("{server}-{:02x}{:02x}{:02x}{:02x}", d[0], d[1], d[2], d[3])
    }

    /// Name that VolSync gives to the claim that it makes for the copy.
    #[must_use]
    pub fn copy_claim(&self) -> String {
        format!("volsync-{}-dst", self.name())
    }

    fn metadata(&self) -> Value {
        let mut labels: Map<String, Value> = self.owner.disk_labels(self.disk);
        labels.insert(COPY_SITE_LABEL.to_owned(), Value::from(self.site));
        json!({"name": self.name(), "namespace": self.owner.namespace, "labels": labels})
    }

    /// The body of the destination. It has no trigger: it follows each push.
    #[must_use]
    pub fn destination(&self, d: &Destination<'_>) -> Value {
        let mut tls = json!({
            "accessModes": ["ReadWriteOnce"],
            "capacity": canonical_mib(d.mib),
            "copyMethod": "Snapshot",
            "moverSecurityContext": mover_security(),
            "storageClassName": d.class,
            "volumeMode": d.volume_mode,
        });
        if let Some(class) = d.snapshot_class {
            tls["volumeSnapshotClassName"] = Value::from(class);
        }
        json!({
            "apiVersion": "volsync.backube/v1alpha1",
            "kind": "ReplicationDestination",
            "metadata": self.metadata(),
            "spec": {"rsyncTLS": tls},
        })
    }

    /// The body of the source.
    #[must_use]
    pub fn source(&self, s: &Source<'_>) -> Value {
        let mut tls = json!({
            "address": s.address,
            "copyMethod": "Snapshot",
            "keySecret": s.key_secret,
            "moverSecurityContext": mover_security(),
        });
        if let Some(port) = s.port {
            tls["port"] = Value::from(port);
        }
        if let Some(class) = s.snapshot_class {
            tls["volumeSnapshotClassName"] = Value::from(class);
        }
        if let Some(class) = s.transfer_class {
            tls["storageClassName"] = Value::from(class);
        }
        let mut spec = json!({"sourcePVC": s.claim, "rsyncTLS": tls});
        if let Some(schedule) = s.schedule {
            spec["trigger"] = json!({"schedule": schedule});
        }
        json!({
            "apiVersion": "volsync.backube/v1alpha1",
            "kind": "ReplicationSource",
            "metadata": self.metadata(),
            "spec": spec,
        })
    }

    /// When copies are made: at half of the recovery point objective or more often, and not all at the same moment. `None` is
    /// without pause, for objectives under two minutes, which cron cannot halve.
    #[must_use]
    pub fn schedule(&self, rpo_seconds: i64) -> Option<String> {
        let half = rpo_seconds / 2 / 60;
        if half < 1 {
            return None;
        }
        let d = digest(&format!("{}/{}", self.owner.namespace, self.name()));
        let spread = i64::from(u32::from_be_bytes([d[0], d[1], d[2], d[3]]));
        let largest = |of: &[i64], limit: i64| of.iter().copied().filter(|n| *n <= limit).max();
        if let Some(hours) = largest(&HOURS, half / 60) {
            let (minute, hour) = (spread % 60, spread / 60 % hours);
            return Some(match hours {
                24 => format!("{minute} {hour} * * *"),
                _ => format!("{minute} {hour}-23/{hours} * * *"),
            });
        }
        let minutes = largest(&MINUTES, half).unwrap_or(1);
        Some(format!("{}-59/{minutes} * * * *", spread % minutes))
    }
}

/// What lets VolSync's movers run under the `restricted` level of Pod Security, and open a disk that KubeVirt and CDI have made.
fn mover_security() -> Value {
    json!({
        "fsGroup": DISK_USER,
        "runAsGroup": DISK_USER,
        "runAsNonRoot": true,
        "runAsUser": DISK_USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair<'a>(server: &'a str, disk: &'a str, site: &'a str) -> Pair<'a> {
        Pair {
            owner: Owner {
                namespace: "kuldiga",
                name: server,
                uid: "u-1",
            },
            disk,
            site,
        }
    }

    #[test]
    fn names_are_never_too_long_for_a_service_and_never_shared() {
        let long = "a-server-with-a-name-of-forty-characters";
        assert_eq!(long.len(), 40);
        let name = pair(long, "data", "talsi").name();
        assert!(
            format!("volsync-rsync-tls-dst-{name}").len() <= 63,
            "{name} makes too long a name"
        );
        let names: std::collections::BTreeSet<_> = [
            pair("web", "root", "talsi").name(),
            pair("web", "data", "talsi").name(),
            pair("web", "root", "liepaja").name(),
            pair("web2", "root", "talsi").name(),
            name,
        ]
        .into_iter()
        .collect();
        assert_eq!(names.len(), 5);
    }

    #[test]
    fn a_copy_is_never_less_frequent_than_half_the_objective() {
        let schedule = |rpo: i64| pair("web", "root", "talsi").schedule(rpo);
        assert_eq!(schedule(60), None);
        assert!(schedule(2 * 60).is_some_and(|s| s == "0-59/1 * * * *"));
        assert!(
            schedule(15 * 60).is_some_and(|s| s.ends_with("-59/6 * * * *")),
            "{:?}",
            schedule(900)
        );
        assert!(schedule(59 * 60).is_some_and(|s| s.ends_with("-59/20 * * * *")));
        assert!(schedule(2 * 3600).is_some_and(|s| s.ends_with(" 0-23/1 * * *")));
        assert!(schedule(11 * 3600).is_some_and(|s| s.ends_with("-23/4 * * *")));
        let daily = schedule(90 * 86_400).unwrap_or_default();
        assert_eq!(
            daily.split(' ').skip(2).collect::<Vec<_>>(),
            ["*", "*", "*"],
            "{daily}"
        );
    }

    #[test]
    fn every_schedule_is_legal_and_its_longest_gap_is_within_half_the_objective() {
        for rpo_minutes in [
            2, 3, 5, 7, 10, 15, 25, 40, 60, 61, 100, 120, 240, 700, 1440, 2880, 10_000,
        ] {
            for server in ["web", "db", "mail", "files"] {
                let text = pair(server, "root", "talsi")
                    .schedule(rpo_minutes * 60)
                    .unwrap_or_default();
                let moments = moments(&text);
                let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
                let longest = gaps.max().expect("more than one moment") * 60;
                assert!(
                    longest * 2 <= rpo_minutes * 60,
                    "{rpo_minutes}m: {text} has gaps of {longest} s"
                );
            }
        }
    }

    /// The minutes of three days at which a schedule of ours fires: its hour and minute fields are `N`, `A-B/STEP` or `*`.
    fn moments(schedule: &str) -> Vec<i64> {
        let fires = |field: &str, value: i64| match field.split_once('/') {
            Some((range, step)) => {
                let (from, to) = range.split_once('-').expect("a range");
                let (from, to): (i64, i64) = (from.parse().expect("from"), to.parse().expect("to"));
                value >= from && value <= to && (value - from) % step.parse::<i64>().expect("step") == 0
            }
            None => field == "*" || field.parse() == Ok(value),
        };
        let fields: Vec<&str> = schedule.split(' ').collect();
        assert_eq!(fields.len(), 5, "{schedule}");
        assert_eq!(fields[2..], ["*", "*", "*"], "{schedule}");
        (0..3 * 24 * 60)
            .filter(|minute| fires(fields[0], minute % 60) && fires(fields[1], minute / 60 % 24))
            .collect()
    }

    #[test]
    fn copies_are_never_all_made_at_the_same_moment() {
        let at: std::collections::BTreeSet<_> = (0..40)
            .map(|i| {
                let name = format!("web-{i}");
                pair(&name, "root", "talsi").schedule(3600)
            })
            .collect();
        assert!(at.len() > 10, "{at:?}");
    }

    #[test]
    fn a_mover_is_never_more_than_restricted_allows() {
        let p = pair("web", "root", "talsi");
        let destination = p.destination(&Destination {
            mib: 20 * 1024,
            volume_mode: "Block",
            class: "fast-talsi",
            snapshot_class: Some("snap"),
        });
        let tls = &destination["spec"]["rsyncTLS"];
        assert_eq!(tls["moverSecurityContext"]["runAsNonRoot"], true);
        assert_eq!(
            tls["moverSecurityContext"]["seccompProfile"],
            json!({"type": "RuntimeDefault"})
        );
        assert_eq!(tls["capacity"], "20Gi");
        assert_eq!(tls["storageClassName"], "fast-talsi");
        assert!(destination["spec"].get("trigger").is_none());
        assert!(tls.get("keySecret").is_none(), "VolSync makes the key");
    }

    #[test]
    fn a_source_only_names_the_key() {
        let p = pair("web", "root", "talsi");
        let source = p.source(&Source {
            claim: "web-root",
            address: "10.96.0.7",
            port: None,
            key_secret: "volsync-rsync-tls-web",
            snapshot_class: None,
            transfer_class: Some("fast-scratch"),
            schedule: Some("3-59/6 * * * *"),
        });
        assert_eq!(source["spec"]["rsyncTLS"]["storageClassName"], "fast-scratch");
        assert_eq!(source["spec"]["sourcePVC"], "web-root");
        assert_eq!(source["spec"]["trigger"], json!({"schedule": "3-59/6 * * * *"}));
        assert_eq!(source["spec"]["rsyncTLS"]["keySecret"], "volsync-rsync-tls-web");
        assert!(source["spec"]["rsyncTLS"].get("port").is_none());
        assert_eq!(source["metadata"]["labels"]["raidc.dev/copy-site"], "talsi");
    }
}
