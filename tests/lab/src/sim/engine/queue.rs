//! Runs one simulated component: which objects to look at, when, and how many at once. No I/O of its own.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::world::Change;
use crate::sim::SimError;
use crate::sim::value::Key;

/// Objects that one component works on at the same time.
const AT_ONCE: usize = 16;
/// First pause after an error; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// When to look at an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// When something about it changes.
    OnChange,
    /// After a while, or earlier when something about it changes.
    After(Duration),
}

/// A simulated component: looks at one object at a time and brings it one step further.
pub(crate) trait Keeper: Send + Sync + 'static {
    /// For the log.
    const NAME: &'static str;
    /// Objects that a change may concern.
    fn concerned(&self, change: &Change) -> Vec<Key>;
    /// Looks at one object. Idempotent; called again after every relevant change.
    fn look(&self, key: Key) -> impl Future<Output = Result<Next, SimError>> + Send;
}

/// What is due when. An object is in the queue once, with its earliest time.
#[derive(Default)]
struct Queue {
    due: BinaryHeap<Reverse<(Instant, Key)>>,
    wanted: HashMap<Key, Instant>,
    busy: HashSet<Key>,
    failures: HashMap<Key, u32>,
}

impl Queue {
    fn want(&mut self, key: Key, at: Instant) {
        if self.wanted.get(&key).is_some_and(|known| *known <= at) {
            return;
        }
        self.wanted.insert(key.clone(), at);
        self.due.push(Reverse((at, key)));
    }

    /// Takes the next object that is due and not being worked on.
    fn take(&mut self, now: Instant) -> Option<Key> {
        let mut later = Vec::new();
        let mut taken = None;
        while let Some(Reverse((at, key))) = self.due.pop() {
            if at > now {
                later.push((at, key));
                break;
            }
            if self.wanted.get(&key) != Some(&at) {
                continue;
            }
            if self.busy.contains(&key) {
                // Comes back when the work on it ends.
                continue;
            }
            self.wanted.remove(&key);
            self.busy.insert(key.clone());
            taken = Some(key);
            break;
        }
        self.due.extend(later.into_iter().map(Reverse));
        taken
    }

    fn next_at(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn done(&mut self, key: &Key, result: &Result<Next, SimError>, now: Instant) {
        self.busy.remove(key);
        if let Ok(next) = result {
            self.failures.remove(key);
            if let Next::After(pause) = next {
                self.want(key.clone(), now + *pause);
            }
        } else {
            let failures = self.failures.entry(key.clone()).or_default();
            let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(10));
            *failures += 1;
            self.want(key.clone(), now + pause.min(LONGEST_PAUSE));
        }
        // What was wanted while it was busy lost its place in the heap.
        if let Some(at) = self.wanted.get(key) {
            self.due.push(Reverse((*at, key.clone())));
        }
    }
}

/// Runs a component until its task is dropped.
pub(crate) async fn keep<K: Keeper>(keeper: Arc<K>, mut changes: UnboundedReceiver<Change>) {
    let mut queue = Queue::default();
    let mut running = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        while running.len() < AT_ONCE {
            let Some(key) = queue.take(now) else { break };
            let keeper = keeper.clone();
            running.push(async move {
                let result = keeper.look(key.clone()).await;
                (key, result)
            });
        }
        let free = running.len() < AT_ONCE;
        let wake = queue.next_at().filter(|_| free);
        tokio::select! {
            change = changes.recv() => {
                let Some(change) = change else { return };
                let now = Instant::now();
                for key in keeper.concerned(&change) {
                    queue.want(key, now);
                }
            }
            Some((key, result)) = running.next() => {
                if let Err(error) = &result {
                    report(K::NAME, &key, error);
                }
                queue.done(&key, &result, Instant::now());
            }
            () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
        }
    }
}

fn report(name: &'static str, key: &Key, error: &SimError) {
    if error.is_race() {
        tracing::trace!(component = name, object = %key, %error, "lost a race; looking again");
    } else {
        let why = error.reason();
        tracing::warn!(component = name, object = %key, %error, why, "could not bring the object further");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::cluster(name)
    }

    #[test]
    fn an_object_is_never_worked_on_twice_at_once() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.want(key("a"), now);
        assert_eq!(queue.take(now), Some(key("a")));
        queue.want(key("a"), now);
        assert_eq!(queue.take(now), None);
        queue.done(&key("a"), &Ok(Next::OnChange), now);
        assert_eq!(
            queue.take(now),
            Some(key("a")),
            "a change while it was busy is not lost"
        );
        queue.done(&key("a"), &Ok(Next::OnChange), now);
        assert_eq!((queue.take(now), queue.next_at()), (None, None));
    }

    #[test]
    fn a_change_comes_before_a_timer() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let later = now + Duration::from_mins(1);
        queue.want(key("a"), later);
        assert_eq!(queue.take(now), None);
        queue.want(key("a"), now);
        assert_eq!(queue.take(now), Some(key("a")));
        queue.done(&key("a"), &Ok(Next::OnChange), now);
        assert_eq!(
            queue.take(later),
            None,
            "the timer that the change replaced does not fire"
        );
    }

    #[test]
    fn one_failing_object_does_not_stop_the_others() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.want(key("bad"), now);
        assert_eq!(queue.take(now), Some(key("bad")));
        queue.done(&key("bad"), &Err(SimError::Gone("x".into())), now);
        queue.want(key("good"), now);
        assert_eq!(queue.take(now), Some(key("good")));
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.take(now + FIRST_PAUSE), Some(key("bad")));
    }
}
