//! Times: medians over several runs, what is compared run by turns so that a busy machine slows both. No I/O.
//!
//! Everything that is timed runs on one thread, and what is measured is the processor time of that thread: on an idle
//! machine the same as the time on the wall, on a busy one without the turns of others. Of an operation that takes
//! microseconds the slowest hundredth would else be whatever else ran here.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ThreadTime;

/// How long `work` takes; not how long it takes to forget its result.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = ThreadTime::now();
    let result = black_box(work());
    let took = start.elapsed();
    drop(result);
    took
}

/// Keeps the compiler from leaving out work whose result nobody looks at.
pub(crate) fn keep<T>(result: &T) {
    black_box(result);
}

/// Something to be timed.
pub(crate) type Work<'a> = &'a mut dyn FnMut();

/// The median time of each, by turns, `runs` times, after one run of each that does not count.
pub(crate) fn medians<const N: usize>(runs: usize, works: [Work<'_>; N]) -> [Duration; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(runs));
    let mut works = works;
    for run in 0..=runs {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let took = time(&mut **work);
            if run > 0 {
                times.push(took);
            }
        }
    }
    times.map(|times| quantile(times, 50))
}

/// The value below which `percent` of `times` are; zero of none.
pub(crate) fn quantile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

/// `a / b`.
pub(crate) fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64().max(1e-9)
}

/// As people read it.
pub(crate) fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 {
        format!("{micros:.1} µs")
    } else if micros < 1e6 {
        format!("{:.2} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}
