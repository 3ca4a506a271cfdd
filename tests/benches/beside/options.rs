//! What is asked for on the command line.

use std::path::PathBuf;

use crate::row::Row;
use crate::server::Contender;

pub(crate) const USAGE: &str = "\
usage: cargo bench -p conclave-tests --bench beside -- [OPTIONS] [WORK...]

WORK is any of fan-50 fan-100 fan-200 meeting-10 meeting-20 climb webinar;
without any, the five rows of the table.

  --runs N        runs of each row and server, interleaved [3]
  --window S      seconds that are counted in a run [15]
  --settle S      seconds between the last one's coming and the window [6]
  --ramp N        participants that begin to come in per second [20]
  --only NAME     conclave, janus or janus-one-loop; may be repeated [all]
  --keep FOLDER   keep what each run says: JSON, page and logs
  --conclave FILE, --generator FILE
                  programs [conclave and conclave-loadtest in the folder of release builds]

Needs root, iproute2, util-linux and Janus (Debian: janus).";

/// What is to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Row(Row),
    /// The highest rate with hardly any loss.
    Climb,
    Webinar,
}

/// The command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) work: Vec<Work>,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) runs: usize,
    pub(crate) window_s: u64,
    pub(crate) settle_s: u64,
    pub(crate) ramp_per_s: u64,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) conclave: Option<PathBuf>,
    pub(crate) generator: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// Which argument is none.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            work: Vec::new(),
            contenders: Vec::new(),
            runs: 3,
            window_s: 15,
            settle_s: 6,
            ramp_per_s: 20,
            keep: None,
            conclave: None,
            generator: None,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || format!("{argument} needs a value");
                arguments.next().ok_or_else(missing)
            };
            match &*argument {
                // Cargo's own word for a bench.
                "--bench" => {}
                "--runs" => options.runs = number(&value()?)?.max(1) as usize,
                "--window" => options.window_s = number(&value()?)?.max(1),
                "--settle" => options.settle_s = number(&value()?)?,
                "--ramp" => options.ramp_per_s = number(&value()?)?.max(1),
                "--only" => options.contenders.push(contender(&value()?)?),
                "--keep" => options.keep = Some(value()?.into()),
                "--conclave" => options.conclave = Some(value()?.into()),
                "--generator" => options.generator = Some(value()?.into()),
                "climb" => options.work.push(Work::Climb),
                "webinar" => options.work.push(Work::Webinar),
                name => options.work.push(Work::Row(row(name)?)),
            }
        }
        if options.work.is_empty() {
            options.work = Row::TABLE.map(|(_, row)| Work::Row(row)).into();
        }
        if options.contenders.is_empty() {
            options.contenders = Contender::ALL.into();
        }
        Ok(options)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn contender(word: &str) -> Result<Contender, String> {
    let mut all = Contender::ALL.into_iter();
    let found = all.find(|contender| contender.word() == word);
    found.ok_or_else(|| format!("no server {word}"))
}

fn row(name: &str) -> Result<Row, String> {
    let found = Row::TABLE.into_iter().find(|(word, _)| *word == name);
    let (_, row) = found.ok_or_else(|| format!("no work {name}"))?;
    Ok(row)
}
