//! The measures of capacity and of quota, and how amounts of them are read. No I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A measure of capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resource {
    /// Virtual cores, in thousandths.
    Cpu,
    /// MiB.
    Memory,
    /// Watts.
    Watts,
    /// MiB.
    Storage,
}

impl Resource {
    /// An amount with what it is of: `4 cores`, `16 GiB of memory`, `350 W`.
    pub fn amount(self, amount: i64) -> String {
        self.of(&self.show(amount))
    }

    /// What is asked for or in use, as people read it: `4 cores`, `16.3 GiB`, `350 W`. Rounded up.
    pub fn show(self, amount: i64) -> String {
        let unit = Unit::of(self, amount);
        unit.say(unit.up(amount))
    }

    /// What is free or allowed, as people read it. Rounded down.
    pub fn room(self, amount: i64) -> String {
        let unit = Unit::of(self, amount);
        unit.say(unit.down(amount))
    }

    /// What is asked for where less is free, in one unit and so that the figures add up.
    pub(super) fn short(self, asked: i64, free: i64) -> Short {
        let unit = Unit::of(self, asked);
        let (asked, free) = (unit.up(asked), unit.coarse(free));
        Short {
            asked: self.of(&unit.say(asked)),
            left: unit.say(free.max(0)),
            over: (free < 0).then(|| unit.say(free.saturating_neg())),
            lack: unit.say(whole_when_large(asked.saturating_sub(free), true)),
        }
    }

    fn of(self, shown: &str) -> String {
        match self {
            Self::Cpu | Self::Watts => shown.to_owned(),
            Self::Memory | Self::Storage => format!("{shown} of {self}"),
        }
    }
}

/// What is short, in words whose figures add up: asked − left = lack, and asked + over = lack.
pub(super) struct Short {
    /// Asked for, with what it is of.
    pub(super) asked: String,
    /// Free, never less than nothing.
    pub(super) left: String,
    /// How much more is in use already than there is, if any.
    pub(super) over: Option<String>,
    /// What has to become free.
    pub(super) lack: String,
}

impl Short {
    /// `has 15 GiB left`, `has nothing left`, or `has nothing left and is 3 GiB over already`.
    pub(super) fn has(&self) -> String {
        match &self.over {
            None if self.left.starts_with("0 ") => "has nothing left".to_owned(),
            None => format!("has {} left", self.left),
            Some(over) => format!("has nothing left and is {over} over already"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cores",
            Self::Memory => "memory",
            Self::Watts => "power",
            Self::Storage => "storage",
        })
    }
}

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QuotaResource {
    /// Number of virtual servers.
    Servers,
    /// Virtual cores, in thousandths.
    Cpu,
    /// Guest memory, in MiB.
    Memory,
    /// Storage, in MiB.
    Storage,
    /// Watts of colocated devices.
    Watts,
    /// Rack units.
    RackUnits,
}

impl QuotaResource {
    /// The name of the field in the tenant's `spec.quota`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Cpu => "cores",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Watts => "watts",
            Self::RackUnits => "rackUnits",
        }
    }

    /// An amount as people read it. Rounded up.
    pub fn show(self, amount: i64) -> String {
        match self {
            Self::Servers => format!("{amount}"),
            Self::Cpu => Resource::Cpu.show(amount),
            Self::Memory => Resource::Memory.show(amount),
            Self::Storage => Resource::Storage.show(amount),
            Self::Watts => Resource::Watts.show(amount),
            Self::RackUnits => format!("{amount} U"),
        }
    }

    /// A limit as people read it. Rounded down.
    pub fn room(self, amount: i64) -> String {
        match self {
            Self::Cpu => Resource::Cpu.room(amount),
            Self::Memory => Resource::Memory.room(amount),
            Self::Storage => Resource::Storage.room(amount),
            Self::Servers | Self::Watts | Self::RackUnits => self.show(amount),
        }
    }
}

/// What an amount is told in. Figures are counted in tenths of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Cores,
    Gib,
    Mib,
    Watts,
}

/// From here on, in tenths, nobody looks at a decimal.
const LARGE: i64 = 1000;

impl Unit {
    /// MiB only for what is less than a GiB.
    fn of(resource: Resource, amount: i64) -> Self {
        match resource {
            Resource::Cpu => Self::Cores,
            Resource::Watts => Self::Watts,
            Resource::Memory | Resource::Storage if amount != 0 && amount.saturating_abs() < 1024 => {
                Self::Mib
            }
            Resource::Memory | Resource::Storage => Self::Gib,
        }
    }

    /// How many of the planner's units are one of this, ten times.
    fn tenths(self, amount: i64) -> (i64, i64) {
        match self {
            Self::Cores => (amount, 100),
            Self::Gib => (amount.saturating_mul(10), 1024),
            Self::Mib | Self::Watts => (amount.saturating_mul(10), 1),
        }
    }

