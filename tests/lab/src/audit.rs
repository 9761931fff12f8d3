//! The API server's audit log: the policy that is written for it, and reading it. Reading does I/O.
//!
//! Every write is logged, by whomever; reads only of RAIDC's own service accounts, so that the rights which they use
//! can be compared with those which they have. Leases of nodes are left out: they are the clock's tick, not a deed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use crate::error::LabError;

/// Namespace of RAIDC's own service accounts.
const OURS: &str = "raidc-system";

/// The audit policy, as a file for the API server.
pub(crate) fn policy() -> String {
    format!(
        r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    namespaces: [kube-node-lease]
    resources: [{{group: coordination.k8s.io, resources: [leases]}}]
  - level: Metadata
    userGroups: ["system:serviceaccounts:{OURS}"]
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
"#
    )
}

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When the request came.
    pub time: Timestamp,
    /// Who asked: `system:serviceaccount:<namespace>:<name>` for service accounts. Impersonated, if it was.
    pub user: String,
    /// `User-Agent` of the client.
    pub agent: String,
    /// `create`, `update`, `patch`, `delete`, `deletecollection`, and of our own accounts also `get`, `list`, `watch`.
    pub verb: String,
    /// API group, empty for the core.
    pub group: String,
    /// Plural of the kind.
    pub resource: String,
    /// `status`, `token`, … or empty.
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty for lists and generated names.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// Whether the request was a dry run, which writes nothing.
    pub dry_run: bool,
}

impl AuditEntry {
    /// Whether the request asked for a change of the cluster (it may have been refused, see `code`).
    ///
    /// Access reviews and dry runs are created, but change nothing.
    pub fn mutating(&self) -> bool {
        let review = matches!(
            self.group.as_str(),
            "authorization.k8s.io" | "authentication.k8s.io"
        );
        let writes = matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        );
        writes && !review && !self.dry_run
    }
}

/// Which entries to look at; everything that is `None` is not looked at.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this user.
    pub user: Option<String>,
    /// Only requests that came at this moment or later.
    pub since: Option<Timestamp>,
    /// Only requests that ask for a change.
    pub mutating: bool,
}

impl AuditFilter {
    /// The writes of one user since a moment.
    pub fn writes_by(user: &str, since: Timestamp) -> Self {
        Self {
            user: Some(user.to_owned()),
            since: Some(since),
            mutating: true,
        }
    }

    fn takes(&self, entry: &AuditEntry) -> bool {
        self.user.as_ref().is_none_or(|user| *user == entry.user)
            && self.since.is_none_or(|since| entry.time >= since)
            && (!self.mutating || entry.mutating())
    }
}

/// What was asked, to be counted: verb, `resource.group/subresource`, HTTP status.
pub type AuditKey = (String, String, u16);

/// Reads the entries of a log that `filter` takes, in the order in which they were answered.
///
/// A last line that is still being written is left for the next reading.
pub fn read(log: &Path, filter: &AuditFilter) -> Result<Vec<AuditEntry>, LabError> {
    let file = std::fs::File::open(log).map_err(LabError::file("read", log))?;
    let mut entries = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(LabError::file("read", log))?;
        if let Some(entry) = parse(&line)
            && filter.takes(&entry)
        {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Counts entries by what was asked.
pub fn count(entries: &[AuditEntry]) -> BTreeMap<AuditKey, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        let mut what = entry.resource.clone();
        for (separator, part) in [('.', &entry.group), ('/', &entry.subresource)] {
            if !part.is_empty() {
                what.push(separator);
                what.push_str(part);
            }
        }
        *counts.entry((entry.verb.clone(), what, entry.code)).or_default() += 1;
    }
    counts
}

