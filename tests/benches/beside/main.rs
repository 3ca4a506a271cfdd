//! Conclave beside Janus, in one run on one machine.
//!
//! `cargo bench -p conclave-tests --bench beside`, as root; `-- --help` says
//! what can be chosen. Server and generator are in network namespaces of their
//! own with a cable between them, the server on core 0, the generator on core 1:
//! `conclave-loadtest` for both, with real DTLS and SRTP, VP8 at 1.5 Mbit/s and
//! 30 frames a second with Opus. Each run has a fresh server; runs of different
//! servers alternate and figures are medians with least and most: good for
//! ratios within one run, not across machines.

mod climb;
mod figure;
mod generator;
mod options;
mod pair;
mod row;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use climb::Border;
use conclave_loadtest::measured::Measured;
use figure::Figures;
use options::{Options, Work};
use pair::Pair;
use row::Row;
use server::{Contender, Server};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{}", options::USAGE);
        return;
    }
    let options = Options::read(arguments.into_iter()).unwrap_or_else(|wrong| {
        eprintln!("{wrong}\n\n{}", options::USAGE);
        std::process::exit(2)
    });
    let Some(stage) = Stage::new(options) else {
        return;
    };
    stage.play();
}

/// Everything that runs have in common.
struct Stage {
    options: Options,
    conclave: PathBuf,
    generator: PathBuf,
    folder: PathBuf,
    /// Whether the generator can leave packets of most viewers as they are.
    samples: bool,
}

/// Where a run is pinned to.
#[derive(Debug, Clone, Copy)]
enum Cores {
    /// The server on core 0, the generator on core 1.
    Apart,
    /// Both wherever the system puts them.
    Shared,
}

impl Stage {
    /// Looks for everything that is needed; says what is missing and how much is skipped.
    fn new(mut options: Options) -> Option<Stage> {
        let release = release_folder();
        let conclave = options.conclave.take();
        let generator = options.generator.take();
        let conclave = conclave.unwrap_or_else(|| release.join("conclave"));
        let generator = generator.unwrap_or_else(|| release.join("conclave-loadtest"));
        let planned = options.work.len();
        let mut missing = Vec::new();
        for program in ["ip", "taskset"] {
            if !is_there(program) {
                missing.push(format!("{program} (Debian: iproute2, util-linux)"));
            }
        }
        for (program, package) in [(&conclave, "conclave"), (&generator, "conclave-loadtest")] {
            if !program.exists() {
                let path = program.display();
                missing.push(format!("{path} (cargo build --release --bin {package})"));
            }
        }
        pair::sweep();
        if missing.is_empty()
            && let Err(reason) = Pair::new()
        {
            missing.push(format!("root, or a kernel with namespaces: {reason}"));
        }
        if !missing.is_empty() {
            println!("{planned} of {planned} works skipped; missing:");
            missing.iter().for_each(|one| println!("  {one}"));
            return None;
        }
        let rivals = options.contenders.len();
        if !is_there("janus") {
            options.contenders.retain(|one| *one == Contender::Conclave);
            let skipped = rivals - options.contenders.len();
            if skipped > 0 {
                println!("{skipped} of {rivals} servers skipped; missing: janus (Debian: janus)");
            }
        }
        let own = format!("conclave-beside-{}", std::process::id());
        let folder = options.keep.clone();
        let folder = folder.unwrap_or_else(|| std::env::temp_dir().join(own));
        Some(Stage {
            samples: generator::can_sample(&generator),
            options,
            conclave,
            generator,
            folder,
        })
    }

