//! Sizes of servers as amounts along few directions. No I/O.
//!
//! In a linear program that knows only sums, a server of 4 cores and 8 GiB is two of 2 cores and 4 GiB: only the
//! *direction* of a size (its memory per core) matters. Where there are still too many directions, some are chosen as
//! rays, the outermost among them, and every size between two rays is a sum of amounts along both. Each such step lets
//! the program cut servers finer than they are, never coarser: whatever can be done with whole servers can be done with
//! the amounts, so that a bound for the amounts is one for the servers. Amounts are counted in 1024ths, so that what
//! rounding takes is less than a thousandth of a server per ray.

use std::collections::BTreeMap;

/// A size or direction: thousandths of a core, MiB.
pub(crate) type Size = [i128; 2];

/// An amount along a ray, in units of the ray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Along {
    /// The direction.
    pub(crate) ray: Size,
    /// How many times it is needed, in [`PARTS`]ths.
    pub(crate) amount: i128,
}

/// Amounts are in such parts of a ray.
pub(crate) const PARTS: i128 = 1024;

fn cross(a: Size, b: Size) -> i128 {
    a[0] * b[1] - a[1] * b[0]
}

fn reduced(size: Size) -> Size {
    let (mut a, mut b) = (size[0], size[1]);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 { size } else { [size[0] / a, size[1] / a] }
}

/// All of `sizes` (size, how many) along at most `most` rays, which is at least 2.
///
/// Sizes are not negative and at most 2^41, counts at most 2^32: nothing here exceeds 2^125.
pub(crate) fn along(sizes: &BTreeMap<Size, i128>, most: usize) -> Vec<Along> {
    let mut totals: BTreeMap<Size, Size> = BTreeMap::new();
    for (size, count) in sizes {
        if size[0] > 0 || size[1] > 0 {
            let total = totals.entry(reduced(*size)).or_default();
            total[0] += size[0] * count * PARTS;
            total[1] += size[1] * count * PARTS;
        }
    }
    let mut directions: Vec<(Size, Size)> = totals.into_iter().collect();
    // From most cores per memory to most memory per core.
    directions.sort_by(|a, b| cross(b.0, a.0).cmp(&0));
    let most = most.max(2);
    let rays: Vec<Size> = if directions.len() <= most {
        directions.iter().map(|(ray, _)| *ray).collect()
    } else {
        let last = directions.len() - 1;
        (0..most).map(|at| directions[at * last / (most - 1)].0).collect()
    };
    let mut amounts = vec![0i128; rays.len()];
    let mut low = 0;
    let mut between = vec![[0i128; 2]; rays.len()];
    for (direction, total) in directions {
        while low + 1 < rays.len() && cross(rays[low + 1], direction) >= 0 {
            low += 1;
        }
        if cross(rays[low], direction) == 0 {
            let d = usize::from(rays[low][0] == 0);
            amounts[low] += total[d] / rays[low][d];
        } else {
            between[low] = [between[low][0] + total[0], between[low][1] + total[1]];
        }
    }
    for low in 0..rays.len().saturating_sub(1) {
        let (u, v, total) = (rays[low], rays[low + 1], between[low]);
        let whole = cross(u, v);
        if whole > 0 {
            amounts[low] += cross(total, v) / whole;
            amounts[low + 1] += cross(u, total) / whole;
        }
    }
    rays.into_iter()
        .zip(amounts)
        .filter(|(_, amount)| *amount > 0)
        .map(|(ray, amount)| Along { ray, amount })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(along: &[Along]) -> Size {
        along.iter().fold([0; 2], |sum, part| {
            [
                sum[0] + part.ray[0] * part.amount,
                sum[1] + part.ray[1] * part.amount,
            ]
        })
    }

    #[test]
    fn equal_directions_are_never_two_classes() {
        let sizes = BTreeMap::from([([1000, 2048], 3), ([2000, 4096], 1), ([1000, 4096], 2)]);
        let parts = along(&sizes, 8);
        assert_eq!(parts.len(), 2);
        assert_eq!(
            sum(&parts),
            [7000, 3 * 2048 + 4096 + 2 * 4096].map(|all| all * PARTS)
        );
    }

    #[test]
    fn bucketed_sizes_never_ask_for_more_and_lose_less_than_a_unit_per_ray() {
        let sizes: BTreeMap<Size, i128> = (1..200)
            .map(|at| ([1000 + at * 7, 900 + at * at % 5003], 1 + at % 5))
            .collect();
        let total = sizes.iter().fold([0; 2], |sum, (size, count)| {
            [sum[0] + size[0] * count * PARTS, sum[1] + size[1] * count * PARTS]
        });
        for most in [2, 3, 8, 24] {
            let parts = along(&sizes, most);
            assert!(parts.len() <= most);
            let (least, units) = (
                sum(&parts),
                parts
                    .iter()
                    .fold([0; 2], |sum, part| [sum[0] + part.ray[0], sum[1] + part.ray[1]]),
            );
            for d in 0..2 {
                assert!(
                    least[d] <= total[d] && total[d] <= least[d] + 2 * units[d],
                    "{most} rays"
                );
            }
        }
    }

    #[test]
    fn a_size_without_cores_or_memory_is_never_lost() {
        let sizes = BTreeMap::from([([0, 5], 2), ([7, 0], 3), ([0, 0], 4)]);
        assert_eq!(sum(&along(&sizes, 2)), [21 * PARTS, 10 * PARTS]);
    }
}
