//! What a report shows, before anybody says how: facts, tables, charts.

/// A whole report.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// The one line that names the run.
    pub(crate) title: String,
    /// How it ended, in one line.
    pub(crate) verdict: Option<(Mood, String)>,
    /// What was run, where and for how long: names and values.
    pub(crate) facts: Vec<(String, String)>,
    /// Figures, the important table first.
    pub(crate) tables: Vec<Table>,
    /// Figures over time.
    pub(crate) charts: Vec<Chart>,
    /// What a reader must know to trust the figures.
    pub(crate) notes: Vec<String>,
}

/// A table with a head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// The first column names the row; all others hold figures and stand right.
    pub(crate) columns: Vec<String>,
    /// As many cells as there are columns.
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) mood: Mood,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nobody asked.
    Plain,
    Good,
    Bad,
}

/// Lines over the seconds of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// Of the upright axis; its beginning is always 0.
    pub(crate) unit: &'static str,
    pub(crate) series: Vec<Series>,
}

/// One line of a chart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Seconds since the run began, and what was measured then; `None` leaves a gap.
    pub(crate) points: Vec<(f64, Option<f64>)>,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Table {
        Table {
            title: title.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; one that is too short is filled with empty cells.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().take(self.columns.len()).collect();
        row.resize_with(self.columns.len(), || Cell::plain(""));
        self.rows.push(row);
    }
}

impl Cell {
    pub(crate) fn plain(text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            mood: Mood::Plain,
        }
    }
}

impl Chart {
    /// Returns whether anything was measured that could be drawn.
    pub(crate) fn is_empty(&self) -> bool {
        !self.values().any(|_| true)
    }

    /// Returns every finite value of every line.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        let points = self.series.iter().flat_map(|series| &series.points);
        points
            .filter_map(|(_, value)| *value)
            .filter(|value| value.is_finite())
    }
}
