//! Percentile spectra as SVG: how the latency grows towards the rare cases.

use super::distribution::Distribution;
use super::outcome::Unit;
use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (860, 340);
/// Colours that differ in brightness too, so that they differ on paper too (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 60, 20),
];

/// The spectra of distributions: across, the share of samples that are slower, logarithmic (p50, p90, p99 … are
/// equally far apart); upwards, the time in `unit`, logarithmic. Empty without samples.
///
/// # Errors
/// If a distribution is damaged.
pub fn spectrum(members: &[Distribution], unit: Unit) -> Result<String> {
    let curves: Vec<(String, Vec<(f64, f64)>)> = members
        .iter()
        .filter(|member| member.n > 0)
        .map(|member| Ok((member.name.clone(), points(&member.histogram()?, unit.nanos()))))
        .collect::<Result<_>>()?;
    if curves.is_empty() {
        return Ok(String::new());
    }
    let mut svg = String::new();
    draw(&curves, unit.sign(), &mut svg).map_err(|error| anyhow!("a plot: {error}"))?;
    Ok(svg)
}

/// The points of a curve, up to the rarest case that ten samples speak for, and the largest value.
fn points(histogram: &Histogram<u64>, unit_nanos: f64) -> Vec<(f64, f64)> {
    let n = histogram.len() as f64;
    let mut points = Vec::new();
    let mut nines = 0.0;
    while 10f64.powf(nines) <= n {
        let value = histogram.value_at_quantile(1.0 - 10f64.powf(-nines));
        points.push((nines, value.max(1) as f64 / unit_nanos));
        nines += 0.05;
    }
    points.push((n.log10(), histogram.max().max(1) as f64 / unit_nanos));
    points
}

fn draw(
    curves: &[(String, Vec<(f64, f64)>)],
    unit: &str,
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let all = || curves.iter().flat_map(|(_, points)| points);
    let right = all().map(|point| point.0).fold(1.0, f64::max);
    let (low, high) =
        all().fold((f64::INFINITY, 0.0f64), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (plot, legend) = root.split_horizontally(620);
    let mut chart = ChartBuilder::on(&plot)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(Nines(right), ((low / 1.1)..(high * 1.1)).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(240, 240, 240))
        .bold_line_style(RGBColor(220, 220, 220))
        .label_style(("sans-serif", 12))
        .x_desc("percentile")
        .y_desc(unit)
        .y_label_formatter(&|value| super::table::number(*value))
        .draw()?;
    for (number, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        // After the colours come thin lines.
        let style = colour.stroke_width(if number < COLOURS.len() { 2 } else { 1 });
        chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        let row = 14 + 18 * number as i32;
        legend.draw(&PathElement::new(vec![(4, row), (24, row)], style))?;
        let text = TextStyle::from(("sans-serif", 11).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(shortened(name), (30, row), text))?;
    }
    drop(chart);
    drop((plot, legend));
    root.present()?;
    drop(root);
    Ok(())
}

/// What fits beside the plot.
fn shortened(name: &str) -> String {
    const MOST: usize = 36;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}

/// The axis of percentiles: from p0 (0 nines) on, a unit for every factor of ten in rarity.
struct Nines(f64);

impl Ranged for Nines {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (left, right): (i32, i32)) -> i32 {
        left + (f64::from(right - left) * value / self.0).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let half = 2f64.log10();
        std::iter::once(half).chain((1..=self.0.floor() as i32).map(f64::from)).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.0
    }
}

impl ValueFormatter<f64> for Nines {
    fn format(nines: &f64) -> String {
        let percent = 100.0 * (1.0 - 10f64.powf(-nines));
        let digits = (nines.round() as usize).saturating_sub(2);
        format!("p{percent:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::distribution::{histogram, record};
    use super::*;

    #[test]
    fn a_spectrum_rises_and_ends_at_the_largest_value() {
        let mut values = histogram();
        (1..=1000).for_each(|value| record(&mut values, value * 1000));
        let points = points(&values, 1000.0);
        assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1 && pair[0].0 <= pair[1].0 + 1e-9));
        assert!((points.last().unwrap().1 - 1000.0).abs() < 1.0);
    }

    #[test]
    fn percentiles_are_named() {
        let named = [2f64.log10(), 1.0, 2.0, 3.0, 4.0].map(|nines| Nines::format(&nines));
        assert_eq!(named, ["p50", "p90", "p99", "p99.9", "p99.99"]);
    }

    #[test]
    fn plots_are_svg_and_nothing_is_no_plot() {
        let mut values = histogram();
        assert_eq!(spectrum(&[Distribution::of("none", &values).unwrap()], Unit::Nanoseconds).unwrap(), "");
        record(&mut values, 7);
        let svg = spectrum(&[Distribution::of("one & only", &values).unwrap()], Unit::Nanoseconds).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("one &amp; only"), "{svg}");
    }
}
