//! What happens to a product before it is stored.

use crate::table::Table;

/// A function applied to each result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The result itself.
    #[default]
    None,
    /// GELU, the exact (erf) form.
    Gelu,
    /// SiLU.
    Silu,
    /// tanh.
    Tanh,
    /// ReLU.
    Relu,
}

/// What a product does with its sums: `out = [out +] activation(sum + bias)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One value for each output, added before the activation.
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Activation,
    /// Add the result to what `out` holds (the residual) instead of replacing it.
    pub accumulate: bool,
}

/// An epilogue whose activation is resolved to a function of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a> {
    pub bias: Option<&'a [f32]>,
    pub activation: Option<fn(&mut [f32])>,
    pub accumulate: bool,
}

impl<'a> Epilogue<'a> {
    /// # Panics
    /// If there is a bias whose length is not `outputs`.
    pub(crate) fn resolve(&self, _table: &Table, outputs: usize) -> Finish<'a> {
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), outputs, "one bias value for each output");
        }
        let activation = plain(self.activation);
        Finish { bias: self.bias, activation, accumulate: self.accumulate }
    }
}

/// Plain Rust activations.
fn plain(activation: Activation) -> Option<fn(&mut [f32])> {
    match activation {
        Activation::None => None,
        Activation::Gelu => Some(|x| each(x, |v| 0.5 * v * (1.0 + erf(v * std::f32::consts::FRAC_1_SQRT_2)))),
        Activation::Silu => Some(|x| each(x, |v| v / (1.0 + (-v).exp()))),
        Activation::Tanh => Some(|x| each(x, f32::tanh)),
        Activation::Relu => Some(|x| each(x, |v| v.max(0.0))),
    }
}

fn each(x: &mut [f32], f: impl Fn(f32) -> f32) {
    for v in x {
        *v = f(*v);
    }
}

/// Abramowitz and Stegun 7.1.26: absolute error at most 1.5e-7.
fn erf(x: f32) -> f32 {
    let (x, t) = (f64::from(x), 1.0 / (1.0 + 0.327_591_1 * f64::from(x.abs())));
    let poly = ((((1.061_405_429 * t - 1.453_152_027) * t + 1.421_413_741) * t - 0.284_496_736) * t
        + 0.254_829_592)
        * t;
    ((1.0 - poly * (-x * x).exp()) as f32).copysign(x as f32)
}
