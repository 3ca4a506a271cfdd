//! A synthetic participant without I/O.
