//! The machine the numbers come from. Reads /proc; what cannot be read is not known and is said so.

use std::fs;

/// One line about the machine.
pub(crate) fn line() -> String {
    let cores = std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |n| n.to_string());
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split(':').nth(1)?.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    format!("{cores} cores ({model}), load {}", load())
}

/// Load over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first: Vec<&str> = text.split(' ').take(3).collect();
    if first.is_empty() {
        "unknown".to_owned()
    } else {
        first.join(" ")
    }
}

/// The most memory that this process has had resident, in MiB.
pub(crate) fn peak_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// Lets the peak start from what is resident now. Where the kernel refuses, the peak is that of the whole run.
pub(crate) fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}
