//! The table: a line per measure, as text or as one line of JSON each. Writes to standard output.

use serde_json::json;

/// How a measure came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Reached.
    Ok,
    /// Missed.
    Short,
    /// Not measured: the data is absent. Nothing is claimed.
    Absent,
    /// Beside a measure, for comparison; no goal.
    Info,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) measure: String,
    pub(crate) ours: String,
    pub(crate) yardstick: String,
    pub(crate) goal: String,
    pub(crate) verdict: Verdict,
}

/// Prints lines as they come and remembers whether one was short.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) json: bool,
    pub(crate) short: usize,
}

impl Table {
    /// The heading.
    pub(crate) fn heading(&self, machine: &str) {
        if self.json {
            println!("{}", json!({"machine": machine}));
        } else {
            println!("{machine}");
            print("measure", "ours", "yardstick", "ratio / goal", "");
        }
    }

    /// A line with a goal.
    pub(crate) fn goal(&mut self, measure: &str, ours: &str, yardstick: &str, goal: &str, reached: bool) {
        let verdict = if reached { Verdict::Ok } else { Verdict::Short };
        self.line(&line(measure, ours, yardstick, goal, verdict));
    }

    /// A line for comparison.
    pub(crate) fn info(&mut self, measure: &str, ours: &str, yardstick: &str) {
        self.line(&line(measure, ours, yardstick, "", Verdict::Info));
    }

    /// A measure whose data is absent.
    pub(crate) fn absent(&mut self, measure: &str, why: &str) {
        self.line(&line(measure, why, "", "", Verdict::Absent));
    }

    fn line(&mut self, line: &Line) {
        self.short += usize::from(line.verdict == Verdict::Short);
        let said = match line.verdict {
            Verdict::Ok => "ok",
            Verdict::Short => "SHORT",
            Verdict::Absent => "absent",
            Verdict::Info => "",
        };
        if self.json {
            let value = json!({
                "measure": line.measure, "ours": line.ours, "yardstick": line.yardstick, "goal": line.goal, "verdict": said,
            });
            println!("{value}");
        } else {
            print(&line.measure, &line.ours, &line.yardstick, &line.goal, said);
        }
    }
}

fn line(measure: &str, ours: &str, yardstick: &str, goal: &str, verdict: Verdict) -> Line {
    Line {
        measure: measure.to_owned(),
        ours: ours.to_owned(),
        yardstick: yardstick.to_owned(),
        goal: goal.to_owned(),
        verdict,
    }
}

fn print(measure: &str, ours: &str, yardstick: &str, goal: &str, said: &str) {
    println!("{measure:<38} | {ours:<44} | {yardstick:<52} | {goal:<24} | {said}");
}
