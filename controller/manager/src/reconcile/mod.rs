//! One reconciler per kind, each in five named steps: gather, validate, plan, apply, report.

pub mod status;
