//! Plays every `tests/scenarios/*.txt` and compares what comes out with the `*.out` beside it. Reads and, with
//! `UPDATE_GOLDEN=1`, writes files there.

mod story;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

#[test]
fn no_story_ends_otherwise_than_written() {
    let mut stories: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("tests/scenarios exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    stories.sort();
    assert!(!stories.is_empty(), "no stories found");
    let mut wrong = Vec::new();
    for path in &stories {
        let text = std::fs::read_to_string(path).expect("readable story");
        let told = match story::tell(&text) {
            Ok(told) => told,
            Err(error) => {
                wrong.push(format!("{}: {error}", path.display()));
                continue;
            }
        };
        let golden = path.with_extension("out");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &told).expect("golden output written");
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!(
                "{}: differs from its .out; it now says:\n{told}",
                path.display()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n(UPDATE_GOLDEN=1 accepts what is said now)",
        wrong.join("\n")
    );
}
