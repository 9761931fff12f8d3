//! Structured logs. I/O: standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::config::LogFormat;

/// Starts logging; RUST_LOG chooses what is logged, `info` by default.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.with_ansi(false).init(),
        LogFormat::Json => logs.json().init(),
    }
}
