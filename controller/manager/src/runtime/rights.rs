//! Every right that the operator needs, and why: the chart's ClusterRole is compared with this table, and so is the audit log
//! of the end-to-end tests. No I/O.
