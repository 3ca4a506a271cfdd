//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, Config, ConfigError, KEYS, Layers, Origin, Surroundings};
use crate::operator::{
    AuditCommand, BanCommand, InviteCommand, KeyCommand, LobbyCommand, RoomCommand, SessionCommand,
    WebhookCommand,
};

/// Self-hosted meetings: one binary, one browser page, nothing leaves the server.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, disable_help_subcommand = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  conclave serve --dev                     try it on this machine, no file needed
  conclave serve --config conclave.toml    serve as the file says
  conclave doctor --config conclave.toml   what stands in the way, and what helps
  conclave config check --config conclave.toml
  conclave room create team title=Team

`room`, `invite`, `session`, `lobby`, `ban`, `webhook`, `key` and `audit` speak to the server that runs on --data-dir;
without one they open its database themselves. With --server URL they speak to one elsewhere, with the API key in
CONCLAVE_KEY or of --key-file.

Settings come from one TOML file, then from CONCLAVE_SECTION__KEY in the environment, then from flags.
Exit codes: 0 as asked, 1 failure, 2 usage or configuration.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve meetings until SIGINT or SIGTERM.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Ask the server on this machine whether it is ready; takes the flags of `serve`.
    Health(Settings),
    /// Look for what keeps meetings from working on this machine; takes the flags of `serve`.
    Doctor(Doctor),
    /// Look at the configuration.
    #[command(subcommand, disable_help_subcommand = true)]
    Config(ConfigCommand),
    /// Make, list, change and delete rooms.
    #[command(subcommand)]
    Room(RoomCommand),
    /// Make, list and revoke links that let people in.
    #[command(subcommand)]
    Invite(InviteCommand),
    /// See who is in a meeting, mute, remove, announce, end, export.
    #[command(subcommand)]
    Session(SessionCommand),
    /// See who waits in the lobby of a room, let in or send away.
    #[command(subcommand)]
    Lobby(LobbyCommand),
    /// List, make and lift bans.
    #[command(subcommand)]
    Ban(BanCommand),
    /// Make, list, change, try and delete webhooks.
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Make, change and end keys of programs for the API.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Read and check what was done.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print what completes these commands in a shell.
    Completions(Completions),
    /// Print the manual page, or write one for each command.
    Manual(Manual),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  conclave serve --dev
      pages on http://localhost:8080 and https://<this machine>:8443, self-signed certificate, room `welcome`
  conclave serve --config /etc/conclave.toml
      pages on :443, plain HTTP on :80 only redirects; the file names public_url and the certificate
  conclave serve --config /etc/conclave.toml --media-ip 10.0.0.5=203.0.113.7
      behind one-to-one NAT: media sockets on 10.0.0.5, clients are told 203.0.113.7";

/// Looking at the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each setting and where it is from; takes the flags of `serve`.
    Check(Settings),
    /// Print what settings there are, in Markdown.
    Reference,
}

/// `conclave completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: Shell,
}

/// Shells that complete words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Source it, or put it into /usr/share/bash-completion/completions/conclave
    Bash,
    /// Put it into a folder of $fpath as _conclave
    Zsh,
    /// Put it into ~/.config/fish/completions/conclave.fish
    Fish,
}

/// `conclave manual`.
#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// Write the pages of all commands into DIR, which is there
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

