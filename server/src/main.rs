//! Conclave: self-hosted meetings in one binary.
#![forbid(unsafe_code)]

mod announce;
mod cli;
mod config;
mod control;
mod descriptors;
mod doctor;
mod furnish;
mod health_check;
mod herald;
mod host;
mod http;
mod listen;
mod log;
mod manual;
mod media;
mod metrics;
mod notify;
mod operator;
mod reference;
mod relay;
mod reload;
mod run;
mod secret_file;
mod setup;
mod site;
mod storage;
mod tls;
mod trail;
mod webhooks;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ConfigCommand, Doctor, Manual, Serve, Settings};
use config::ConfigError;
use operator::{Failure, Operate};
use run::cores;

/// What a wrong command line and a wrong configuration give; clap uses the same.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(serve) => run_serve(&serve),
        Command::Health(settings) => health(&settings),
        Command::Doctor(command) => examine(&command),
        Command::Config(ConfigCommand::Check(settings)) => check(&settings),
        Command::Config(ConfigCommand::Reference) => say(reference::settings().as_bytes()),
        Command::Completions(asked) => say(&manual::completions(asked.shell)),
        Command::Manual(asked) => describe(&asked),
        Command::Room(command) => operate(Operate::Room(command)),
        Command::Invite(command) => operate(Operate::Invite(command)),
        Command::Session(command) => operate(Operate::Session(command)),
        Command::Lobby(command) => operate(Operate::Lobby(command)),
        Command::Ban(command) => operate(Operate::Ban(command)),
        Command::Webhook(command) => operate(Operate::Webhook(command)),
        Command::Key(command) => operate(Operate::Key(command)),
        Command::Audit(command) => operate(Operate::Audit(command)),
    }
}

/// Writes to standard output. Whoever closes it early wants no more of it.
fn say(text: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn describe(asked: &Manual) -> ExitCode {
    let Some(folder) = &asked.into else {
        return say(&manual::page());
    };
    match manual::write_into(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conclave: cannot write into {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn operate(command: Operate) -> ExitCode {
    let Err(failure) = operator::run(&command) else {
        return ExitCode::SUCCESS;
    };
    if !matches!(failure, Failure::Unread) {
        eprintln!("conclave: {failure}");
    }
    match failure {
        Failure::Usage(_) => ExitCode::from(EXIT_USAGE),
        Failure::Failed(_) | Failure::Unread => ExitCode::FAILURE,
    }
}

fn run_serve(serve: &Serve) -> ExitCode {
    let (config, layers) = match serve.settings.load(std::env::vars_os(), cores()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    let source = reload::Source {
        settings: serve.settings.clone(),
        layers,
        refilter: log::init(&config.log),
    };
    match run::serve(config, source, serve.ready_file.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(run::Error::Config(error)) => refuse(&error),
        Err(run::Error::Failure(error)) => {
            eprintln!("conclave: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(settings: &Settings) -> ExitCode {
    let checked = settings
        .load(std::env::vars_os(), cores())
        .and_then(|(config, layers)| {
            setup::check_certificate(&config)?;
            if let config::Role::Turn(alone) = &config.role {
                relay::check(alone)?;
            }
            for room in &config.rooms {
                storage::with_password(room)?;
            }
            Ok(layers)
        });
    match checked {
        Ok(layers) => {
            print!("{}", cli::describe(&layers));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error),
    }
}

fn health(settings: &Settings) -> ExitCode {
    let config = match settings.load(std::env::vars_os(), cores()) {
        Ok((config, _)) => config,
        Err(error) => return refuse(&error),
    };
    match health_check::ask(&config) {
        Ok((ready, answer)) => {
            println!("{answer}");
            if ready {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("conclave: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn examine(command: &Doctor) -> ExitCode {
    let loaded = command.settings.load(std::env::vars_os(), cores());
    let findings = doctor::examine(loaded.map(|(config, _)| config));
    if command.json {
        print!("{}", doctor::json(&findings));
    } else {
        print!("{}", doctor::text(&findings));
    }
    let is_well = findings
        .iter()
        .all(|finding| finding.level < doctor::Level::Error);
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn refuse(error: &ConfigError) -> ExitCode {
    eprintln!("conclave: the configuration is not usable\n{error}");
    ExitCode::from(EXIT_USAGE)
}