    fn up(self, amount: i64) -> i64 {
        let (tenths, of) = self.tenths(amount);
        whole_when_large(tenths.saturating_add(of - 1).div_euclid(of), true)
    }

    fn down(self, amount: i64) -> i64 {
        let (tenths, of) = self.tenths(amount);
        whole_when_large(tenths.div_euclid(of), false)
    }

    /// What is free changes with everything that others do, and each other figure is another write to every object
    /// that waits: whole cores and GiB, tens of watts, 64 MiB, where there is as much.
    fn coarse(self, amount: i64) -> i64 {
        let (tenths, step) = match self {
            Self::Cores | Self::Gib => (self.down(amount), 10),
            Self::Mib => (self.down(amount), 640),
            Self::Watts => (self.down(amount), 100),
        };
        if (0..step).contains(&tenths) {
            tenths
        } else {
            tenths.div_euclid(step).saturating_mul(step)
        }
    }

    fn say(self, tenths: i64) -> String {
        let name = match self {
            Self::Cores if tenths == 10 => "core",
            Self::Cores => "cores",
            Self::Gib => "GiB",
            Self::Mib => "MiB",
            Self::Watts => "W",
        };
        let sign = if tenths < 0 { "-" } else { "" };
        let (whole, tenth) = (tenths.saturating_abs() / 10, tenths.saturating_abs() % 10);
        if tenth == 0 {
            format!("{sign}{whole} {name}")
        } else {
            format!("{sign}{whole}.{tenth} {name}")
        }
    }
}

fn whole_when_large(tenths: i64, up: bool) -> i64 {
    if tenths.saturating_abs() < LARGE {
        tenths
    } else if up {
        tenths.saturating_add(9).div_euclid(10).saturating_mul(10)
    } else {
        tenths.div_euclid(10).saturating_mul(10)
    }
}

/// A number of things in words: `1 host`, `3 hosts`.
pub fn counted(number: i64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_never_told_in_more_digits_than_people_read() {
        let memory = |mib| (Resource::Memory.show(mib), Resource::Memory.room(mib));
        let told = |more: &str, less: &str| (more.to_owned(), less.to_owned());
        assert_eq!(memory(411_173), told("402 GiB", "401 GiB"));
        assert_eq!(memory(16_640), told("16.3 GiB", "16.2 GiB"));
        assert_eq!(memory(16_384), told("16 GiB", "16 GiB"));
        assert_eq!(memory(512), told("512 MiB", "512 MiB"));
        assert_eq!(memory(0), told("0 GiB", "0 GiB"));
        assert_eq!(memory(-1536), told("-1.5 GiB", "-1.5 GiB"));
        assert_eq!(memory(i64::MAX).0.split(' ').nth(1), Some("GiB"));
        assert_eq!(Resource::Cpu.show(1000), "1 core");
        assert_eq!(Resource::Cpu.show(1250), "1.3 cores");
        assert_eq!(Resource::Watts.amount(37), "37 W");
    }

    #[test]
    fn what_is_short_never_looks_as_if_it_fitted() {
        for resource in [
            Resource::Cpu,
            Resource::Memory,
            Resource::Storage,
            Resource::Watts,
        ] {
            for asked in [1, 99, 500, 1000, 1023, 1025, 16_384, 16_640, 262_145, 1 << 40] {
                for free in [asked - 1, asked / 2, 1, 0, -5, -5000]
                    .into_iter()
                    .filter(|f| *f < asked)
                {
                    let short = resource.short(asked, free);
                    let shown = short.asked.split(" of ").next().unwrap_or_default();
                    let said = format!(
                        "{resource} {asked} {free}: {shown}, {}, {}",
                        short.left, short.lack
                    );
                    let figure = |text: &str| text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
                    assert!(figure(shown) > figure(&short.left), "{said}");
                    assert!(figure(&short.lack) > Some(0.0), "{said}");
                    let unit = |text: &str| {
                        text.split(' ')
                            .nth(1)
                            .map(|name| name.trim_end_matches('s').to_owned())
                    };
                    assert_eq!(unit(shown), unit(&short.left), "{said}");
                    assert_eq!(unit(shown), unit(&short.lack), "{said}");
                }
            }
        }
    }

    #[test]
    fn what_little_others_do_never_changes_what_is_told() {
        let said = |free| {
            let short = Resource::Memory.short(16_640, free);
            (short.left, short.lack)
        };
        assert_eq!(said(15_616), said(15_400));
        assert_eq!(said(15_616), ("15 GiB".to_owned(), "1.3 GiB".to_owned()));
        let cores = |free| Resource::Cpu.short(4000, free).left;
        assert_eq!(cores(3950), cores(3100));
    }
}
