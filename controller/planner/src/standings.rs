//! How the hosts of a small zone stand, in the order in which they are walked. No I/O.
//!
//! To walk some hundred hosts once costs less than to bring a tournament (`index.rs`) up to date with what was missed
//! since this size was last asked for, and it costs the same for the hundredth size as for the first. What the scores
//! need of a host lies together, so that a walk reads memory in order; the books' journal says which hosts to look at anew.

use crate::index::{NONE, Question};
use crate::score::Standing;
use crate::state::Books;
use crate::world::World;

/// What a question asks of the books beside a host's standing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    /// Scenarios that take the primary and leave the zone that is asked.
    pub(crate) scenarios: Vec<usize>,
    /// The site that is lost.
    pub(crate) site: usize,
}

impl Lost {
    pub(crate) fn of(world: &World<'_>, zone: usize, question: Question) -> Self {
        let Question::Backup { lost, .. } = question else {
            return Self::default();
        };
        let here = &world.zones[zone].scenarios;
        let taken = world.zones[lost].scenarios.iter().copied();
        Self {
            scenarios: taken.filter(|f| !here.contains(f)).collect(),
            site: world.zones[lost].site,
        }
    }
}

/// How the hosts of a small zone stand.
#[derive(Clone, Debug)]
pub(crate) struct Standings {
    of: Vec<Standing>,
    /// How much of the journal it has read.
    read: usize,
}

impl Standings {
    pub(crate) fn new(world: &World<'_>, books: &Books, zone: usize) -> Self {
        let hosts = world.zones[zone].hosts.iter();
        Self {
            of: hosts.map(|&host| Standing::of(world, books, host)).collect(),
            read: books.journal.end(zone),
        }
    }

    /// Brings up to date what was touched.
    pub(crate) fn read(&mut self, world: &World<'_>, books: &Books, zone: usize) {
        match books.journal.since(zone, self.read) {
            Some(missed) => {
                for &host in missed {
                    self.of[world.hosts[host].place_in_zone] = Standing::of(world, books, host);
                }
                self.read = books.journal.end(zone);
            }
            None => *self = Self::new(world, books, zone),
        }
    }

    /// The host that suits best among those that `good` accepts, with its score; of equals the first.
    pub(crate) fn best(
        &self,
        books: &Books,
        hosts: &[usize],
        question: Question,
        lost: &Lost,
        mut good: impl FnMut(usize) -> bool,
    ) -> Option<(i64, usize)> {
        let (mut least, mut best) = (NONE, None);
        // The two kinds apart, each as short as can be: this is what an admission spends its time on.
        match (question, lost.scenarios.as_slice()) {
            (Question::Primary { demand }, _) => {
                for (&host, standing) in hosts.iter().zip(&self.of) {
                    if demand[0] > standing.free[0] || demand[1] > standing.free[1] || standing.kind >= least
                    {
                        continue;
                    }
                    let score = standing.primary(demand, least);
                    if score < least && good(host) {
                        (least, best) = (score, Some((score, host)));
                    }
                }
            }
            (Question::Backup { demand, warm, .. }, &[f]) if f == lost.site => {
                for (&host, standing) in hosts.iter().zip(&self.of) {
                    if demand[0] > standing.unused[0] || demand[1] > standing.unused[1] {
                        continue;
                    }
                    let reserved = &books.reserved[host * books.scenarios + f];
                    let then = [reserved[0] + demand[0], reserved[1] + demand[1]];
                    if then[0] > standing.unused[0]
                        || then[1] > standing.unused[1]
                        || warm && !standing.on_now
                        || standing.order >= least
                    {
                        continue;
                    }
                    let score = standing.backup(then, least);
                    if score < least && good(host) {
                        (least, best) = (score, Some((score, host)));
                    }
                }
            }
            _ => {
                for (&host, standing) in hosts.iter().zip(&self.of) {
                    let score = question.score(books, host, standing, lost, least);
                    if score < least && good(host) {
                        (least, best) = (score, Some((score, host)));
                    }
                }
            }
        }
        best
    }
}
