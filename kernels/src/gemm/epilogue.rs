//! What happens to a product before it is stored.

use crate::activation;

/// A function applied to each result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The result itself.
    #[default]
    None,
    /// [`gelu`](crate::activation::gelu), the exact form.
    Gelu,
    /// [`silu`](crate::activation::silu).
    Silu,
    /// [`tanh`](crate::activation::tanh).
    Tanh,
    /// [`relu`](crate::activation::relu).
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

/// An epilogue that has been checked, with its activation as a function.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a> {
    pub bias: Option<&'a [f32]>,
    pub activation: Option<fn(&mut [f32])>,
    pub accumulate: bool,
}

impl<'a> Epilogue<'a> {
    /// # Panics
    /// If there is a bias whose length is not `outputs`.
    pub(crate) fn resolve(&self, outputs: usize) -> Finish<'a> {
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), outputs, "one bias value for each output");
        }
        let activation: Option<fn(&mut [f32])> = match self.activation {
            Activation::None => None,
            Activation::Gelu => Some(activation::gelu),
            Activation::Silu => Some(activation::silu),
            Activation::Tanh => Some(activation::tanh),
            Activation::Relu => Some(activation::relu),
        };
        Finish { bias: self.bias, activation, accumulate: self.accumulate }
    }
}
