//! What the lab writes down: one [`Report`] a run, one [`Outcome`] an experiment. This is the JSON format.

use super::distribution::Distribution;
use super::machine::Machine;
use crate::bootstrap::Interval;
use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the JSON format; other ones are refused.
pub const FORMAT: u32 = 1;

/// One run of the lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it, with the revision of its source where that is known.
    pub version: String,
    /// The command that was run.
    pub command: String,
    /// How large the experiments were: `touch`, `smoke`, `full` or `long`.
    pub size: String,
    /// When it began; in JSON whole seconds since 1970.
    #[serde(rename = "began_unix", with = "jiff::fmt::serde::timestamp::second::required")]
    pub began: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// The machine before and after.
    pub machine: Machine,
    /// The experiments, in the order in which they ran.
    pub experiments: Vec<Outcome>,
}

impl Report {
    /// Reads `report.json`.
    ///
    /// # Errors
    /// If it cannot be read, is damaged or has another format.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let report: Report = serde_json::from_str(&text)
            .with_context(|| format!("{}: no report of the lab", path.display()))?;
        ensure!(report.format == FORMAT, "{}: format {} instead of {FORMAT}", path.display(), report.format);
        Ok(report)
    }

    /// The figures of all experiments, with the calibration that was taken beside them.
    pub fn figures(&self) -> impl Iterator<Item = (&Figure, &Calibration)> {
        self.experiments
            .iter()
            .flat_map(|outcome| outcome.figures.iter().map(|figure| (figure, &outcome.calibration)))
    }
}

/// What was measured, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// A chain of dependent multiplications and additions in registers.
    pub compute: f64,
    /// Reading a block of memory once.
    pub memory: f64,
    /// One way of a cache line between two cores; absent with one core.
    pub hop: Option<f64>,
}

/// One experiment's results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name on the command line.
    pub name: String,
    /// One line.
    pub title: String,
    /// What is measured, and how.
    pub method: String,
    /// What repeats it.
    pub command: String,
    /// How long it took.
    pub seconds: f64,
    /// The speed of the machine right before it.
    pub calibration: Calibration,
    /// Groups of distributions; each is a table and a plot.
    pub groups: Vec<Group>,
    /// Further tables.
    pub tables: Vec<Table>,
    /// What was to be shown, and whether it was.
    pub goals: Vec<Goal>,
    /// What the regression gate looks at.
    pub figures: Vec<Figure>,
    /// What a reader should know about this run.
    pub notes: Vec<String>,
    /// What could not be measured here, and why.
    pub missing: Vec<String>,
    /// Why the experiment ended early.
    pub failure: Option<String>,
}

/// Distributions that belong on one plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// One line.
    pub title: String,
    /// How its times are shown.
    pub unit: Unit,
    /// One line of the table and one curve each.
    pub members: Vec<Distribution>,
}

/// How times are shown. They are kept in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// The unit's sign.
    pub fn sign(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "µs",
            Unit::Milliseconds => "ms",
        }
    }

    /// Nanoseconds of one unit.
    pub fn nanos(self) -> f64 {
        match self {
            Unit::Nanoseconds => 1.0,
            Unit::Microseconds => 1e3,
            Unit::Milliseconds => 1e6,
        }
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// One line.
    pub title: String,
    /// The heads of the columns, units included.
    pub columns: Vec<String>,
    /// As many cells a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// Words.
    Text(String),
    /// A number with its 95 % bootstrap interval.
    Interval(Interval),
    /// Nothing: not measured, or not carried by the sample count.
    None,
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        // JSON has no other numbers.
        if number.is_finite() { Cell::Number(number) } else { Cell::None }
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Cell::Number(number as f64)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Cell::Number(number as f64)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<Interval> for Cell {
    fn from(interval: Interval) -> Self {
        Cell::Interval(interval)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Cell::None, T::into)
    }
}

/// Something that was to be shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// In words.
    pub what: String,
    /// What came out; absent where this run's counts do not carry it.
    pub value: Option<f64>,
    /// The largest value that is good enough.
    pub limit: f64,
}

impl Goal {
    /// Whether it was reached; nothing where it was not measured.
    pub fn is_reached(&self) -> Option<bool> {
        self.value.map(|value| value <= self.limit)
    }
}

/// What the regression gate compares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The same in every run.
    pub name: String,
    /// In nanoseconds, or bytes for memory.
    pub value: f64,
    /// What it is judged by.
    pub role: Role,
}

