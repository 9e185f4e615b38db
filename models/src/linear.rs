//! A linear layer, packed for the kernels.

use crate::arena::Arena;
use crate::buffer::Buffer;
use voxlane_kernels::gemm::{self, Activation, Epilogue};
use voxlane_kernels::rows::{Rows, RowsMut};

/// How the weights of a layer are stored and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats, as trained.
    #[default]
    F32,
}

/// What follows the product, before the result is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The result replaces the output.
    Store,
    /// The result, through the activation, replaces the output.
    Activate(Activation),
    /// The result is added to what the output holds: a residual connection.
    Add,
}

/// `y = W·x + b` for rows of x. The weights are packed once; the precision is chosen once, so that applying
/// the layer costs one indirect call.
///
/// A row's result does not depend on the other rows in the call.
pub struct Linear {
    product: Box<dyn Product>,
    bias: Option<Buffer>,
    outputs: usize,
}

/// `W·x` for one precision.
trait Product: Send + Sync {
    fn apply(&self, input: Rows<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>, arena: &Arena);
}

impl Linear {
    /// Packs `weight` (`outputs × inputs`, row-major).
    ///
    /// # Panics
    /// If `weight` is not `outputs · inputs` long, or `bias` not `outputs`.
    pub fn new(weight: &[f32], bias: Option<&[f32]>, outputs: usize, precision: Precision) -> Self {
        let inputs = weight.len() / outputs;
        assert_eq!(weight.len(), outputs * inputs, "a weight matrix has {outputs} rows");
        assert!(bias.is_none_or(|bias| bias.len() == outputs), "a bias has {outputs} values");
        let product = match precision {
            Precision::F32 => Box::new(F32::new(weight, outputs, inputs)),
        };
        Linear { product, bias: bias.map(Buffer::from), outputs }
    }

    /// Values in a row of the result.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes one row of results for each row of `input`. Does not allocate; `arena` gives scratch memory.
    #[inline]
    pub fn apply(&self, input: Rows<'_>, then: Then, out: RowsMut<'_>, arena: &Arena) {
        let (activation, accumulate) = match then {
            Then::Store => (Activation::None, false),
            Then::Activate(activation) => (activation, false),
            Then::Add => (Activation::None, true),
        };
        let epilogue = Epilogue { bias: self.bias.as_deref(), activation, accumulate };
        self.product.apply(input, &epilogue, out, arena);
    }
}

struct F32 {
    packed: Buffer,
    outputs: usize,
    inputs: usize,
}

impl F32 {
    fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut packed = Buffer::zeros(gemm::f32::packed_len(outputs, inputs));
        gemm::f32::pack(weight, outputs, inputs, &mut packed);
        F32 { packed, outputs, inputs }
    }
}

impl Product for F32 {
    #[inline]
    fn apply(&self, input: Rows<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>, _arena: &Arena) {
        let weights = gemm::f32::Packed::new(&self.packed, self.outputs, self.inputs);
        gemm::f32::gemm(input, &weights, epilogue, out);
    }
}
