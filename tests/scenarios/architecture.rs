//! The shape of the workspace, as ARCHITECTURE.md draws it: who may depend on
//! whom, what cores and wires may not know, where str0m and `unsafe` live.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates that bring sockets, clocks, threads or an async runtime.
const NOT_IN_A_CORE: [&str; 20] = [
    "async-std",
    "axum",
    "crossbeam",
    "crossbeam-channel",
    "dashmap",
    "futures-util",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "parking_lot",
    "rayon",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tokio-rustls",
    "tokio-tungstenite",
];
/// Who may depend on str0m.
const STR0M_CRATES: [&str; 4] = [
    "conclave-loadtest",
    "conclave-sfu-core",
    "conclave-sfu-keytap",
    "conclave-tests",
];
/// Where its types may be named. Its breaking releases then touch two small places of the server.
const STR0M_FOLDERS: [&str; 4] = [
    "sfu/core/src/transport/",
    "sfu/keytap/",
    "loadtest/",
    "tests/",
];

#[test]
fn packages_depend_on_each_other_as_the_architecture_says() {
    let drawn = drawn_arrows();
    let ours: BTreeSet<String> = packages().into_iter().map(|package| package.name).collect();
    let mut found = BTreeSet::new();
    let mut free = BTreeSet::new();
    for package in packages() {
        for dependency in package.dependencies {
            if !ours.contains(&dependency.name) {
                continue;
            }
            // Scenarios and interop tests may bring in whatever they hold the system against.
            let is_free = package.name == "conclave-tests" && dependency.is_dev;
            let arrows = if is_free { &mut free } else { &mut found };
            arrows.insert((package.name.clone(), dependency.name));
        }
    }
    let undrawn: Vec<_> = found.difference(&drawn).collect();
    assert!(
        undrawn.is_empty(),
        "arrows that ARCHITECTURE.md does not list: {undrawn:?}"
    );
    found.append(&mut free);
    let unused: Vec<_> = drawn.difference(&found).collect();
    assert!(
        unused.is_empty(),
        "arrows of ARCHITECTURE.md that no package has: {unused:?}"
    );
}

#[test]
fn wires_and_cores_know_no_socket_no_clock_no_runtime() {
    let mut seen = 0;
    for package in packages() {
        if !package.name.ends_with("-wire") && !package.name.ends_with("-core") {
            continue;
        }
        seen += 1;
        let outside: Vec<_> = package
            .dependencies
            .iter()
            .filter(|dependency| {
                !dependency.is_dev && NOT_IN_A_CORE.contains(&dependency.name.as_str())
            })
            .map(|dependency| &dependency.name)
            .collect();
        assert!(
            outside.is_empty(),
            "{} depends on {outside:?}",
            package.name
        );
        assert!(
            package.folder.join("clippy.toml").exists(),
            "{} has no bans of its own",
            package.name
        );
    }
    assert!(
        seen >= 4,
        "the names of wires and cores have changed: {seen}"
    );
}

#[test]
fn str0m_is_named_in_two_folders_of_the_server() {
    for package in packages() {
        let depends = package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "str0m");
        assert!(
            !depends || STR0M_CRATES.contains(&package.name.as_str()),
            "{} depends on str0m",
            package.name
        );
    }
    let named: Vec<_> = code_lines()
        .filter(|line| line.text.contains("str0m::"))
        .filter(|line| {
            !STR0M_FOLDERS
                .iter()
                .any(|folder| line.file.starts_with(folder))
        })
        .map(|line| line.to_string())
        .collect();
    assert!(named.is_empty(), "str0m is named in\n{}", named.join("\n"));
}

#[test]
fn unsafe_is_in_the_socket_modules_alone() {
    let is_socket_module =
        |file: &str| file.contains("sfu/udp/src/sys.rs") || file.contains("sfu/udp/src/sys/");
    let unsafe_lines: Vec<_> = code_lines()
        .filter(|line| {
            words(&line.text).any(|word| word == "unsafe") && !is_socket_module(&line.file)
        })
        .map(|line| line.to_string())
        .collect();
    assert!(
        unsafe_lines.is_empty(),
        "unsafe in\n{}",
        unsafe_lines.join("\n")
    );
    for package in packages() {
        let roots = ["src/lib.rs", "src/main.rs"].map(|root| package.folder.join(root));
        for root in roots.iter().filter(|root| root.exists()) {
            let text = fs::read_to_string(root).unwrap();
            let has_sys = package.folder.join("src/sys.rs").exists();
            assert!(
                has_sys || text.contains("#![forbid(unsafe_code)]"),
                "{} does not forbid it",
                root.display()
            );
        }
    }
}

#[test]
fn words_and_code_are_told_from_comments_and_text() {
    assert_eq!(code_of("let a = 1; // unsafe"), "let a = 1; ");
    assert_eq!(code_of("    /// unsafe"), "    ");
    assert_eq!(code_of("f(\"unsafe // x\", b'\"', y)"), "f(\"\", b'\"', y)");
    assert!(words("unsafe_code").all(|word| word != "unsafe"));
}

struct Package {
    name: String,
    folder: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_dev: bool,
}

/// Returns the packages of the workspace.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]),
        is_dev: value["kind"].as_str() == Some("dev"),
    };
    let package = |value: &Value| Package {
        name: text(&value["name"]),
        folder: Path::new(&text(&value["manifest_path"]))
            .parent()
            .unwrap()
            .to_owned(),
        dependencies: value["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(dependency)
            .collect(),
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
}

/// Returns the arrows of the fenced block in ARCHITECTURE.md.
fn drawn_arrows() -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let lines = text
        .lines()
        .skip_while(|line| line.trim() != "```arrows")
        .skip(1);
    let arrows: BTreeSet<_> = lines
        .take_while(|line| line.trim() != "```")
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            line.split_once(" -> ")
                .unwrap_or_else(|| panic!("`{line}` is no arrow"))
        })
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .collect();
    assert!(!arrows.is_empty(), "ARCHITECTURE.md has no block of arrows");
    arrows
}

struct Line {
    file: String,
    number: usize,
    text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.number, self.text.trim())
    }
}

/// Returns every line of Rust in the workspace, without comments and texts.
fn code_lines() -> impl Iterator<Item = Line> {
    let mut files = Vec::new();
    for package in packages() {
        gather(&package.folder, &mut files);
    }
    files.into_iter().flat_map(|path| {
        let file = path
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text
            .lines()
            .enumerate()
            .map(|(index, line)| Line {
                file: file.clone(),
                number: index + 1,
                text: code_of(line),
            })
            .collect();
        lines
    })
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "node_modules" && name != "target" {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Returns a line without its comment, and with its texts emptied.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '/' if rest.peek() == Some(&'/') => break,
            '\'' if rest.clone().nth(1) == Some('\'') => {
                code.push('\'');
                code.extend(rest.by_ref().take(2));
            }
            '"' => {
                code.push_str("\"\"");
                while let Some(inside) = rest.next() {
                    match inside {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            _ => code.push(character),
        }
    }
    code
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
