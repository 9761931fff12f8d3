//! One that was released after a loss: where it may start again, and what is left for it there. No I/O.

use super::room::{Room, Seeker};
use crate::fleet::Server;

impl Room<'_, '_> {
    /// Whether a host is open to this server: as a new one or, released, to be started again where its data is.
    pub(super) fn takes(&self, spec: &Server, at: usize) -> bool {
        let host = &self.model.base.hosts[at];
        match self.left(spec) {
            Some(home) => host.works && (host.site == home || self.copies(spec).contains(&host.site)),
            None => host.open && self.may_use(spec, host.site),
        }
    }

    /// The site that a released server has lost its place at. It may start there again, or where its copies are, at the
    /// price of ceilings and reserves.
    pub(super) fn left(&self, spec: &Server) -> Option<usize> {
        self.home(spec).filter(|_| spec.released)
    }

    /// The site that a server is recorded at.
    pub(super) fn home(&self, spec: &Server) -> Option<usize> {
        let (base, was) = (&self.model.base, spec.current.as_ref()?);
        let host = was.host.as_ref().and_then(|name| base.host_named(name));
        host.map_or_else(|| base.site(&was.site), |at| Some(base.hosts[at].site))
    }

    /// The sites of the copies on record, ascending by name; the reserve is where one is.
    pub(super) fn copies(&self, spec: &Server) -> Vec<usize> {
        let (base, Some(was)) = (&self.model.base, &spec.current) else {
            return Vec::new();
        };
        let reserve = was.backup.as_ref().and_then(|name| base.host_named(name));
        let mut sites: Vec<usize> = was.copy_sites.iter().filter_map(|name| base.site(name)).collect();
        sites.extend(reserve.map(|at| base.hosts[at].site));
        sites.sort_unstable_by_key(|&site| base.sites[site].name);
        sites.dedup();
        sites
    }

    /// What is free on a host for this server.
    pub(super) fn free_for(&self, spec: &Server, at: usize) -> [i64; 2] {
        if self.left(spec).is_none() {
            return self.free(at);
        }
        [0, 1].map(|d| self.model.base.hosts[at].build.room[d] - self.model.used[at][d])
    }

    /// Whether a released server could be started on a host now.
    pub(super) fn could_start(&self, seeker: &Seeker<'_>, at: usize) -> bool {
        let free = self.free_for(seeker.spec, at);
        let (asked, left) = self.watts(seeker, at);
        let meets = seeker.spec.apart.as_ref().is_some_and(|mine| {
            self.model.servers.iter().any(|other| {
                let its = other.spec.apart.as_ref();
                let same = other.id != seeker.id && other.spec.tenant == seeker.spec.tenant;
                let near = its.filter(|its| {
                    same && its.group == mine.group && (its.domain.is_none() || its.domain != mine.domain)
                });
                near.zip(other.host)
                    .is_some_and(|(its, place)| self.meet(mine.by.max(its.by), at, place))
            })
        });
        self.takes(seeker.spec, at)
            && (0..2).all(|d| seeker.need[d] <= free[d])
            && asked <= left
            && !meets
            && !self.strays(seeker, at, |other| other.host)
    }
}
