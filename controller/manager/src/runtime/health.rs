//! /healthz, /readyz and /metrics. I/O: listens.