fn parse(line: &str) -> Option<AuditEntry> {
    let event: Event = serde_json::from_str(line).ok()?;
    // A watch is answered when it starts; everything else once it is complete.
    let wanted = if event.verb == "watch" {
        "ResponseStarted"
    } else {
        "ResponseComplete"
    };
    if event.stage != wanted && event.stage != "Panic" {
        return None;
    }
    let object = event.object_ref.unwrap_or_default();
    Some(AuditEntry {
        time: event.request_received_timestamp,
        user: event.impersonated_user.unwrap_or(event.user).username,
        agent: event.user_agent,
        verb: event.verb,
        group: object.api_group,
        resource: object.resource,
        subresource: object.subresource,
        namespace: object.namespace,
        name: object.name,
        code: event.response_status.map_or(0, |status| status.code),
        dry_run: event.request_uri.contains("dryRun="),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(rename = "requestURI", default)]
    request_uri: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<Status>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(user: &str, verb: &str, stage: &str, uri: &str, seconds: u8) -> String {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "1",
            "stage": stage, "requestURI": uri, "verb": verb,
            "user": {"username": user, "groups": ["system:authenticated"]},
            "sourceIPs": ["127.0.0.1"], "userAgent": "raidc/0.1",
            "objectRef": {"resource": "virtualmachines", "namespace": "kuldiga", "name": "web",
                          "apiGroup": "kubevirt.io", "apiVersion": "v1", "subresource": "status"},
            "responseStatus": {"metadata": {}, "code": 200},
            "requestReceivedTimestamp": format!("2026-11-22T03:00:{seconds:02}.123456Z"),
            "stageTimestamp": "2026-11-22T03:00:59.123456Z",
        })
        .to_string()
    }

    fn log(lines: &[String]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), lines.join("\n")).expect("room for it");
        file
    }

    #[test]
    fn a_write_by_another_or_before_the_moment_is_not_counted() {
        let file = log(&[
            event("ours", "patch", "ResponseComplete", "/x", 1),
            event("ours", "patch", "ResponseComplete", "/x", 10),
            event("other", "patch", "ResponseComplete", "/x", 10),
            event("ours", "get", "ResponseComplete", "/x", 11),
            event(
                "ours",
                "patch",
                "ResponseComplete",
                "/x?dryRun=All&force=true",
                12,
            ),
            "{\"half a li".to_owned(),
        ]);
        let since = "2026-11-22T03:00:05Z".parse().expect("a time");
        let entries = read(file.path(), &AuditFilter::writes_by("ours", since)).expect("it is there");
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (entries[0].group.as_str(), entries[0].name.as_str()),
            ("kubevirt.io", "web")
        );
        let key = (
            "patch".to_owned(),
            "virtualmachines.kubevirt.io/status".to_owned(),
            200,
        );
        assert_eq!(count(&entries).into_iter().collect::<Vec<_>>(), [(key, 1)]);
    }

    #[test]
    fn a_watch_is_counted_once_though_it_is_logged_twice() {
        let file = log(&[
            event("ours", "watch", "ResponseStarted", "/x", 1),
            event("ours", "watch", "ResponseComplete", "/x", 1),
        ]);
        assert_eq!(
            read(file.path(), &AuditFilter::default())
                .expect("it is there")
                .len(),
            1
        );
    }

    #[test]
    fn an_impersonated_request_counts_for_whom_it_was_made() {
        let mut value: serde_json::Value =
            serde_json::from_str(&event("admin", "update", "ResponseComplete", "/x", 1)).expect("own output");
        value["impersonatedUser"] = json!({"username": "system:serviceaccount:kubevirt:kubevirt-handler"});
        let file = log(&[value.to_string()]);
        let entries = read(file.path(), &AuditFilter::default()).expect("it is there");
        assert_eq!(entries[0].user, "system:serviceaccount:kubevirt:kubevirt-handler");
    }

    #[test]
    fn a_missing_log_is_an_error_and_not_zero_writes() {
        assert!(read(Path::new("/nonexistent/audit.log"), &AuditFilter::default()).is_err());
    }

    #[test]
    fn the_policy_is_yaml() {
        let policy: serde_json::Value = serde_saphyr::from_str(&policy()).expect("YAML");
        assert_eq!(policy["rules"].as_array().map(Vec::len), Some(3));
    }
}
