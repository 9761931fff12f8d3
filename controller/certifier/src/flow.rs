//! The largest flow from kinds of demand to sites, and where it is stuck: shortest augmenting paths (Edmonds and Karp,
//! 1972). No I/O.

use std::collections::VecDeque;

/// What does not fit: the kinds and sites on the demand's side of the smallest cut, and by how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Kinds of demand that cannot all be held.
    pub(crate) kinds: Vec<usize>,
    /// The sites that they may use, every one of them full.
    pub(crate) sites: Vec<usize>,
    /// Demand less room, more than 0.
    pub(crate) excess: i128,
}

/// Sends `demands` (amount, sites that may hold it) to sites with `room`; `None` when all of it fits.
///
/// The cut is the smallest there is: demand that could go elsewhere is not in it. There are as many steps as kinds times
/// sites times their sum at most, which is thousands.
pub(crate) fn cut(demands: &[(i128, Vec<usize>)], room: &[i128]) -> Option<Cut> {
    let mut left: Vec<i128> = demands.iter().map(|(amount, _)| *amount).collect();
    let mut free: Vec<i128> = room.to_vec();
    let mut sent = vec![vec![0i128; room.len()]; demands.len()];
    loop {
        // From every kind with something left, through sites, back through what other kinds sent there.
        let mut from_kind: Vec<Option<usize>> = vec![None; demands.len()];
        let mut from_site: Vec<Option<usize>> = vec![None; room.len()];
        let mut seen: Vec<bool> = left.iter().map(|left| *left > 0).collect();
        let mut queue: VecDeque<usize> = (0..demands.len()).filter(|&kind| seen[kind]).collect();
        let mut found = None;
        while let (Some(kind), None) = (queue.pop_front(), found) {
            for &site in &demands[kind].1 {
                if from_site[site].is_some() {
                    continue;
                }
                from_site[site] = Some(kind);
                if free[site] > 0 {
                    found = Some(site);
                    break;
                }
                for other in 0..demands.len() {
                    if !seen[other] && sent[other][site] > 0 {
                        seen[other] = true;
                        from_kind[other] = Some(site);
                        queue.push_back(other);
                    }
                }
            }
        }
        let Some(end) = found else {
            let excess: i128 = left.iter().sum();
            let kinds = (0..demands.len()).filter(|&kind| seen[kind]).collect();
            let sites = (0..room.len())
                .filter(|&site| from_site[site].is_some())
                .collect();
            return (excess > 0).then_some(Cut { kinds, sites, excess });
        };
        let mut path = Vec::new();
        let (mut site, mut amount) = (end, free[end]);
        while let Some(kind) = from_site[site] {
            path.push((kind, site));
            let Some(before) = from_kind[kind] else {
                amount = amount.min(left[kind]);
                left[kind] -= amount;
                break;
            };
            amount = amount.min(sent[kind][before]);
            site = before;
        }
        free[end] -= amount;
        for (kind, site) in path {
            sent[kind][site] += amount;
            if let Some(before) = from_kind[kind] {
                sent[kind][before] -= amount;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_by_going_round_is_never_called_stuck() {
        // The first kind takes the second's only site first, and has to give it back.
        let demands = vec![(5, vec![0, 1]), (5, vec![0])];
        assert_eq!(cut(&demands, &[5, 5]), None);
    }

    #[test]
    fn demand_that_could_go_elsewhere_is_never_blamed() {
        let demands = vec![(9, vec![0, 1]), (4, vec![2]), (3, vec![0, 1, 2, 3])];
        let stuck = cut(&demands, &[3, 4, 4, 9]).unwrap();
        assert_eq!(
            stuck,
            Cut {
                kinds: vec![0],
                sites: vec![0, 1],
                excess: 2
            }
        );
    }

    #[test]
    fn the_cut_is_never_smaller_than_any_set_of_sites_shows() {
        // Gale and Hall: the excess is the most over all sets of sites of what must be inside less what it holds.
        for number in 0..2000usize {
            let bit = |at: usize| ((number * 2_654_435_761) >> at) & 3;
            let demands: Vec<(i128, Vec<usize>)> = (0..4)
                .map(|kind| {
                    let may = (0..3).filter(|site| bit(3 + 3 * kind + site) % 2 == 1).collect();
                    (i128::try_from(bit(2 * kind)).unwrap() * 2, may)
                })
                .collect();
            let room: Vec<i128> = (0..3)
                .map(|site| i128::try_from(bit(9 + site)).unwrap())
                .collect();
            let most = (0..8usize)
                .map(|set| {
                    let inside = |may: &Vec<usize>| may.iter().all(|site| (set >> site) & 1 == 1);
                    let held: i128 = (0..3)
                        .filter(|site| (set >> site) & 1 == 1)
                        .map(|site| room[site])
                        .sum();
                    let asked: i128 = demands.iter().filter(|d| inside(&d.1)).map(|d| d.0).sum();
                    asked - held
                })
                .max()
                .unwrap();
            let found = cut(&demands, &room).map_or(0, |cut| cut.excess);
            assert_eq!(found, most.max(0), "{demands:?} {room:?}");
        }
    }
}
