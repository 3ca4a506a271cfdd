//! Where each value is from: defaults, then one file, then the environment,
//! then flags. The last one that speaks wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Value;

use super::keys::{self, Key, Kind};
use super::{ConfigError, Problem};

/// Environment variables of this prefix are settings.
const PREFIX: &str = "CONCLAVE_";
/// What `--server` of the operator's commands sends: nothing for a server.
const CLIENT_KEY: &str = "KEY";

/// Who said a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody: the program's own choice.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Environment(variable) => write!(f, "environment {variable}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value and who said it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    /// The value, of the kind that the table of keys asks for.
    pub(crate) value: Value,
    /// Who said it.
    pub(crate) origin: Origin,
}

/// All values that somebody said, by the path of their key.
#[derive(Debug, Default, Clone)]
pub(crate) struct Layers {
    settings: BTreeMap<&'static str, Setting>,
}

impl Layers {
    /// Sets a value of the program's own choice, unless somebody already spoke.
    pub(crate) fn set_default(&mut self, path: &'static str, value: impl Into<Value>) {
        let value = value.into();
        self.settings.entry(path).or_insert(Setting {
            value,
            origin: Origin::Default,
        });
    }

    /// Begins with a configuration file, if one is named.
    ///
    /// # Errors
    /// When it cannot be read, or as [`Layers::add_file`].
    pub(crate) fn of_file(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = path {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Problem::new(
                    &Origin::Flag("--config"),
                    format!("{}: {error}", path.display()),
                )
            })?;
            layers.add_file(path, &text)?;
        }
        Ok(layers)
    }

    /// Lays the text of a configuration file on top.
    ///
    /// # Errors
    /// One problem per unknown key and per value of the wrong kind, or one for
    /// the whole file when it is no TOML.
    pub(crate) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let origin = Origin::File(path.to_owned());
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            ConfigError::from(Problem::new(
                &origin,
                format!("is not valid TOML: {}", error.to_string().trim_end()),
            ))
        })?;
        let mut problems = Vec::new();
        self.add_table("", table, &origin, &mut problems);
        ConfigError::unless_empty(problems)
    }

    /// Lays the variables that begin with `CONCLAVE_` on top.
    ///
    /// # Errors
    /// One problem per unknown variable, and per value that is no text or of the
    /// wrong kind. Variables of others may hold anything.
    pub(crate) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (variable, value) in variables {
            let variable = variable.to_string_lossy();
            let Some(rest) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            if rest == CLIENT_KEY || is_service_link(rest) {
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Environment(variable.to_string());
            let Some(key) = keys::find(&path) else {
                let nearest = environment_name(keys::nearest(&path));
                problems.push(Problem::new(
                    &origin,
                    format!("is not a setting; the nearest is {nearest}"),
                ));
                continue;
            };
            let Some(text) = value.to_str() else {
                problems.push(Problem::new(&origin, "must be UTF-8 text"));
                continue;
            };
            match read_text(key.kind, text) {
                Ok(value) => self.set(key, value, origin),
                Err(expected) => {
                    problems.push(Problem::new(&origin, format!("must be {expected}")))
                }
            }
        }
        ConfigError::unless_empty(problems)
    }

    /// Lays one flag on top.
    pub(crate) fn add_flag(
        &mut self,
        path: &'static str,
        flag: &'static str,
        value: impl Into<Value>,
    ) {
        self.settings.insert(
            path,
            Setting {
                value: value.into(),
                origin: Origin::Flag(flag),
            },
        );
    }

    /// Returns the settings that have another value than in `former`.
    pub(crate) fn changed_from<'a>(
        &'a self,
        former: &'a Layers,
    ) -> impl Iterator<Item = &'static Key> + 'a {
        let value_in = |layers: &'a Layers, key: &Key| Some(&layers.get(key.path)?.value);
        keys::KEYS
            .iter()
            .filter(move |key| value_in(self, key) != value_in(former, key))
    }

    /// Returns what was said for a key.
    pub(crate) fn get(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path)
    }

    fn set(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.settings.insert(key.path, Setting { value, origin });
    }

    fn add_table(
        &mut self,
        prefix: &str,
        table: toml::Table,
        origin: &Origin,
        problems: &mut Vec<Problem>,
    ) {
        for (name, value) in table {
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            if let Some(key) = keys::find(&path) {
                match check_kind(key.kind, &value) {
                    Ok(()) => self.set(key, value, origin.clone()),
                    Err(expected) => {
                        problems.push(Problem::new(origin, format!("`{path}` must be {expected}")))
                    }
                }
                continue;
            }
            match value {
                Value::Table(inner) if keys::is_section(&path) => {
                    self.add_table(&path, inner, origin, problems)
                }
                _ => {
                    let nearest = keys::nearest(&path);
                    problems.push(Problem::new(
                        origin,
                        format!("`{path}` is not a setting; the nearest is `{nearest}`"),
                    ));
                }
            }
        }
    }
}

/// Returns the environment variable of a setting.
pub(crate) fn environment_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Tells variables that container platforms inject for a service named
/// `conclave` (`CONCLAVE_PORT`, `CONCLAVE_SERVICE_HOST`, `CONCLAVE_PORT_443_TCP`):
/// nobody wrote them, so they are no typing errors.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

fn check_kind(kind: Kind, value: &Value) -> Result<(), &'static str> {
    let fits = match kind {
        Kind::Text => value.is_str(),
        Kind::Switch => value.is_bool(),
        Kind::Number => value.as_integer().is_some_and(|number| number >= 0),
        Kind::List => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_str)),
        Kind::Tables => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_table)),
    };
    if fits { Ok(()) } else { Err(expectation(kind)) }
}

fn read_text(kind: Kind, text: &str) -> Result<Value, &'static str> {
    let value = match kind {
        Kind::Text => Some(Value::from(text)),
        Kind::Switch => text.parse().ok().map(Value::Boolean),
        Kind::Number => text.parse().ok().map(Value::Integer),
        Kind::List => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(Value::from).collect()))
        }
        Kind::Tables => format!("value = {text}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut t| t.remove("value")),
    };
    let value = value.ok_or(expectation(kind))?;
    check_kind(kind, &value)?;
    Ok(value)
}

fn expectation(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text in quotes",
        Kind::Switch => "true or false",
        Kind::Number => "a whole number, not negative",
        Kind::List => "a list of texts",
        Kind::Tables => "a list of tables",
    }
}
