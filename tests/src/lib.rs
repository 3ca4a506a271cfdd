//! The whole system under test: simulated network, scenarios, browsers.
