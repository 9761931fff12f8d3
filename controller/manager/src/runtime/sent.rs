//! What was sent last and has not been seen back: a look that comes before the watch has shown a write must not send it again.
//! No I/O.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Objects that are remembered; beyond that all are forgotten, which costs a needless write each at most.
const MOST: usize = 50_000;

type Key = (String, &'static str);

/// By UID and field manager: the version of the object that was looked at, and a digest of what was sent for it.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<Mutex<HashMap<Key, (String, u64)>>>);

impl Sent {
    /// Whether just this was sent already after a look at just this version of the object.
    #[must_use]
    pub fn was(&self, uid: &str, manager: &'static str, version: &str, status: &Value) -> bool {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(&(uid.to_owned(), manager))
            .is_some_and(|(seen, digest)| seen == version && *digest == digest_of(status))
    }

    /// Remembers what was sent and taken.
    pub fn note(&self, uid: &str, manager: &'static str, version: &str, status: &Value) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= MOST {
            sent.clear();
        }
        sent.insert((uid.to_owned(), manager), (version.to_owned(), digest_of(status)));
    }
}

/// Of everything but the times of transitions: a second look would say the same a second later.
fn digest_of(status: &Value) -> u64 {
    let mut timeless = status.clone();
    if let Some(fields) = timeless.as_object_mut() {
        fields.remove("waitingSince");
    }
    for condition in timeless["conditions"].as_array_mut().into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastTransitionTime");
        }
    }
    let mut hasher = DefaultHasher::new();
    timeless.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(reason: &str, time: &str) -> Value {
        json!({"servers": 4, "conditions": [{"type": "Ready", "reason": reason, "lastTransitionTime": time}]})
    }

    #[test]
    fn only_the_same_of_the_same_version_is_ever_left_unsent() {
        let sent = Sent::default();
        assert!(!sent.was("u", "raidc/site", "7", &status("A", "1")));
        sent.note("u", "raidc/site", "7", &status("A", "1"));
        assert!(sent.was("u", "raidc/site", "7", &status("A", "2")));
        assert!(
            !sent.was("u", "raidc/site", "7", &status("B", "1")),
            "something else"
        );
        assert!(
            !sent.was("u", "raidc/site", "8", &status("A", "1")),
            "a later version"
        );
        assert!(
            !sent.was("u", "raidc/rack", "7", &status("A", "1")),
            "another manager"
        );
        assert!(
            !sent.was("v", "raidc/site", "7", &status("A", "1")),
            "another object"
        );
    }
}
