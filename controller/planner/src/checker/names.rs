//! Names resolved once: a hash map from text to index with a fixed hasher. Its order never reaches a result. No I/O.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Multiply-and-rotate over eight bytes at a time: names are short, and a million of them are looked up in one check.
/// Names are given by the platform team and by Kubernetes, not by tenants, so that crafted collisions are no concern;
/// they would make it slow, never wrong.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Mix {
    fn take(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.take(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let mut last = [0; 8];
        let rest = words.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.take(u64::from_le_bytes(last));
    }

    fn write_usize(&mut self, number: usize) {
        self.take(number as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        self.take(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // The table takes the upper bits for its tags and the lower ones for its slots: both have to be mixed.
        self.0 ^ (self.0 >> 29)
    }
}

type ByText<'a> = HashMap<&'a str, usize, BuildHasherDefault<Mix>>;

/// From a name to its index.
#[derive(Default)]
pub(super) struct Index<'a> {
    /// What was given, in the order in which it was.
    given: Vec<(&'a str, usize)>,
    /// By text: made when the first name is asked for that is not found by its place.
    names: OnceCell<ByText<'a>>,
    /// By where the text lies. A plan's names are mostly the fleet's own, and those are found without reading them. The
    /// texts that were given outlive this, so that nothing else can come to lie there.
    places: HashMap<(usize, usize), usize, BuildHasherDefault<Mix>>,
}

/// Where a text lies, and its length: a text may begin with another.
fn place(name: &str) -> (usize, usize) {
    (name.as_ptr() as usize, name.len())
}

impl<'a> Index<'a> {
    /// An empty one with room for this many.
    pub(super) fn sized(names: usize) -> Self {
        Self {
            given: Vec::with_capacity(names),
            names: OnceCell::new(),
            places: HashMap::with_capacity_and_hasher(names, BuildHasherDefault::default()),
        }
    }

    /// The index of a name.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        let known = self.places.get(&place(name));
        known.or_else(|| self.by_text().get(name)).copied()
    }

    fn by_text(&self) -> &ByText<'a> {
        self.names.get_or_init(|| self.given.iter().copied().collect())
    }

    /// Gives a name its index. A name is given once: whoever cannot know looks first.
    pub(super) fn set(&mut self, name: &'a str, index: usize) {
        self.given.push((name, index));
        if let Some(names) = self.names.get_mut() {
            names.insert(name, index);
        }
        self.places.insert(place(name), index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_taken_for_one() {
        let names: Vec<String> = (0..5000).map(|at| format!("host-{at:05}")).collect();
        let mut index = Index::sized(names.len());
        for (at, name) in names.iter().enumerate() {
            index.set(name, at);
        }
        for (at, name) in names.iter().enumerate() {
            assert_eq!(index.get(name), Some(at));
        }
        assert_eq!(index.get("host-5000"), None);
        assert_eq!(index.get(""), None);
        // The same text elsewhere, and a part of one that lies where it does.
        assert_eq!(index.get("host-00042"), Some(42));
        assert_eq!(index.get(&names[42][..9]), None);
    }

    #[test]
    fn a_name_is_never_missed_for_having_been_given_after_another_was_asked_for() {
        let talsi = "talsi".to_owned();
        let mut index = Index::default();
        index.set("kuldiga", 1);
        assert_eq!(index.get(&talsi), None);
        index.set("talsi", 2);
        index.set("", 3);
        assert_eq!(
            (index.get(&talsi), index.get(""), index.get("kuldiga")),
            (Some(2), Some(3), Some(1))
        );
    }
}
