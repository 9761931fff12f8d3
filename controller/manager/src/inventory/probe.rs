//! Whether the kinds of other projects are served. I/O.
