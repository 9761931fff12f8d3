//! What the simulator has seen: one table per kind with its indexes. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use kube::core::DynamicObject;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::kind::Kind;
use crate::sim::value::{Key, Look, version};

/// An object as it was last seen.
pub(crate) type Seen = Arc<DynamicObject>;

/// Something happened that some object's keeper may have to look at.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// An object appeared, changed or vanished.
    Object {
        kind: Kind,
        key: Key,
        old: Option<Seen>,
        new: Option<Seen>,
    },
    /// Other things are broken than before.
    Faults,
}

impl Change {
    /// The object's latest form, even if it is gone.
    pub(crate) fn object(&self) -> Option<&Seen> {
        match self {
            Self::Object { old, new, .. } => new.as_ref().or(old.as_ref()),
            Self::Faults => None,
        }
    }
}

#[derive(Default)]
struct Table {
    objects: BTreeMap<Key, Seen>,
    index: HashMap<String, BTreeSet<Key>>,
    /// Identities of the objects that vanished last: the answer to an earlier write must not bring one back.
    buried: VecDeque<String>,
    synced: bool,
}

/// How many vanished objects of a kind are remembered; an answer is never later than that many deletions.
const BURIED: usize = 1024;

/// All tables. Readers never wait for the network.
#[derive(Default)]
pub(crate) struct World {
    tables: [RwLock<Table>; Kind::ALL.len()],
    listeners: RwLock<Vec<UnboundedSender<Change>>>,
    all_synced: watch::Sender<bool>,
}

impl World {
    /// The object of that name.
    pub(crate) fn get(&self, kind: Kind, key: &Key) -> Option<Seen> {
        self.read(kind, |table| table.objects.get(key).cloned())
    }

