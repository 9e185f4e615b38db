//! The report as one HTML file that needs nothing else, and reads well on paper.

use super::outcome::{Cell, Goal, Outcome, Report, Table};
use super::{plot, table};
use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

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
    let experiments = report.experiments.iter().map(experiment).collect::<Result<Vec<_>>>()?;
    let body = html! {
        h1 { "Voxlane latency lab" }
        p {
            "Every number below comes from one run. " code { (report.command) } " (size " b { (report.size) } ", version "
            (report.version) "), begun " (table::utc(report.began)) ", " (table::number(report.seconds)) " s long. \
             A percentile is shown only where the sample count carries it: p90 from 100 samples, p99 from 1,000, p99.9 from \
             10,000, p99.99 from 100,000; otherwise there is a dash. Intervals hold 95 % of bootstrap estimates. Figures in \
             milliseconds of different runs are not compared; ratios within a run are."
        }
        nav {
            h3 { "Contents" }
            ol {
                li { a href="#goals" { "What was to be shown" } }
                li { a href="#machine" { "The machine" } }
                @for outcome in &report.experiments {
                    li { a href={ "#" (outcome.name) } { (outcome.title) } }
                }
            }
        }
        (goals(report))
        (machine(report))
        @for experiment in &experiments { (experiment) }
    };
    Ok(document("Voxlane latency lab", &body))
}

/// A page around `body`.
pub fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn goals(report: &Report) -> Markup {
    html! {
        h2 id="goals" { "What was to be shown" }
        div class="scroll" {
            table {
                tr { th { "goal" } th { "experiment" } th { "at most" } th { "measured" } th {} }
                @for outcome in &report.experiments {
                    @for goal in &outcome.goals {
                        tr {
                            td { (goal.what) }
                            td class="text" { a href={ "#" (outcome.name) } { (outcome.name) } }
                            td { (table::number(goal.limit)) }
                            td { (table::cell(&Cell::from(goal.value))) }
                            @let (class, word) = verdict(goal);
                            td class=(class) { (word) }
                        }
                    }
                }
            }
        }
        @for outcome in report.experiments.iter().filter(|outcome| outcome.failure.is_some()) {
            p class="warning" { "The experiment “" (outcome.title) "” failed, see there." }
        }
    }
}

fn verdict(goal: &Goal) -> (&'static str, &'static str) {
    match goal.is_reached() {
        Some(true) => ("yes", "reached"),
        Some(false) => ("no", "not reached"),
        None => ("quiet", "not measured"),
    }
}

fn machine(report: &Report) -> Markup {
    html! {
        h2 id="machine" { "The machine" }
        div class="scroll" {
            table {
                @for (name, value) in &report.machine.facts {
                    tr { td { (name) } td class="text" { (value) } }
                }
            }
        }
    }
}

fn experiment(outcome: &Outcome) -> Result<Markup> {
    let plots = outcome
        .groups
        .iter()
        .map(|group| plot::spectrum(&group.members, group.unit))
        .collect::<Result<Vec<_>>>()?;
    Ok(html! {
        h2 id=(outcome.name) { (outcome.title) }
        p { (outcome.method) }
        p class="quiet" { "Repeat it: " code { (outcome.command) } "; " (table::number(outcome.seconds)) " s here." }
        @if let Some(failure) = &outcome.failure {
            p class="warning" { "Failed: " (failure) }
        }
        @for goal in &outcome.goals {
            @let (class, word) = verdict(goal);
            p {
                (goal.what) ": " b { (table::cell(&Cell::from(goal.value))) } ", wanted at most " (table::number(goal.limit)) ": "
                span class=(class) { (word) } "."
            }
        }
        @for note in &outcome.notes {
            p class=[note.starts_with("VOID").then_some("warning")] { (note) }
        }
        @for missing in &outcome.missing {
            p class="warning" { "Not measured: " (missing) }
        }
        @for (group, plot) in outcome.groups.iter().zip(&plots) {
            (html_table(&table::of_group(group)))
            (PreEscaped(plot))
        }
        @for table in &outcome.tables { (html_table(table)) }
    })
}

/// A table under its title.
pub fn html_table(table: &Table) -> Markup {
    html! {
        h3 { (table.title) }
        div class="scroll" {
            table {
                tr { @for column in &table.columns { th { (column) } } }
                @for row in &table.rows {
                    tr {
                        @for cell in row {
                            td class=[matches!(cell, Cell::Text(_)).then_some("text")] { (table::cell(cell)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_shown_and_not_obeyed() {
        let table =
            Table { title: "<b>".into(), columns: vec!["&".into()], rows: vec![vec!["\"x\"".into()]] };
        let body = html_table(&table).into_string();
        assert!(
            body.contains("&lt;b&gt;") && body.contains("&amp;") && body.contains("&quot;x&quot;"),
            "{body}"
        );
    }
}
