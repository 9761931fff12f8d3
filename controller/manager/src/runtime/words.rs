//! Mere words (the message of a condition whose status and reason stay) are written at most once a minute for each object and field
//! manager. No I/O.
//!
//! Messages carry exact figures, and every pod that comes or goes changes the figures of all that wait: without this a thousand waiting
//! servers would be a thousand writes at each of them. What changes more than words is written at once, with the newest words.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use tokio::sync::broadcast;

use super::writer::Object;

/// Between two writes of mere words.
const EVERY: Duration = Duration::from_mins(1);
/// Objects that are remembered; beyond that all are forgotten, which costs a write each at most.
const MOST: usize = 50_000;
/// Looks that may be outstanding for a slow listener; one that is lost is made up for by the regular look at everything.
const KEPT: usize = 16_384;

/// An object whose newest words wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its kind.
    pub kind: String,
    /// Its namespace; `None` when it has none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// How long from now they wait.
    pub wait: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// When mere words were written last.
    wrote: Instant,
    /// A look has been asked for, and comes then.
    look_at: Option<Instant>,
}

/// When mere words were written last, by UID and field manager. Clones share it.
#[derive(Clone, Debug)]
pub struct Words {
    last: Arc<Mutex<HashMap<(String, &'static str), Last>>>,
    held: broadcast::Sender<Held>,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            last: Arc::default(),
            held: broadcast::Sender::new(KEPT),
        }
    }
}

impl Words {
    /// Whether mere words of this part of `object` must still wait at the moment `now`, and how long. Whoever listens to
    /// [`Words::held`] is told once to look again.
    pub fn wait<K: Object>(&self, object: &K, manager: &'static str, now: Instant) -> Option<Duration> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get_mut(&(object.uid()?, manager))?;
        let until = last.wrote + EVERY;
        let wait = until.checked_duration_since(now).filter(|wait| !wait.is_zero())?;
        if last.look_at.is_none() {
            last.look_at = Some(until);
            // An error means that nobody listens, who then looks by itself.
            let _nobody = self.held.send(Held {
                kind: K::kind(&()).into_owned(),
                namespace: object.namespace(),
                name: object.name_any(),
                wait,
            });
        }
        Some(wait)
    }

    /// Mere words of this part of `object` were written.
    pub fn wrote<K: Object>(&self, object: &K, manager: &'static str, now: Instant) {
        let Some(uid) = object.uid() else { return };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MOST {
            last.clear();
        }
        let wrote = Last {
            wrote: now,
            look_at: None,
        };
        last.insert((uid, manager), wrote);
    }

    /// Every object whose words are held back from now on.
    #[must_use]
    pub fn held(&self) -> broadcast::Receiver<Held> {
        self.held.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raidc_crds::Site;
    use serde_json::json;

    #[test]
    fn words_never_wait_longer_than_a_minute_and_one_look_is_asked_for() {
        let site: Site = serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "Site",
            "metadata": {"name": "talsi", "uid": "u1"}, "spec": {"storage": {"class": "fast"}},
        }))
        .unwrap();
        let (words, start) = (Words::default(), Instant::now());
        let mut held = words.held();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(words.wait(&site, "raidc/site", at(0)), None);
        words.wrote(&site, "raidc/site", at(0));
        assert_eq!(
            words.wait(&site, "raidc/site", at(20)),
            Some(Duration::from_secs(40))
        );
        assert_eq!(
            words.wait(&site, "raidc/site", at(50)),
            Some(Duration::from_secs(10))
        );
        assert_eq!(words.wait(&site, "raidc/rack", at(50)), None, "another manager");
        assert_eq!(words.wait(&site, "raidc/site", at(60)), None);
        let look = held.try_recv().unwrap();
        assert_eq!(
            (look.kind.as_str(), look.name.as_str(), look.wait),
            ("Site", "talsi", Duration::from_secs(40))
        );
        assert!(held.try_recv().is_err(), "a second look");
    }
}
