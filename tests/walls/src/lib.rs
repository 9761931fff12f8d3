//! Nothing to import: the tests in `tests/` are all there is.