    fn play(&self) {
        let rows: Vec<Row> = self
            .options
            .work
            .iter()
            .filter_map(|work| match work {
                Work::Row(row) => Some(*row),
                Work::Climb | Work::Webinar => None,
            })
            .collect();
        if !rows.is_empty() {
            println!("{}", figure::HEAD);
            for row in rows {
                self.compare(&row);
            }
        }
        for work in &self.options.work {
            match work {
                Work::Row(_) => {}
                Work::Climb => self.climb(),
                Work::Webinar => self.webinar(),
            }
        }
        if self.options.keep.is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    /// Runs each server in turn, and that several times; prints a line for each.
    fn compare(&self, row: &Row) {
        let mut runs = vec![Vec::new(); self.options.contenders.len()];
        for number in 1..=self.options.runs {
            for (contender, runs) in self.options.contenders.iter().zip(&mut runs) {
                runs.extend(self.try_run(*contender, row, Cores::Apart, number));
            }
        }
        for (contender, runs) in self.options.contenders.iter().zip(&runs) {
            println!("{}", figure::line(row, contender.name(), runs));
        }
    }

    /// Half a thousand viewers on the cores that there are, the generator among them.
    fn webinar(&self) {
        let row = self.fit(Row::WEBINAR);
        println!(
            "\nA webinar, server and generator on the same cores; viewers, {}:\n\n{}",
            row.who_decrypts(),
            figure::HEAD
        );
        let run = |number| self.try_run(Contender::Conclave, &row, Cores::Shared, number);
        let runs: Vec<Figures> = (1..=self.options.runs).filter_map(run).collect();
        println!("{}", figure::line(&row, Contender::Conclave.name(), &runs));
    }

    /// Looks for the highest step that each server keeps.
    fn climb(&self) {
        let steps: Vec<Row> = Row::climb().into_iter().map(|row| self.fit(row)).collect();
        println!(
            "\nHighest rate below {} % loss, 50 viewers, {}:\n\n{}",
            climb::LOSS_MAX,
            steps[0].who_decrypts(),
            climb::HEAD
        );
        for contender in &self.options.contenders {
            let mut border = Border::new(steps.clone());
            while let Some((step, row)) = border.next() {
                let figures = self.try_run(*contender, &row, Cores::Apart, step);
                border.note(*contender, step, figures);
            }
            println!("{}", border.line(*contender));
        }
    }

    /// Asks of the generator what it can do.
    fn fit(&self, row: Row) -> Row {
        let sample = if self.samples { row.sample } else { 1 };
        Row { sample, ..row }
    }

    /// Makes one run; says what went wrong instead of ending all others with it.
    fn try_run(
        &self,
        contender: Contender,
        row: &Row,
        cores: Cores,
        number: usize,
    ) -> Option<Figures> {
        match self.run(contender, row, cores, number) {
            Ok(run) => Some(Figures::of(&run, row)),
            Err(reason) => {
                println!(
                    "(no figures of {}, {}: {reason})",
                    contender.name(),
                    row.name()
                );
                None
            }
        }
    }

    fn run(
        &self,
        contender: Contender,
        row: &Row,
        cores: Cores,
        number: usize,
    ) -> Result<Measured, String> {
        let name = format!(
            "{}-{}-{number}",
            contender.word(),
            row.name().replace([' ', '/'], "-").replace('→', "to")
        );
        let folder = self.folder.join(name);
        // What an earlier run left there would be taken for this one's.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        // Absolute: Janus and the namespaces have folders of their own.
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        let (at_server, at_generator) = match cores {
            Cores::Apart => (Some(0), Some(1)),
            Cores::Shared => (None, None),
        };
        let pair = Pair::new()?;
        let server = Server::start(contender, &pair, at_server, &folder, &self.conclave)?;
        let command = pair.command(pair::End::Generator, at_generator, &self.generator);
        generator::run(command, contender, row, &server, &self.options, &folder)
    }
}

/// Where programs of the release profile are: benches lie two folders below.
fn release_folder() -> PathBuf {
    let own = std::env::current_exe().expect("the own path is known");
    let folder = own.parent().and_then(Path::parent);
    folder.map_or_else(|| PathBuf::from("target/release"), Path::to_path_buf)
}

fn is_there(program: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", "command -v \"$0\" >/dev/null", program]);
    look.status().is_ok_and(|status| status.success())
}
