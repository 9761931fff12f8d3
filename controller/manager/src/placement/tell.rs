//! What the placement loop writes to the log: each planned move and each node that is used nowhere, once. No I/O but the log.

use raidc_planner::{Move, Spot};

use crate::inventory::translate::Notes;

/// Every move of a plan that the plan before did not have: why something is elsewhere today is asked weeks later.
pub(super) fn log_moves(planned: &[Move], before: &mut Vec<Move>) {
    for change in planned.iter().filter(|change| !before.contains(change)) {
        let spot = |spot: &Spot| format!("{}/{}/{}", spot.site, spot.rack, spot.host);
        tracing::info!(
            server = %change.server,
            kind = ?change.kind,
            from = spot(&change.from),
            to = spot(&change.to),
            reason = ?change.reason,
            "a move is planned"
        );
    }
    planned.clone_into(before);
}

/// Nodes that belong to no Site are also named here, in one line, when they are news: every Site lists them in its status, and the
/// metric `raidc_unusable_nodes` counts them.
pub(super) fn log_nowhere(notes: &Notes, before: &Notes) {
    let news: Vec<_> = notes
        .nodes
        .iter()
        .filter(|(name, node)| node.site.is_none() && before.nodes.get(name) != Some(node))
        .collect();
    if let Some((_, node)) = news.first() {
        tracing::warn!(
            nodes = news.len(),
            reason = node.note.reason,
            "nodes are not used and belong to no Site; the first: {}",
            node.note.message
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use raidc_planner::{MoveKind, MoveReason, ServerId};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `work` logs, a line each.
    fn logged(work: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = kept.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    fn goes(server: &str, to: &str) -> Move {
        let spot = |host: &str| Spot {
            site: "talsi".into(),
            rack: "talsi-r1".into(),
            host: host.into(),
        };
        Move {
            server: ServerId::new("talsi", server),
            kind: MoveKind::Backup,
            from: spot("h1"),
            to: spot(to),
            reason: MoveReason::Draining,
        }
    }

    #[test]
    fn no_planned_move_is_silent_and_none_is_told_twice() {
        let mut before = Vec::new();
        let first = [goes("register", "h2")];
        let lines = logged(|| log_moves(&first, &mut before));
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        for part in [
            "a move is planned",
            "server=talsi/register",
            "kind=Backup",
            "from=\"talsi/talsi-r1/h1\"",
            "to=\"talsi/talsi-r1/h2\"",
            "reason=Draining",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        // The next plan says it still, until it is carried out, and something else beside.
        let second = [goes("register", "h2"), goes("library", "h3")];
        let lines = logged(|| log_moves(&second, &mut before));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("talsi/library"), "{lines:?}");
        // One that is planned elsewhere now, or again after it was not, is news.
        assert!(logged(|| log_moves(&[], &mut before)).is_empty());
        assert_eq!(logged(|| log_moves(&first, &mut before)).len(), 1);
        assert_eq!(
            logged(|| log_moves(&[goes("register", "h4")], &mut before)).len(),
            1
        );
    }
}
