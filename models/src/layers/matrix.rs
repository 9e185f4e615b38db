//! The weights of a matrix, packed for the kernels in one of the precisions.

use crate::arena::Arena;
use crate::buffer::Buffer;
use crate::formats::packed::{Packed, PackedError, Reader, Stored, Writer};
use crate::layers::integers::Integers;
use crate::layers::precision::Precision;
use voxlane_kernels::gemm::i6::Bits6;
use voxlane_kernels::gemm::i8::Bits8;
use voxlane_kernels::gemm::{self, Epilogue, PANEL};
use voxlane_kernels::rows::{Rows, RowsMut};

/// `outputs × inputs` weights. A row's product does not depend on the other rows of a call.
#[derive(Debug)]
pub(crate) struct Matrix {
    form: Form,
    outputs: usize,
    inputs: usize,
}

#[derive(Debug)]
enum Form {
    F32(Stored<f32>),
    Int8(Integers<Bits8>),
    Int6(Integers<Bits6>),
}

impl Matrix {
    /// Packs `weight` (`outputs × inputs`, row-major).
    ///
    /// # Panics
    /// If `weight` is not a whole number of rows long.
    pub(crate) fn new(weight: &[f32], outputs: usize, precision: Precision) -> Self {
        let inputs = weight.len() / outputs;
        assert_eq!(weight.len(), outputs * inputs, "a weight matrix has {outputs} rows");
        let form = match precision {
            Precision::F32 => {
                let mut packed = Buffer::zeros(gemm::f32::packed_len(outputs, inputs));
                gemm::f32::pack(weight, outputs, inputs, &mut packed);
                Form::F32(packed.into())
            }
            Precision::Int8 => Form::Int8(Integers::new(weight, outputs, inputs)),
        };
        Matrix { form, outputs, inputs }
    }

    /// Packs `weight` as [`new`](Self::new) does, in 6 bits.
    pub(crate) fn six_bits(weight: &[f32], outputs: usize) -> Self {
        let inputs = weight.len() / outputs;
        Matrix { form: Form::Int6(Integers::new(weight, outputs, inputs)), outputs, inputs }
    }

    /// Rows of the matrix.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the matrix.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether its weights are in `precision`.
    pub(crate) fn is_in(&self, precision: Precision) -> bool {
        match self.form {
            Form::F32(_) => precision == Precision::F32,
            Form::Int8(_) => precision == Precision::Int8,
            Form::Int6(_) => false,
        }
    }

    /// Whether its weights have 6 bits.
    pub(crate) fn is_six_bits(&self) -> bool {
        matches!(self.form, Form::Int6(_))
    }

    /// Bytes of the weights of one output.
    pub(crate) fn output_bytes(&self) -> usize {
        match self.form {
            Form::F32(_) => self.inputs * 4,
            Form::Int8(_) => self.inputs,
            Form::Int6(_) => gemm::i6::packed_len(PANEL, self.inputs) / PANEL,
        }
    }

    /// The lengths of scratch memory, in floats, that a product of `rows` rows of `inputs` values takes at most
    /// in any precision.
    pub(crate) fn scratch_lengths(inputs: usize, rows: usize) -> [usize; 2] {
        [(rows * gemm::i8::row_len(inputs)).div_ceil(size_of::<f32>()), rows]
    }

    /// `input` as the products take it, in memory of `arena` where it has to be rounded. Matrices of one shape and
    /// precision can share it.
    #[inline]
    pub(crate) fn prepare<'a>(&self, input: Rows<'a>, arena: &'a Arena) -> Prepared<'a> {
        match self.form {
            Form::F32(_) => Prepared::Floats(input),
            Form::Int8(_) | Form::Int6(_) => Prepared::Rounded(quantize(input, self.inputs, arena)),
        }
    }

