//! Two runs beside each other.

use super::distribution::Distribution;
use super::html::{document, html_table};
use super::outcome::{Cell, Group, Report, Table};
use super::{plot, table};
use anyhow::Result;
use maud::{Markup, PreEscaped, html};

/// Two runs: for every experiment the ratio of B to A of all distributions that both have.
pub struct Comparison<'a> {
    a: &'a Report,
    b: &'a Report,
}

impl<'a> Comparison<'a> {
    /// `b` against `a`.
    pub fn new(a: &'a Report, b: &'a Report) -> Self {
        Comparison { a, b }
    }

    /// One table an experiment: median and p99 of both and their ratios, raw and in units of the computing
    /// calibration, which takes out how fast the machine was.
    pub fn tables(&self) -> Vec<Table> {
        self.shared_experiments()
            .map(|(a, b)| {
                let speed = b.calibration.compute / a.calibration.compute;
                let rows = shared_groups(&a.groups, &b.groups).flat_map(|(a, b)| {
                    let pairs = shared_members(a, b);
                    pairs
                        .map(move |(a_member, b_member)| row(a, a_member, b_member, speed))
                        .collect::<Vec<_>>()
                });
                let columns = [
                    "",
                    "A p50",
                    "B p50",
                    "B/A p50",
                    "B/A p50, calibrated",
                    "A p99",
                    "B p99",
                    "B/A p99",
                    "unit",
                ];
                Table {
                    title: format!(
                        "{} (computing took {} times as long in B)",
                        a.title,
                        table::number(speed)
                    ),
                    columns: columns.map(str::to_owned).to_vec(),
                    rows: rows.collect(),
                }
            })
            .filter(|table| !table.rows.is_empty())
            .collect()
    }

    /// The tables and spectra as a page.
    ///
    /// # Errors
    /// If a distribution is damaged.
    pub fn page(&self) -> Result<String> {
        let spectra = self
            .shared_experiments()
            .flat_map(|(a, b)| shared_groups(&a.groups, &b.groups))
            .map(|(a, b)| spectra(a, b))
            .collect::<Result<Vec<_>>>()?;
        let body = html! {
            h1 { "Two runs of the latency lab" }
            @for (name, report) in [("A", self.a), ("B", self.b)] {
                p {
                    b { (name) } ": " code { (report.command) } ", version " (report.version) ", on "
                    (report.machine.get("processor").unwrap_or("an unknown processor")) ", begun " (table::utc(report.began)) "."
                }
            }
            @for table in self.tables() { (html_table(&table)) }
            h2 { "Spectra" }
            @for group in &spectra { (group) }
        };
        Ok(document("Two runs of the latency lab", &body))
    }

    fn shared_experiments(
        &self,
    ) -> impl Iterator<Item = (&'a super::outcome::Outcome, &'a super::outcome::Outcome)> {
        let b = &self.b.experiments;
        self.a.experiments.iter().filter_map(|a| Some((a, b.iter().find(|b| b.name == a.name)?)))
    }
}

fn shared_groups<'a>(a: &'a [Group], b: &'a [Group]) -> impl Iterator<Item = (&'a Group, &'a Group)> {
    a.iter().filter_map(|a| Some((a, b.iter().find(|b| b.title == a.title)?)))
}

fn shared_members<'a>(
    a: &'a Group,
    b: &'a Group,
) -> impl Iterator<Item = (&'a Distribution, &'a Distribution)> {
    a.members.iter().filter_map(|a| Some((a, b.members.iter().find(|b| b.name == a.name)?)))
}

/// The curves of what two groups share, on one plot.
fn spectra(a: &Group, b: &Group) -> Result<Markup> {
    let named = |name: &str, member: &Distribution| Distribution {
        name: format!("{name}: {}", member.name),
        ..member.clone()
    };
    let both: Vec<Distribution> =
        shared_members(a, b).flat_map(|(a, b)| [named("A", a), named("B", b)]).collect();
    let plot = plot::spectrum(&both, a.unit)?;
    Ok(html! { h3 { (a.title) } (PreEscaped(plot)) })
}

fn row(group: &Group, a: &Distribution, b: &Distribution, speed: f64) -> Vec<Cell> {
    let scaled = |value: Option<f64>| Cell::from(value.map(|nanos| nanos / group.unit.nanos()));
    let p99 = |member: &Distribution| member.quantile("p99").map(|nanos| nanos as f64);
    let ratio = |a: Option<f64>, b: Option<f64>| Some(b? / a?);
    let p50 = ratio(a.p50(), b.p50());
    vec![
        a.name.as_str().into(),
        scaled(a.p50()),
        scaled(b.p50()),
        p50.into(),
        p50.map(|ratio| ratio / speed).into(),
        scaled(p99(a)),
        scaled(p99(b)),
        ratio(p99(a), p99(b)).into(),
        group.unit.sign().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::report_with;
    use super::*;

    #[test]
    fn ratios_are_of_what_both_runs_have() {
        let (a, b) = (report_with(1_000.0, 100), report_with(2_000.0, 300));
        let comparison = Comparison::new(&a, &b);
        let tables = comparison.tables();
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].rows.len(), 1);
        // Three times the time on a machine of half the speed.
        let [Cell::Number(raw), Cell::Number(calibrated)] = tables[0].rows[0][3..5] else {
            panic!("{tables:?}")
        };
        assert!((raw - 3.0).abs() < 0.01 && (calibrated - 1.5).abs() < 0.01, "{raw} {calibrated}");
        assert!(comparison.page().unwrap().contains("<svg"));
    }

    #[test]
    fn runs_of_different_experiments_have_nothing_in_common() {
        let (a, mut b) = (report_with(1.0, 1), report_with(1.0, 1));
        b.experiments[0].name = "another".into();
        assert!(Comparison::new(&a, &b).tables().is_empty());
    }
}
