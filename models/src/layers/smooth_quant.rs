//! Evening out the ranges of a layer's inputs before both sides are rounded to 8 bits.
//!
//! A row of inputs has one scale, so that a channel with a large range takes precision from all others; the
//! weights of an output likewise. Dividing a channel by a factor and multiplying the weights that read it changes
//! nothing but the rounding, and costs nothing where the division can be folded into whatever makes the channel:
//! the factor of a norm, or the weights of the layer before. The factor is √(range of the input / range of the
//! weights) (SmoothQuant, arXiv 2211.10438, with α = ½); the range of the input is taken from the weights that
//! make it, so that no recording is needed.

use super::linear::{LinearWeights, Precision};

/// A norm's factors and the layers that read the normed rows, evened out.
pub(crate) fn norm_and_layers(
    norm: &[f32],
    layers: &[&LinearWeights],
    precision: Precision,
) -> (Vec<f32>, Vec<LinearWeights>) {
    let factors = factors(norm.iter().map(|factor| factor.abs()), layers, precision);
    let norm = norm.iter().zip(&factors).map(|(norm, factor)| norm / factor).collect();
    (norm, layers.iter().map(|layer| columns_times(layer, &factors)).collect())
}

/// A layer without activation and the layer that reads averages of its outputs, evened out: the values and the
/// output projection of an attention. `values` has no bias.
pub(crate) fn values_and_output(
    values: &LinearWeights,
    output: &LinearWeights,
    precision: Precision,
) -> (LinearWeights, LinearWeights) {
    let norm = |row: &[f32]| row.iter().map(|weight| weight * weight).sum::<f32>().sqrt();
    let ranges = values.weight.chunks_exact(values.inputs).map(norm);
    let factors = factors(ranges, &[output], precision);
    let mut values = values.clone();
    for (row, factor) in values.weight.chunks_exact_mut(values.inputs).zip(&factors) {
        row.iter_mut().for_each(|weight| *weight /= factor);
    }
    (values, columns_times(output, &factors))
}

/// What each channel is divided by: one where nothing is rounded to 8 bits, or a channel carries nothing.
fn factors(ranges: impl Iterator<Item = f32>, layers: &[&LinearWeights], precision: Precision) -> Vec<f32> {
    let channel = |(channel, range): (usize, f32)| {
        let columns = layers.iter().flat_map(|layer| layer.weight.iter().skip(channel).step_by(layer.inputs));
        let largest = columns.fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        let factor = (range / largest).sqrt();
        if precision == Precision::Int8 && factor.is_normal() { factor } else { 1.0 }
    };
    ranges.enumerate().map(channel).collect()
}

fn columns_times(layer: &LinearWeights, factors: &[f32]) -> LinearWeights {
    let mut layer = layer.clone();
    for row in layer.weight.chunks_exact_mut(layer.inputs) {
        row.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(weight: &[f32], outputs: usize) -> LinearWeights {
        LinearWeights { weight: weight.to_vec(), bias: None, outputs, inputs: weight.len() / outputs }
    }

    #[test]
    fn products_stay_and_ranges_meet() {
        let (norm, reader) = ([8.0, -0.5, 0.0], layer(&[0.5, 2.0, 1.0, -0.25, 1.0, 3.0], 2));
        let (evened, layers) = norm_and_layers(&norm, &[&reader], Precision::Int8);
        for (channel, (before, after)) in norm.iter().zip(&evened).enumerate() {
            for output in 0..2 {
                let at = output * 3 + channel;
                assert!((before * reader.weight[at] - after * layers[0].weight[at]).abs() < 1e-6);
            }
        }
        assert_eq!(evened, [2.0, -1.0, 0.0]);
        assert_eq!(layers[0].weight[..2], [2.0, 1.0]);
        assert_eq!(norm_and_layers(&norm, &[&reader], Precision::F32), (norm.to_vec(), vec![reader]));
    }

    #[test]
    fn values_and_output_still_give_the_same() {
        let (values, output) = (layer(&[3.0, 4.0, 0.6, 0.8], 2), layer(&[0.1, 10.0], 1));
        let (evened, reader) = values_and_output(&values, &output, Precision::Int8);
        let product = |values: &LinearWeights, output: &LinearWeights| {
            let hidden = values.weight.chunks_exact(2).map(|row| row[0] + 2.0 * row[1]);
            hidden.zip(&output.weight).map(|(x, w)| x * w).sum::<f32>()
        };
        assert!((product(&values, &output) - product(&evened, &reader)).abs() < 1e-4);
        assert_ne!(evened, values);
    }
}
