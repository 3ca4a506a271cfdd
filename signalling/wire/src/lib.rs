//! The signalling protocol: messages, limits, identifiers.
