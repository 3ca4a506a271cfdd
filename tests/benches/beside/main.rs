//! Conclave beside Janus, in one run on one machine.
//!
//! `cargo bench -p conclave-tests --bench beside`, as root; `-- --help` says
//! what can be chosen. Server and generator are in network namespaces of their
//! own with a cable between them, the server on core 0, the generator on core 1:
//! `conclave-loadtest` for both, with real DTLS and SRTP, VP8 at 1.5 Mbit/s and
//! 30 frames a second with Opus. Each run has a fresh server; runs of different
//! servers alternate and figures are medians with least and most: good for
//! ratios within one run, not across machines.

mod figure;
mod generator;
mod options;
mod pair;
mod row;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conclave_loadtest::measured::Measured;
use figure::Figures;
use options::{Options, Work};
use pair::Pair;
use row::Row;
use server::{Contender, Server};

/// Loss from which on a rate is not kept, in percent.
const LOSS_MAX: f64 = 0.1;
/// Share of the packets that should arrive from which on a rate is kept: a server that sheds
/// streams loses nothing of what it sends.
const SHARE_MIN: f64 = 0.97;

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
        println!(
            "\nA webinar, server and generator on the same cores; one viewer of {} decrypts:\n\n{}",
            Row::WEBINAR.sample,
            figure::HEAD
        );
        let run = |number| self.try_run(Contender::Conclave, &Row::WEBINAR, Cores::Shared, number);
        let runs: Vec<Figures> = (1..=self.options.runs).filter_map(run).collect();
        println!(
            "{}",
            figure::line(&Row::WEBINAR, Contender::Conclave.name(), &runs)
        );
    }

    /// Looks for the highest step that each server keeps, doubling and then halving the distance.
    fn climb(&self) {
        let steps = Row::climb();
        println!(
            "\nHighest rate below {LOSS_MAX} % loss, 50 viewers; one of {} decrypts:\n",
            steps[0].sample
        );
        println!(
            "| server | kept | packets/s | lost | delay p99 ms | the next step |\n|---|---|---|---|---|---|"
        );
        for contender in &self.options.contenders {
            let mut kept: Option<(usize, Figures)> = None;
            let mut failed: Option<(usize, Option<Figures>)> = None;
            while let Some(step) = next_step(
                kept.as_ref().map(|one| one.0),
                failed.as_ref().map(|one| one.0),
                steps.len(),
            ) {
                let run = self.try_run(*contender, &steps[step], Cores::Apart, step);
                match run {
                    Some(figures) if keeps(&figures, &steps[step], *contender) => {
                        kept = Some((step, figures))
                    }
                    figures => failed = Some((step, figures)),
                }
            }
            let beyond = failed.map_or("–".to_owned(), |(step, figures)| {
                let loss = figures.map_or(f64::NAN, |figures| figures.loss_percent);
                let rate = figures.map_or(f64::NAN, |figures| figures.packets_per_s);
                format!(
                    "{}: {}/s, {} % lost",
                    steps[step].name(),
                    figure::spread(vec![rate], 0),
                    figure::spread(vec![loss], 2)
                )
            });
            let (name, figures) = match kept {
                Some((step, figures)) => (steps[step].name(), Some(figures)),
                None => ("none".to_owned(), None),
            };
            let told = |of: fn(&Figures) -> f64, digits| {
                figure::spread(figures.iter().map(of).collect(), digits)
            };
            println!(
                "| {} | {name} | {} | {} % | {} | {beyond} |",
                contender.name(),
                told(|one| one.packets_per_s, 0),
                told(|one| one.loss_percent, 3),
                told(|one| one.delay_p99_ms, 1),
            );
        }
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

/// Returns what to try next; `None` once the border is found.
fn next_step(kept: Option<usize>, failed: Option<usize>, count: usize) -> Option<usize> {
    let next = match (kept, failed) {
        (None, None) => 0,
        (Some(kept), None) if kept + 1 < count => (kept * 2 + 1).min(count - 1),
        (Some(kept), Some(failed)) if kept + 1 < failed => kept + (failed - kept) / 2,
        _ => return None,
    };
    Some(next)
}

fn keeps(figures: &Figures, row: &Row, contender: Contender) -> bool {
    let (pictures, sounds) = match contender {
        Contender::Conclave => (row.watched(), row.heard()),
        Contender::Janus | Contender::JanusOneLoop => (row.watched(), row.others()),
    };
    // Of the packets of a pair, by what is sent.
    let sound = 50.0 / (50.0 + row.video_bps as f64 * 170.0 / 1.5e6);
    let due = sound * sounds as f64 + (1.0 - sound) * pictures as f64;
    figures.loss_percent < LOSS_MAX && figures.failed == 0.0 && figures.pairs_each > SHARE_MIN * due
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