/// `conclave serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Once ready, write addresses and links to FILE as JSON, readable by the owner only
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// `conclave doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flags that are settings.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// Read settings from a TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For trying and developing: self-signed certificate, pages on plain http://localhost too, room `welcome`
    #[arg(long)]
    pub(crate) dev: bool,
    /// Where browsers reach the server [with --dev: https://localhost:PORT]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where to keep what must survive a restart [default: ./conclave-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Listen for HTTPS and signalling [default: port 443 of every address, with --dev 8443]
    #[arg(long, value_name = "ADDR")]
    https: Option<String>,
    /// Listen for plain HTTP, or `off` [default: port 80 of every address, with --dev localhost:8080]
    #[arg(long, value_name = "ADDR|off")]
    http: Option<String>,
    /// Use this address for media, and tell clients ADVERTISED (an address, perhaps with the port of
    /// shard 0); may be repeated [default: every address of this host that is up]
    #[arg(long, value_name = "BOUND[=ADVERTISED]")]
    media_ip: Vec<String>,
    /// UDP port of the first shard; shard n uses BASE + n [default: 10000]
    #[arg(long, value_name = "BASE")]
    media_port: Option<u16>,
    /// Threads that forward media [default: cores - 1, at least 1]
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// Which part of the server this process is [default: all]
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

impl Settings {
    /// Lays file, environment and flags over each other and parses the result.
    ///
    /// # Errors
    /// Every problem of the first layer that has any.
    pub(crate) fn load(
        &self,
        environment: impl Iterator<Item = (OsString, OsString)>,
        cores: usize,
    ) -> Result<(Config, Layers), ConfigError> {
        let mut layers = Layers::of_file(self.config.as_deref())?;
        layers.add_environment(environment)?;
        self.add_flags(&mut layers);
        config::add_defaults(
            &mut layers,
            Surroundings {
                dev: self.dev,
                cores,
            },
        );
        let config = Config::from_layers(&layers, self.dev)?;
        Ok((config, layers))
    }

    fn add_flags(&self, layers: &mut Layers) {
        let texts = [
            ("public_url", "--public-url", &self.public_url),
            ("data_dir", "--data-dir", &self.data_dir),
            ("listen.https", "--https", &self.https),
            ("listen.http", "--http", &self.http),
            ("role", "--role", &self.role),
        ];
        for (path, flag, text) in texts {
            if let Some(text) = text {
                layers.add_flag(path, flag, text.as_str());
            }
        }
        if !self.media_ip.is_empty() {
            layers.add_flag("media.ips", "--media-ip", self.media_ip.clone());
        }
        if let Some(port) = self.media_port {
            layers.add_flag("media.port_base", "--media-port", i64::from(port));
        }
        if let Some(shards) = self.shards {
            layers.add_flag("media.shards", "--shards", i64::from(shards));
        }
    }
}

/// Returns what `conclave config check` prints: one line per setting.
pub(crate) fn describe(layers: &Layers) -> String {
    let lines: Vec<(String, String)> = KEYS
        .iter()
        .map(|key| match layers.get(key.path) {
            // Passwords are for nobody's screen.
            Some(setting) if key.path == "turn.users" => (
                format!("{} = {} of them", key.path, count(&setting.value)),
                setting.origin.to_string(),
            ),
            Some(setting) => (
                format!("{} = {}", key.path, setting.value),
                setting.origin.to_string(),
            ),
            None => (
                format!("{} is not set", key.path),
                Origin::Default.to_string(),
            ),
        })
        .collect();
    let width = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .filter(|width| *width <= 60)
        .max()
        .unwrap_or(0);
    lines
        .iter()
        .map(|(line, origin)| format!("{line:width$}  # {origin}\n"))
        .collect()
}

fn count(list: &toml::Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_reach_the_configuration() {
        let cli = Cli::parse_from([
            "conclave",
            "serve",
            "--dev",
            "--http",
            "off",
            "--media-ip",
            "10.0.0.5=1.2.3.4",
        ]);
        let Command::Serve(serve) = cli.command else {
            panic!("serve was asked for")
        };
        let (config, layers) = serve.settings.load(std::iter::empty(), 4).unwrap();
        assert_eq!(config.http, None);
        assert_eq!(config.media.ips.len(), 1);
        assert_eq!(config.media.shards.get(), 3);
        let text = describe(&layers);
        assert!(
            text.contains("listen.http = \"off\"") && text.contains("# flag --http"),
            "{text}"
        );
        assert!(text.contains("public_url is not set"), "{text}");
    }
}
