//! Runs the command as a person would, from the top of the repository. Starts processes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The examples and the hosts that the lab gives them.
pub const EXAMPLES: [&str; 4] = ["-f", "examples", "-f", "controller/cli/tests/data/nodes.yaml"];

/// The top of the repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A run with a kubeconfig that leads nowhere.
pub fn raidc(arguments: &[&str]) -> Ran {
    raidc_with(Path::new("/nonexistent/kubeconfig"), arguments)
}

/// A run with a kubeconfig.
pub fn raidc_with(kubeconfig: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_raidc"))
        .args(arguments)
        .current_dir(top())
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("the command starts");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// `before`, then the examples, then `after`.
pub fn with_examples<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    [before, &EXAMPLES, after].concat()
}

/// A file with `text` that lives as long as the folder it is in.
pub fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file in a folder of ours");
    path
}

/// A snapshot of the examples in a file.
pub fn snapshot(folder: &tempfile::TempDir) -> PathBuf {
    let ran = raidc(&with_examples(&["snapshot"], &[]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    file(folder, "fleet.yaml", &ran.out)
}