/// How the regression gate judges a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A part that computes: in units of the computing calibration.
    Component,
    /// A part that hands messages from core to core: in units of the cache line's way.
    Hop,
    /// The whole path: in units of the computing calibration; slower is a warning.
    Whole,
    /// Bytes of memory, which have a budget of their own.
    Memory {
        /// The most that is allowed.
        budget: u64,
    },
}

impl Outcome {
    /// Adds a table, if it has any row.
    pub fn table<R: IntoIterator<Item = Vec<Cell>>>(&mut self, title: &str, columns: &[&str], rows: R) {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let rows: Vec<Vec<Cell>> = rows.into_iter().collect();
        debug_assert!(rows.iter().all(|row| row.len() == columns.len()), "{title}: a cell for each column");
        if !rows.is_empty() {
            self.tables.push(Table { title: title.to_owned(), columns, rows });
        }
    }

    /// Adds a group of distributions, if it has any.
    pub fn group(&mut self, title: &str, unit: Unit, members: Vec<Distribution>) {
        if !members.is_empty() {
            self.groups.push(Group { title: title.to_owned(), unit, members });
        }
    }

    /// Adds a goal.
    pub fn goal(&mut self, what: impl Into<String>, value: Option<f64>, limit: f64) {
        let value = value.filter(|value| value.is_finite());
        self.goals.push(Goal { what: what.into(), value, limit });
    }

    /// Adds a figure for the gate, if it was measured.
    pub fn figure(&mut self, name: &str, value: Option<f64>, role: Role) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.figures.push(Figure { name: name.to_owned(), value, role });
        }
    }

    /// Adds a note.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Says how many runs are void because their own generator was late, if any is; the tables say which.
    pub fn void(&mut self, void: usize, of: usize) {
        if void > 0 {
            self.note(format!(
                "VOID: in {void} of {of} runs the generator's own lag at p99.9 was more than 5 % of its hop. They say nothing about \
                 what was measured, and are marked void in the table."
            ));
        }
    }

    /// Says what could not be measured.
    pub fn missing(&mut self, what: impl Into<String>) {
        self.missing.push(what.into());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::distribution::{histogram, record};
    use super::*;

    /// A report of one experiment with one distribution of a hundred times the same value.
    pub fn report_with(compute: f64, nanos: u64) -> Report {
        let mut times = histogram();
        (0..100).for_each(|_| record(&mut times, nanos));
        let mut outcome = Outcome { name: "test".into(), title: "a test".into(), ..Outcome::default() };
        outcome.calibration = Calibration { compute, memory: 1.0, hop: None };
        outcome.group("all", Unit::Nanoseconds, vec![Distribution::of("times", &times).unwrap()]);
        Report {
            format: FORMAT,
            version: "0".into(),
            command: "lab".into(),
            size: "touch".into(),
            began: Timestamp::UNIX_EPOCH,
            seconds: 1.0,
            machine: Machine::default(),
            experiments: vec![outcome],
        }
    }

    #[test]
    fn a_report_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = report_with(1.5, 100);
        report.experiments[0].figure("f", Some(1.0), Role::Memory { budget: 2 });
        report.experiments[0].goal("g", None, 1.0);
        super::super::write(&report, folder.path()).unwrap();
        assert_eq!(Report::read(&folder.path().join("report.json")).unwrap(), report);
        assert!(folder.path().join("hlog/test.hlog").is_file());
        assert!(std::fs::read_to_string(folder.path().join("report.html")).unwrap().contains("a test"));
    }

    #[test]
    fn cells_come_back_from_json() {
        let interval = Interval { estimate: 1.0, low: 0.5, high: 2.0 };
        let cells: Vec<Cell> = vec![1.5.into(), "x".into(), interval.into(), Cell::None, f64::NAN.into()];
        let back: Vec<Cell> = serde_json::from_str(&serde_json::to_string(&cells).unwrap()).unwrap();
        assert_eq!(back, [Cell::Number(1.5), "x".into(), Cell::Interval(interval), Cell::None, Cell::None]);
    }

    #[test]
    fn a_goal_that_was_not_measured_is_neither_reached_nor_missed() {
        let mut outcome = Outcome::default();
        outcome.goal("a", Some(1.0), 1.0);
        outcome.goal("b", Some(1.1), 1.0);
        outcome.goal("c", None, 1.0);
        outcome.goal("d", Some(f64::NAN), 1.0);
        let reached: Vec<_> = outcome.goals.iter().map(Goal::is_reached).collect();
        assert_eq!(reached, [Some(true), Some(false), None, None]);
    }

    #[test]
    fn other_formats_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "{}").unwrap();
        assert!(Report::read(&path).unwrap_err().to_string().contains("report.json"));
        assert!(Report::read(&folder.path().join("absent.json")).is_err());
    }
}
