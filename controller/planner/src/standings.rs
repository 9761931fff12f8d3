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

#[cfg(test)]
mod tests {
    use crate::fleet::{Feed, Fleet, Host, Rack, Server, Site, Tenant};
    use crate::ids::{RackName, ServerId, SiteName};
    use crate::index::{Index, Question};
    use crate::state::Books;
    use crate::world;

    /// Two sites with nine hosts of three models each, and twenty servers of five sizes.
    fn fleet() -> Fleet {
        let mut fleet = Fleet::default();
        fleet.tenants.insert("city".into(), Tenant::default());
        for name in ["talsi", "kuldiga"] {
            let (site, rack) = (SiteName::from(name), RackName::from(format!("{name}-r1")));
            let feed = |feed: &str| Feed {
                name: feed.to_owned(),
                watts: 9000,
                panel: None,
            };
            let feeds = vec![feed("a"), feed("b")];
            fleet.sites.insert(site.clone(), Site::default());
            let of_site = Rack {
                site: site.clone(),
                feeds,
                ..Rack::default()
            };
            fleet.racks.insert(rack.clone(), of_site);
            for at in 0..9 {
                let host = Host {
                    site: site.clone(),
                    rack: rack.clone(),
                    cpu_milli: 16_000 * (1 + at % 3),
                    memory_mib: 65_536 * (1 + at % 3),
                    idle_watts: 80 + 10 * (at % 4),
                    max_watts: 400,
                    ..Host::default()
                };
                fleet.hosts.insert(format!("{name}-h{at}").into(), host);
            }
        }
        for at in 0..20 {
            let server = Server {
                tenant: "city".into(),
                cpu_milli: 1000 * (1 + at % 5),
                memory_mib: 4096 * (1 + (at * 3) % 5),
                copies: 2,
                ..Server::default()
            };
            fleet
                .servers
                .insert(ServerId::new("city", format!("vm-{at:02}")), server);
        }
        fleet
    }

    #[test]
    fn a_walk_and_a_tournament_never_differ() {
        let fleet = fleet();
        let world = world::build(&fleet);
        let mut books = Books::new(&world);
        let (mut walks, mut tournaments) = (Index::default(), Index::walking(0));
        for (at, server) in world
            .servers
            .iter()
            .enumerate()
            .chain(world.servers.iter().enumerate())
        {
            // The second time round each comes again after it has gone.
            if books.slots[at].is_placed() {
                books.lift(&world, at);
            }
            let (from, to) = (at % 2, 1 - at % 2);
            let primary = Question::Primary {
                demand: server.demand,
            };
            let found = walks.best(&world, &books, from, primary, |host| host % 4 != at % 4);
            let other = tournaments.best(&world, &books, from, primary, |host| host % 4 != at % 4);
            assert_eq!(found, other);
            let (_, host) = found.expect("there is room");
            books.add_primary(&world, at, host);
            let backup = Question::Backup {
                demand: server.demand,
                lost: from,
                warm: at % 7 == 0,
            };
            let found = walks.best(&world, &books, to, backup, |_| true);
            assert_eq!(found, tournaments.best(&world, &books, to, backup, |_| true));
            if let Some((_, host)) = found {
                books.add_backup(&world, at, host);
            }
        }
    }
}
