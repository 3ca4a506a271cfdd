//! `conclave doctor`: what on this machine keeps meetings from working, one
//! line of cause and one of cure per finding.
//!
//! Each check first looks (files, sockets, names) and then judges what it saw
//! in a pure function. Nobody outside is asked: names are resolved as the
//! system does it, and connections go to this server and its URLs alone.

mod addresses;
mod certificate;
mod finding;
mod machine;
mod name;
mod ports;
mod ways;

use std::fs;
use std::os::unix::net::UnixStream;
use std::time::SystemTime;

use crate::config::{Config, ConfigError, Role};
use crate::health_check;
use crate::host::Machine;
use crate::setup;

pub(crate) use finding::{Finding, Level, json, text};

/// Looks at everything that a configuration needs.
pub(crate) fn examine(config: Result<Config, ConfigError>) -> Vec<Finding> {
    let config = match config {
        Ok(config) => config,
        Err(error) => return unusable(&error),
    };
    let mut found = vec![Finding::ok("configuration", "every setting can be used")];
    let machine = match Machine::look() {
        Ok(machine) => machine,
        Err(error) => {
            let cause = format!("the addresses of this machine cannot be listed: {error}");
            let cure = "run the doctor where the server runs, not in a sandbox";
            found.push(Finding::error("addresses", cause, cure));
            return found;
        }
    };
    let is_running = is_running(&config);
    let media_ips = setup::media_ips(&config, &machine);
    let name = name::look(&config);
    found.extend(ports::judge(&ports::look(&config), is_running));
    let now = SystemTime::now();
    found.extend(certificate::judge(
        &certificate::look(&config, now),
        config.public_url.as_ref().map(|url| url.host()),
        now,
    ));
    found.extend(name::judge(&name, &machine.addresses, &media_ips));
    // A relay that stands alone has no media of its own.
    if matches!(config.role, Role::All) {
        found.extend(addresses::judge(
            &media_ips,
            &machine.addresses,
            name.addresses(),
        ));
    }
    found.extend(machine::judge(&machine::look(&config)));
    let looked = is_running.then(|| ways::look(&config, &name));
    found.extend(ways::judge(looked.as_ref()));
    found
}

/// Says each problem of a configuration.
fn unusable(error: &ConfigError) -> Vec<Finding> {
    let text = error.to_string();
    let finding = |problem: &str| {
        let cure = "correct it; `conclave config check` shows each setting and where it is from";
        Finding::error("configuration", problem, cure)
    };
    text.lines().map(finding).collect()
}

/// Returns whether a server runs on this data folder. A relay that stands
/// alone has none: it is known by its answer.
fn is_running(config: &Config) -> bool {
    if matches!(config.role, Role::Turn(_)) {
        return health_check::ask(config).is_ok();
    }
    let socket = config.storage.data_dir.join("control.sock");
    fs::exists(&socket).unwrap_or(false) && UnixStream::connect(socket).is_ok()
}
