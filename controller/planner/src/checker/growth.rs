//! Does every server count with what it has, or with the larger size that it asks for where that may be granted? No I/O.
//!
//! Whether a granted size fits is for the checks of hosts, racks, sites, quotas and losses: to them what it grew by is new,
//! and new things are never excused as what was there before.

use super::base::Base;
use super::model::{Placed, fault};
use super::physics;
use crate::fault::{Fault, Rule};
use crate::fleet::{Fleet, State};

/// The size of one server that has a place.
pub(super) fn check(fleet: &Fleet, base: &Base<'_>, server: &Placed<'_>, faults: &mut Vec<Fault>) {
    let (spec, plan) = (server.spec, server.plan);
    let asked = physics::believed(&physics::asked(spec));
    let kept = physics::believed(&physics::kept(spec));
    if plan.granted == kept && plan.growth.is_some() == (asked != kept) {
        return;
    }
    let mut say = |how: String| faults.push(fault(Rule::Growth, format!("server/{}", server.id), how));
    if plan.granted == kept {
        say("has less than it asks for and does not say why, or says why and has it".to_owned());
        return;
    }
    if plan.granted != asked {
        let has = plan.granted;
        say(format!(
            "counts with {has:?}; it has {kept:?} and asks for {asked:?}"
        ));
        return;
    }
    if plan.growth.is_some() {
        say("was granted what it asks for and waits for it".to_owned());
    }
    if !physics::is_sound(spec) {
        say("was granted what cannot be true".to_owned());
    }
    let open = |host: Option<usize>| host.is_some_and(|host| base.hosts[host].open);
    let heavier = server.grew[0] || server.grew[1];
    if server.host.is_none() || heavier && !open(server.host) {
        say(format!(
            "grew on {}, which takes nothing new",
            plan.placement.host
        ));
    }
    if heavier && plan.backup.is_some() && !open(server.backup) {
        say("grew with its reserve where nothing new may be".to_owned());
    }
    if server.grew[2] {
        for site in std::iter::once(&plan.placement.site).chain(&plan.copy_sites) {
            if base.site_state(site) != State::Active {
                say(format!("its data grew at {site}, which takes nothing new"));
            }
        }
    }
    // A server that is started again may take the room of anybody's reserve, at any time.
    let taken_over = || fleet.servers.values().any(|other| other.released);
    if spec.copies > 1 && (plan.backup.is_none() || plan.unprotected.is_some()) && !taken_over() {
        say("grew without the reserve and the copies that its policy asks for".to_owned());
    }
}