    /// The products of `count` outputs from `first` on, which begins a panel of [`PANEL`] outputs; fewer where
    /// there are no more. `out` has one row of that many values for each row of `input`.
    ///
    /// # Panics
    /// If the input was prepared for another precision.
    #[inline]
    pub(crate) fn apply_part(
        &self,
        first: usize,
        count: usize,
        input: &Prepared<'_>,
        epilogue: &Epilogue<'_>,
        out: RowsMut<'_>,
    ) {
        let (first, panels) = (first / PANEL, count.div_ceil(PANEL));
        match (&self.form, input) {
            (Form::F32(_), Prepared::Floats(input)) => {
                gemm::f32::gemm(*input, &self.f32().part(first, panels), epilogue, out);
            }
            (Form::Int8(integers), Prepared::Rounded(input)) => {
                let weights = integers.packed(self.outputs, self.inputs);
                gemm::i8::gemm(input, &weights.part(first, panels), epilogue, out);
            }
            (Form::Int6(_), Prepared::Rounded(input)) => {
                gemm::i6::gemm(input, &self.i6().part(first, panels), epilogue, out);
            }
            _ => panic!("an input is prepared by a matrix of the precision that it is multiplied with"),
        }
    }

    /// Writes the weights of one output.
    ///
    /// # Panics
    /// If there is no such output.
    pub(crate) fn row(&self, output: usize, row: &mut [f32]) {
        let each = |weight: &dyn Fn(usize) -> f32, row: &mut [f32]| {
            row.iter_mut().enumerate().for_each(|(input, value)| *value = weight(input));
        };
        match &self.form {
            Form::F32(_) => {
                let weights = self.f32();
                each(&|input| weights.weight(output, input), row);
            }
            Form::Int8(integers) => {
                let weights = integers.packed(self.outputs, self.inputs);
                each(&|input| weights.weight(output, input), row);
            }
            Form::Int6(_) => {
                let weights = self.i6();
                each(&|input| weights.weight(output, input), row);
            }
        }
    }

    /// The matrix as the f32 kernels take it.
    ///
    /// # Panics
    /// If it was made in another precision.
    pub(crate) fn f32(&self) -> gemm::f32::Packed<'_> {
        match &self.form {
            Form::F32(packed) => gemm::f32::Packed::new(packed, self.outputs, self.inputs),
            _ => panic!("callers ask only matrices for f32 that they have made in f32"),
        }
    }

    /// The matrix as the 6-bit kernels take it.
    ///
    /// # Panics
    /// If it was made in another precision.
    pub(crate) fn i6(&self) -> gemm::i6::Packed<'_> {
        match &self.form {
            Form::Int6(integers) => integers.packed(self.outputs, self.inputs),
            _ => panic!("callers ask only matrices for 6 bits that they have made in 6 bits"),
        }
    }

    /// Whether the stored arrays have the lengths that the shape needs.
    fn is_sound(&self) -> bool {
        let (outputs, inputs) = (self.outputs, self.inputs);
        // Both far from overflowing any length that is computed of them.
        if outputs.max(inputs) > 1 << 24 {
            return false;
        }
        match &self.form {
            Form::F32(packed) => packed.len() == gemm::f32::packed_len(outputs, inputs),
            Form::Int8(integers) => integers.is_sound(outputs, inputs),
            Form::Int6(integers) => integers.is_sound(outputs, inputs),
        }
    }
}

/// Rows as the products of a precision take them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Prepared<'a> {
    Floats(Rows<'a>),
    Rounded(gemm::i8::QuantizedRows<'a>),
}

/// `input` as rows of 8-bit values in memory of `arena`.
#[inline]
pub(crate) fn quantize<'a>(input: Rows<'_>, inputs: usize, arena: &'a Arena) -> gemm::i8::QuantizedRows<'a> {
    let bytes = arena.bytes(input.count * gemm::i8::row_len(inputs));
    gemm::i8::quantize_rows(input, inputs, bytes, arena.scratch(input.count))
}

impl Packed for Matrix {
    fn save(&self, writer: &mut Writer) {
        [self.outputs, self.inputs].save(writer);
        match &self.form {
            Form::F32(packed) => {
                0u8.save(writer);
                packed.save(writer);
            }
            Form::Int8(integers) => {
                1u8.save(writer);
                integers.save(writer);
            }
            Form::Int6(integers) => {
                2u8.save(writer);
                integers.save(writer);
            }
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let [outputs, inputs] = Packed::load(reader)?;
        let form = match u8::load(reader)? {
            0 => Form::F32(Packed::load(reader)?),
            1 => Form::Int8(Packed::load(reader)?),
            2 => Form::Int6(Packed::load(reader)?),
            _ => return Err(PackedError::Fields("a matrix has no known form")),
        };
        let matrix = Matrix { form, outputs, inputs };
        if matrix.is_sound() {
            Ok(matrix)
        } else {
            Err(PackedError::Fields("a matrix has not its shape's size"))
        }
    }
}
