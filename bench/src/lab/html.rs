//! The report as one HTML file that needs nothing else, and reads well on paper.

use super::outcome::{Cell, Goal, Outcome, Report, Table};
use super::{plot, table};
use anyhow::Result;
use std::fmt::Write as _;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 58rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; line-height: 1.2 } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; margin: .3rem 0 1rem }
th, td { border-bottom: 1px solid #ddd; padding: .15rem .5rem; text-align: right; vertical-align: top }
th { background: #f4f4f4 } th:first-child, td:first-child, td.text { text-align: left }
code, pre { font: .82rem ui-monospace, monospace; background: #f4f4f4; padding: .1rem .3rem; overflow-wrap: anywhere }
.yes { color: #00663f } .no { color: #a33000; font-weight: 600 }
.warning { border-left: 4px solid #d55e00; background: #fff4ec; padding: .3rem .8rem; margin: .5rem 0 }
svg { max-width: 100%; height: auto; display: block } nav ol { columns: 2 } .quiet { color: #555 }
@media print { body { max-width: none; margin: 0; font-size: 10pt } h2 { break-after: avoid } table, svg { break-inside: avoid } nav { display: none } .scroll { overflow: visible } table { font-size: 7.5pt } }
";

/// The page of a run.
///
/// # Errors
/// If a distribution is damaged.
pub fn page(report: &Report) -> Result<String> {
    let mut body = String::new();
    write!(
        body,
        "<h1>Voxlane latency lab</h1><p>Every number below comes from one run. <code>{}</code> (size <b>{}</b>, version {}), \
         begun {}, {} s long. A percentile is shown only where the sample count carries it: p90 from \
         100 samples, p99 from 1,000, p99.9 from 10,000, p99.99 from 100,000; otherwise there is a dash. Intervals hold \
         95 % of bootstrap estimates. Figures in milliseconds of different runs are not compared; ratios within a run are.</p>",
        escaped(&report.command),
        escaped(&report.size),
        escaped(&report.version),
        table::utc(report.began_unix),
        table::number(report.seconds),
    )?;
    body += "<nav><h3>Contents</h3><ol><li><a href=\"#goals\">What was to be shown</a></li><li><a href=\"#machine\">The machine</a></li>";
    for outcome in &report.experiments {
        write!(body, "<li><a href=\"#{0}\">{1}</a></li>", escaped(&outcome.name), escaped(&outcome.title))?;
    }
    body += "</ol></nav>";
    goals(report, &mut body)?;
    machine(report, &mut body)?;
    for outcome in &report.experiments {
        experiment(outcome, &mut body)?;
    }
    Ok(document("Voxlane latency lab", &body))
}

/// A page around `body`.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>\n",
        escaped(title)
    )
}

fn goals(report: &Report, body: &mut String) -> Result<()> {
    *body += "<h2 id=\"goals\">What was to be shown</h2><div class=\"scroll\"><table><tr><th>goal</th><th>experiment</th><th>at most</th><th>measured</th><th></th></tr>";
    for outcome in &report.experiments {
        for goal in &outcome.goals {
            let (class, word) = verdict(goal);
            write!(
                body,
                "<tr><td>{}</td><td class=\"text\"><a href=\"#{1}\">{1}</a></td><td>{2}</td><td>{3}</td><td class=\"{class}\">{word}</td></tr>",
                escaped(&goal.what),
                escaped(&outcome.name),
                table::number(goal.limit),
                table::cell(&Cell::from(goal.value)),
            )?;
        }
    }
    *body += "</table></div>";
    for outcome in report.experiments.iter().filter(|outcome| outcome.failure.is_some()) {
        write!(
            body,
            "<p class=\"warning\">The experiment “{}” failed, see there.</p>",
            escaped(&outcome.title)
        )?;
    }
    Ok(())
}

fn verdict(goal: &Goal) -> (&'static str, &'static str) {
    match goal.is_reached() {
        Some(true) => ("yes", "reached"),
        Some(false) => ("no", "not reached"),
        None => ("quiet", "not measured"),
    }
}

fn machine(report: &Report, body: &mut String) -> Result<()> {
    *body += "<h2 id=\"machine\">The machine</h2><div class=\"scroll\"><table>";
    for (name, value) in &report.machine.facts {
        write!(body, "<tr><td>{}</td><td class=\"text\">{}</td></tr>", escaped(name), escaped(value))?;
    }
    *body += "</table></div>";
    Ok(())
}

fn experiment(outcome: &Outcome, body: &mut String) -> Result<()> {
    write!(
        body,
        "<h2 id=\"{}\">{}</h2><p>{}</p><p class=\"quiet\">Repeat it: <code>{}</code>; {} s here.</p>",
        escaped(&outcome.name),
        escaped(&outcome.title),
        escaped(&outcome.method),
        escaped(&outcome.command),
        table::number(outcome.seconds),
    )?;
    if let Some(failure) = &outcome.failure {
        write!(body, "<p class=\"warning\">Failed: {}</p>", escaped(failure))?;
    }
    for goal in &outcome.goals {
        let (class, word) = verdict(goal);
        let value = table::cell(&Cell::from(goal.value));
        let (what, limit) = (escaped(&goal.what), table::number(goal.limit));
        write!(
            body,
            "<p>{what}: <b>{value}</b>, wanted at most {limit}: <span class=\"{class}\">{word}</span>.</p>"
        )?;
    }
    for note in &outcome.notes {
        let class = if note.starts_with("VOID") { "warning" } else { "" };
        write!(body, "<p class=\"{class}\">{}</p>", escaped(note))?;
    }
    for missing in &outcome.missing {
        write!(body, "<p class=\"warning\">Not measured: {}</p>", escaped(missing))?;
    }
    for group in &outcome.groups {
        html_table(&table::of_group(group), body)?;
        let members: Vec<_> = group.members.iter().collect();
        *body += &plot::spectrum(&members, group.unit.sign(), group.unit.nanos())?;
    }
    for table in &outcome.tables {
        html_table(table, body)?;
    }
    Ok(())
}

/// A table under its title.
///
/// # Errors
/// None: writing to a string cannot fail.
pub fn html_table(table: &Table, body: &mut String) -> Result<()> {
    write!(body, "<h3>{}</h3><div class=\"scroll\"><table><tr>", escaped(&table.title))?;
    for column in &table.columns {
        write!(body, "<th>{}</th>", escaped(column))?;
    }
    *body += "</tr>";
    for row in &table.rows {
        *body += "<tr>";
        for cell in row {
            let class = if matches!(cell, Cell::Text(_)) { " class=\"text\"" } else { "" };
            write!(body, "<td{class}>{}</td>", escaped(&table::cell(cell)))?;
        }
        *body += "</tr>";
    }
    *body += "</table></div>";
    Ok(())
}

/// Text in which nothing is markup.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_shown_and_not_obeyed() {
        let mut body = String::new();
        let table =
            Table { title: "<b>".into(), columns: vec!["&".into()], rows: vec![vec!["\"x\"".into()]] };
        html_table(&table, &mut body).unwrap();
        assert!(
            body.contains("&lt;b&gt;") && body.contains("&amp;") && body.contains("&quot;x&quot;"),
            "{body}"
        );
    }
}