    /// Every object of a kind, in order of namespace and name.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Seen> {
        self.read(kind, |table| table.objects.values().cloned().collect())
    }

    /// Objects with an index term (see [`Kind::terms`]).
    pub(crate) fn find(&self, kind: Kind, what: &str, value: &str) -> Vec<Seen> {
        let term = format!("{what}:{value}");
        self.read(kind, |table| {
            let keys = table.index.get(&term).into_iter().flatten();
            keys.filter_map(|key| table.objects.get(key).cloned()).collect()
        })
    }

    /// Kinds whose first list has not arrived.
    pub(crate) fn unsynced(&self) -> Vec<Kind> {
        let waiting = |kind: &Kind| !self.read(*kind, |table| table.synced);
        Kind::ALL.into_iter().filter(waiting).collect()
    }

    /// Sends every later change to `listener`.
    pub(crate) fn listen(&self, listener: UnboundedSender<Change>) {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
    }

    /// Takes in an object from a watch or from the answer to a write, unless a newer form is known.
    pub(crate) fn learn(&self, kind: Kind, object: DynamicObject) {
        let (key, new) = (object.key(), Arc::new(object));
        let old = self.write(kind, |table| {
            let old = table.objects.get(&key).cloned();
            let stale = old.as_ref().is_some_and(|old| version(old) >= version(&new));
            if stale || table.buried.iter().any(|uid| uid == new.uid()) {
                return None;
            }
            if let Some(old) = &old {
                unindex(table, kind, old, &key);
            }
            for term in kind.terms(&new) {
                table.index.entry(term).or_default().insert(key.clone());
            }
            table.objects.insert(key.clone(), new.clone());
            Some(old)
        });
        if let Some(old) = old {
            self.tell(&Change::Object {
                kind,
                key,
                old,
                new: Some(new),
            });
        }
    }

    /// Takes an object out. A later object of the same name is not touched by a late message about an earlier one.
    pub(crate) fn forget(&self, kind: Kind, gone: &DynamicObject) {
        let key = gone.key();
        let old = self.write(kind, |table| {
            let old = table.objects.get(&key)?;
            if old.metadata.uid != gone.metadata.uid {
                return None;
            }
            let old = old.clone();
            unindex(table, kind, &old, &key);
            if table.buried.len() == BURIED {
                table.buried.pop_front();
            }
            table.buried.push_back(old.uid().to_owned());
            table.objects.remove(&key)
        });
        if old.is_some() {
            self.tell(&Change::Object {
                kind,
                key,
                old,
                new: None,
            });
        }
    }

    /// After a full list: whatever was not in it is gone.
    pub(crate) fn retain(&self, kind: Kind, listed: &BTreeSet<Key>) {
        let gone: Vec<Seen> = self.read(kind, |table| {
            let missing = table.objects.iter().filter(|(key, _)| !listed.contains(key));
            missing.map(|(_, object)| object.clone()).collect()
        });
        for object in gone {
            self.forget(kind, &object);
        }
        self.mark_synced(kind);
    }

    /// The first list of a kind has arrived, or its kind is not installed.
    pub(crate) fn mark_synced(&self, kind: Kind) {
        self.write(kind, |table| table.synced = true);
        if self.unsynced().is_empty() {
            self.all_synced.send_replace(true);
        }
    }

    /// Waits until every kind was listed once: before that, absence means nothing.
    pub(crate) async fn ready(&self) {
        let mut synced = self.all_synced.subscribe();
        // The sender lives as long as this table.
        let _open = synced.wait_for(|synced| *synced).await;
    }

    /// Tells every listener.
    pub(crate) fn tell(&self, change: &Change) {
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter() {
            // A keeper that has ended hears nothing any more: that is how they end.
            let _gone = listener.send(change.clone());
        }
    }

    fn read<T>(&self, kind: Kind, f: impl FnOnce(&Table) -> T) -> T {
        // A poisoned table is whole: every change to it is finished before anything can fail.
        f(&self.tables[kind.slot()]
            .read()
            .unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, kind: Kind, f: impl FnOnce(&mut Table) -> T) -> T {
        f(&mut self.tables[kind.slot()]
            .write()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

fn unindex(table: &mut Table, kind: Kind, object: &DynamicObject, key: &Key) {
    for term in kind.terms(object) {
        if let Some(keys) = table.index.get_mut(&term) {
            keys.remove(key);
            if keys.is_empty() {
                table.index.remove(&term);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::value::object;
    use serde_json::json;

    fn pod(version: &str, uid: &str, node: &str) -> DynamicObject {
        object(json!({
            "metadata": {"name": "p", "namespace": "t", "uid": uid, "resourceVersion": version},
            "spec": {"nodeName": node},
        }))
    }

    #[test]
    fn an_older_form_never_replaces_a_newer_one() {
        let world = World::default();
        world.learn(Kind::Pod, pod("12", "u", "n2"));
        world.learn(Kind::Pod, pod("9", "u", "n1"));
        let seen = world.get(Kind::Pod, &Key::new("t", "p")).expect("a pod");
        assert_eq!(seen.text("/spec/nodeName"), "n2");
    }

    #[test]
    fn the_index_follows_the_object() {
        let world = World::default();
        world.learn(Kind::Pod, pod("1", "u", "n1"));
        world.learn(Kind::Pod, pod("2", "u", "n2"));
        assert!(world.find(Kind::Pod, "node", "n1").is_empty());
        assert_eq!(world.find(Kind::Pod, "node", "n2").len(), 1);
        world.forget(Kind::Pod, &pod("3", "u", "n2"));
        assert!(world.find(Kind::Pod, "node", "n2").is_empty() && world.all(Kind::Pod).is_empty());
    }

    #[test]
    fn a_late_farewell_does_not_remove_the_successor() {
        let world = World::default();
        world.learn(Kind::Pod, pod("5", "second", "n1"));
        world.forget(Kind::Pod, &pod("4", "first", "n1"));
        assert_eq!(world.all(Kind::Pod).len(), 1);
    }

    #[test]
    fn a_late_answer_does_not_bring_a_deleted_object_back() {
        let world = World::default();
        world.learn(Kind::Pod, pod("5", "u", "n1"));
        world.forget(Kind::Pod, &pod("7", "u", "n1"));
        world.learn(Kind::Pod, pod("6", "u", "n1"));
        assert!(world.all(Kind::Pod).is_empty());
    }

    #[test]
    fn what_a_new_list_leaves_out_is_gone_and_told() {
        let world = World::default();
        let (sender, mut changes) = tokio::sync::mpsc::unbounded_channel();
        world.listen(sender);
        world.learn(Kind::Pod, pod("1", "u", "n1"));
        world.retain(Kind::Pod, &BTreeSet::new());
        assert!(matches!(
            changes.try_recv(),
            Ok(Change::Object { new: Some(_), .. })
        ));
        assert!(matches!(changes.try_recv(), Ok(Change::Object { new: None, .. })));
        assert!(world.all(Kind::Pod).is_empty() && !world.unsynced().contains(&Kind::Pod));
    }
}
