//! Numbers as people read them, and tables as text.

use super::distribution::{Distribution, QUANTILES};
use super::outcome::{Cell, Group, Report, Table};
use jiff::Timestamp;
use std::fmt::Write as _;

/// A number with about four digits that mean something, thousands apart.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        x if x == value.abs().trunc() && x < 1e15 => 0,
        x if x >= 1000.0 => 0,
        x if x >= 100.0 => 1,
        x if x >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) =
        text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or_else(|| format!("{sign}{grouped}"), |fraction| format!("{sign}{grouped}.{fraction}"))
}

/// A cell as text; nothing is a dash.
pub fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Number(value) => number(*value),
        Cell::Text(text) => text.clone(),
        Cell::Interval(interval) => {
            let [estimate, low, high] = [interval.estimate, interval.low, interval.high].map(number);
            format!("{estimate} ({low} … {high})")
        }
        Cell::None => "-".to_owned(),
    }
}

/// The table of a group: one line a distribution.
pub fn of_group(group: &Group) -> Table {
    let unit = group.unit;
    let mut columns = vec!["".to_owned(), format!("median (95 % interval), {}", unit.sign())];
    columns.extend(QUANTILES[1..].iter().map(|(name, ..)| (*name).to_owned()));
    columns.extend(["max".to_owned(), "n".to_owned()]);
    let row = |member: &Distribution| {
        let scaled = |value: Option<u64>| Cell::from(value.map(|nanos| nanos as f64 / unit.nanos()));
        let label = if member.oversubscribed { " (oversubscribed)" } else { "" };
        let mut row = vec![Cell::from(format!("{}{label}", member.name))];
        row.push(member.median.map(|median| median.scaled(1.0 / unit.nanos())).into());
        row.extend(member.quantiles[1..].iter().map(|value| scaled(*value)));
        row.push(scaled((member.n > 0).then_some(member.max)));
        row.push(member.n.into());
        row
    };
    Table { title: group.title.clone(), columns, rows: group.members.iter().map(row).collect() }
}

/// A table as text for a terminal.
pub fn text(table: &Table) -> String {
    let mut lines: Vec<Vec<String>> = vec![table.columns.clone()];
    lines.extend(table.rows.iter().map(|row| row.iter().map(cell).collect()));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let mut text = format!("{}\n", table.title);
    for line in &lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let separator = if column == 0 { "" } else { "  " };
            // The first column is words, the others are numbers.
            let _ = if column == 0 {
                write!(text, "{cell}{pad}")
            } else {
                write!(text, "{separator}{pad}{cell}")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// A date and time to the minute, as `2026-11-23 00:00 UTC`.
pub fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `1 thread`, `2 threads`.
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A whole run as text: goals, notes and tables, without plots.
pub fn report_text(report: &Report) -> String {
    let mut text = format!("$ {}\nbegun {}, version {}\n", report.command, utc(report.began), report.version);
    for (name, value) in &report.machine.facts {
        text += &format!("{name}: {value}\n");
    }
    for outcome in &report.experiments {
        text += &format!("\n## {} ({} s)\n", outcome.title, number(outcome.seconds));
        for goal in &outcome.goals {
            let verdict = match goal.is_reached() {
                Some(true) => "reached",
                Some(false) => "not reached",
                None => "not measured",
            };
            let (value, limit) = (cell(&Cell::from(goal.value)), number(goal.limit));
            text += &format!("goal: {}: {value}, wanted at most {limit}: {verdict}\n", goal.what);
        }
        for note in &outcome.notes {
            text += &format!("note: {note}\n");
        }
        for missing in &outcome.missing {
            text += &format!("not measured: {missing}\n");
        }
        if let Some(failure) = &outcome.failure {
            text += &format!("FAILED: {failure}\n");
        }
        for table in outcome.groups.iter().map(of_group).chain(outcome.tables.iter().cloned()) {
            text += &format!("\n{}", self::text(&table));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_four_digits() {
        let shown = [0.0, 1.0, 1.5, 0.1234, 12.345, 123.45, 1234.5, 1_234_567.0, -1234.5].map(number);
        assert_eq!(shown, ["0", "1", "1.50", "0.123", "12.35", "123.5", "1,234", "1,234,567", "-1,234"]);
    }

    #[test]
    fn times_are_shown_to_the_minute() {
        let leap_day = Timestamp::from_second(1_709_251_199).unwrap();
        assert_eq!(utc(leap_day), "2024-02-29 23:59 UTC");
    }

    #[test]
    fn columns_line_up() {
        let table = Table {
            title: "title".into(),
            columns: vec!["name".into(), "ns".into()],
            rows: vec![vec!["a".into(), 1000.0.into()], vec!["longer".into(), Cell::None]],
        };
        assert_eq!(text(&table), "title\nname       ns\na       1,000\nlonger      -\n");
    }
}
