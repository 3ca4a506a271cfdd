//! The command line, described to shells and to readers of manual pages.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::shells::{Bash, Fish, Zsh};
use clap_complete::{Generator, generate};
use clap_mangen::Man;

use crate::cli::{Cli, Shell};

const NAME: &str = "conclave";

/// Returns the script that completes words in a shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    match shell {
        Shell::Bash => script(Bash),
        Shell::Zsh => script(Zsh),
        Shell::Fish => script(Fish),
    }
}

fn script(shell: impl Generator) -> Vec<u8> {
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), NAME, &mut text);
    text
}

/// Returns the manual page of the whole, in roff.
pub(crate) fn page() -> Vec<u8> {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = Man::new(Cli::command()).render(&mut text);
    text
}

/// Writes a page for each command: `conclave.1`, `conclave-serve.1` and so on.
///
/// # Errors
/// When one cannot be written.
pub(crate) fn write_into(folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the words of every command, such as `conclave room create`.
    fn commands() -> Vec<String> {
        let mut all = Vec::new();
        let mut open = vec![(NAME.to_owned(), Cli::command())];
        while let Some((words, command)) = open.pop() {
            for inner in command.get_subcommands() {
                open.push((format!("{words} {}", inner.get_name()), inner.clone()));
            }
            all.push(words);
        }
        all
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(shell)).unwrap();
            for command in commands() {
                let last = command.rsplit(' ').next().unwrap();
                assert!(script.contains(last), "{shell:?} {command}");
            }
        }
    }

    #[test]
    fn every_command_has_a_manual_page() {
        let folder = std::env::temp_dir().join(format!("conclave-manual-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        write_into(&folder).unwrap();
        let all = commands();
        assert!(all.len() > 20 && all.iter().any(|it| it == "conclave room create"));
        for command in all {
            let page = folder.join(format!("{}.1", command.replace(' ', "-")));
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            assert!(text.contains(".SH NAME"), "{}", page.display());
        }
        std::fs::remove_dir_all(folder).unwrap();
        let page = String::from_utf8(page()).unwrap();
        assert!(page.contains("conclave\\-serve(1)"), "{page}");
    }
}
